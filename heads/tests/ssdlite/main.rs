//! SSDLite against torchvision's, and the promises that hold for every input.

mod anchors;
mod box_coder;
mod config;
mod detect;
mod loss;
mod matcher;
mod network;
mod nms;
#[path = "../support/mod.rs"]
mod shared;
mod support;
