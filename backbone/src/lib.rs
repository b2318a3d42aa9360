//! MobileOne (Apple, CVPR 2023, <https://arxiv.org/abs/2206.04040>): specification, train form, deploy form,
//! re-parameterisation, checkpoints and their names.
//!
//! | module | holds |
//! |---|---|
//! | [`form`] | train form or deploy form, batch or running statistics, and what folds one form into the other |
//! | [`conv`] | a convolution with its bias, and a convolution with its batch normalisation |
//! | [`norm`] | batch normalisation |
//! | [`network`] | the network and its features |

pub mod conv;
pub mod form;
pub mod network;
pub mod norm;

pub use conv::{Activation, Conv, ConvBn, ConvBnConfig, ConvBnKeys, Geometry, WeightInit};
pub use form::{Fold, Form, Mode, StateDict};
pub use network::Features;
pub use norm::{BatchNorm, BatchNormConfig};
