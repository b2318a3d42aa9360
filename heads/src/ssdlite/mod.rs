//! SSDLite: single-shot detection with depthwise-separable predictors (section 6.2 of <https://arxiv.org/abs/1801.04381>, on
//! SSD, <https://arxiv.org/abs/1512.02325>), equal to torchvision's `ssdlite320_mobilenet_v3_large` from the features on: the
//! same anchors, matches, losses, parameter names and detections.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | the settings, with torchvision's defaults |
//! | [`anchors`] | the default boxes for an input size |
//! | `level` | which features have anchors, and their size |
//! | [`box_coder`] | boxes as offsets from anchors |
//! | [`matcher`] | the object of each anchor |
//! | `targets` | the targets of the anchors of a batch |
//! | `loss` | hard negatives, cross entropy, smooth L1 |
//! | `multibox` | extra levels and predictors |
//! | [`nms`] | non-maximum suppression |
//! | `decoder` | predictions as probabilities and boxes |
//! | `postprocess` | from scores and boxes to detections |
//! | `head` | the complete head: [`SsdLite`] |

pub mod anchors;
pub mod box_coder;
pub mod config;
mod decoder;
mod head;
mod level;
mod loss;
pub mod matcher;
mod multibox;
pub mod nms;
mod postprocess;
mod targets;

pub use anchors::{Anchors, Corners};
pub use box_coder::BoxCoder;
pub use config::{FirstLevel, SsdLiteConfig};
pub use decoder::Decoded;
pub use head::SsdLite;
pub use loss::Losses;
pub use matcher::Matcher;
pub use multibox::Predictions;
pub use postprocess::{Detections, select};
pub use targets::GroundTruth;
