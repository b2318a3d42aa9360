//! DeepLabV3 compared with torchvision's, and promises for every input.

mod config;
mod cost;
mod forms;
#[path = "../golden/mod.rs"]
mod golden;
mod loss;
mod network;
mod predict;
#[path = "../../../backbone/tests/support/mod.rs"]
mod shared;
mod support;
