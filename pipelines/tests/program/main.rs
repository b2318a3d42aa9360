//! The program as its users meet it: run as a process, on small data that the tests make.

mod detector;
mod exports;
mod scores;
mod tasks;
mod weights;
mod words;
mod workshop;
