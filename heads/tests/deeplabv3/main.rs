//! DeepLabV3 against torchvision's, and the promises that hold for every input.

#[path = "../support/mod.rs"]
mod shared;

mod config;
mod cost;
mod forms;
mod loss;
mod network;
mod predict;
mod support;
