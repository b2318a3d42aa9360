//! The classifier compared with PyTorch's and timm's, and promises for every input.

mod config;
#[path = "../golden/mod.rs"]
mod golden;
mod head;
mod loss;
#[path = "../../../backbone/tests/support/mod.rs"]
mod support;
