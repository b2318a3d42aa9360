//! MobileOne (Apple, CVPR 2023, <https://arxiv.org/abs/2206.04040>): specification, train form, deploy form,
//! re-parameterisation, checkpoints and their names.
//!
//! | module | holds |
//! |---|---|
//! | [`spec`] | the published variants, specifications of one's own, output strides |
//! | [`plan`] | the layers of a specification in order |
//! | [`form`] | train form or deploy form, batch or running statistics, and what folds one form into the other |
//! | [`conv`] | a convolution with its bias, and a convolution with its batch normalisation |
//! | [`norm`] | batch normalisation |
//! | [`block`] | the MobileOne block |
//! | [`network`] | the network and its features |
//! | [`init`] | a train form from deploy-form weights |
//! | [`reparam`] | folding the branches of a block into one convolution, and what each adds |
//! | [`folded`] | training the branches at a lower price |
//! | [`profile`] | time by layer |
//! | [`cost`] | parameters, multiply-adds and activations |
//! | [`checkpoint`] | weights on disk, their names, and loading them |

pub mod block;
pub mod checkpoint;
pub mod conv;
pub mod cost;
mod error;
pub mod folded;
pub mod form;
pub mod init;
pub mod network;
pub mod norm;
pub mod plan;
pub mod profile;
pub mod reparam;
pub mod spec;

pub use checkpoint::{Checkpoint, Layout, LoadReport, Metadata, Normalization, Policy};
pub use conv::{Activation, Conv, ConvBn, ConvBnConfig, ConvBnKeys, Geometry, WeightInit};
pub use cost::{Classifier, Cost, CostRow};
pub use error::Error;
pub use folded::TrainForward;
pub use form::{Fold, Form, Mode, StateDict};
pub use network::{Features, MobileOne};
pub use norm::{BatchNorm, BatchNormConfig};
pub use reparam::Contribution;
pub use spec::{OutputStride, Spec, Stage, Variant};
