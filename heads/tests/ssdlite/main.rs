//! SSDLite compared with torchvision's, and promises for every input.

mod anchors;
mod box_coder;
mod config;
mod detect;
#[path = "../golden/mod.rs"]
mod golden;
mod loss;
mod matcher;
mod network;
mod nms;
#[path = "../../../backbone/tests/support/mod.rs"]
mod shared;
mod support;
