//! DeepLabV3 (<https://arxiv.org/abs/1706.05587>): semantic segmentation by atrous spatial pyramid pooling on the last
//! features, equal to torchvision's `DeepLabHead` and `FCNHead` from the features on: the same outputs, gradients and
//! parameter names.
//!
//! | module | holds |
//! |---|---|
//! | `config` | the settings, with torchvision's defaults |
//! | `aspp` | the pyramid: 1x1, atrous and pooled branches, and their projection |
//! | `auxiliary` | the head on C4 for training |
//! | `loss` | cross entropy over pixels, hard example mining |
//! | `upsample` | from the grid of the features to that of the image |
//! | `head` | the complete head: [`DeepLabV3`] |

mod aspp;
mod auxiliary;
mod config;
mod head;
mod loss;
mod upsample;

pub use config::{AuxiliaryConfig, DeepLabV3Config, OhemConfig};
pub use head::{DeepLabV3, Output};
pub use loss::Losses;
pub use upsample::upsample;
