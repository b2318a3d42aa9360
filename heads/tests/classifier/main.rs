//! The classifier against PyTorch's and timm's, and the promises that hold for every input.

#[path = "../support/mod.rs"]
mod support;

mod config;
mod head;
mod loss;
