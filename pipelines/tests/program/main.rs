//! The program as its users run it: as a process, on small data that the tests create.

mod backbones;
mod browse;
mod config;
mod data_check;
mod detector;
mod distributed;
mod errors;
mod evaluation;
mod exports;
mod faults;
mod init;
mod modules;
mod pages;
mod published;
mod quantization;
mod real_data;
mod resume;
mod scores;
mod tasks;
mod weights;
mod words;
mod workshop;
