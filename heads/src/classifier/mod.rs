//! Image classification: global average pooling and a linear layer on the last features, named as in Apple's MobileOne.
//!
//! | module | holds |
//! |---|---|
//! | `config` | the settings |
//! | `loss` | cross entropy with class labels or distributions, and the distributions of mixed images |
//! | `head` | the complete head: [`Classifier`] |

mod config;
mod head;
mod loss;

pub use config::ClassifierConfig;
pub use head::Classifier;
pub use loss::{Targets, cross_entropy, mixed_targets};
