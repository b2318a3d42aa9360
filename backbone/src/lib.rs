#![doc = include_str!("../README.md")]
//! # Modules
//!
//! | module | holds |
//! |---|---|
//! | [`spec`] | the published variants, custom specifications, output strides |
//! | [`plan`] | the layers of a specification in order |
//! | [`form`] | train or deploy form, batch or running statistics, folding one form into the other |
//! | [`geometry`] | shape and sampling of a convolution |
//! | [`conv`] | a convolution with its bias, and a convolution with its batch normalisation |
//! | [`norm`] | batch normalisation |
//! | [`block`], `branches` | the MobileOne block |
//! | `features` | the seam to heads and stages: [`Backbone`] and its [`Features`] |
//! | [`network`] | MobileOne |
//! | `design` | which network: a specification of MobileOne or the name of another |
//! | [`published`] | the networks that the paper compares with MobileOne, one file each |
//! | `layers` | what several of them are made of |
//! | `channels` | weights for color as weights for another number of channels |
//! | [`init`] | train-form weights from deploy-form weights |
//! | [`reparam`] | folding the branches of a block into one convolution, and the contribution of each |
//! | `folded` | training the branches at a lower cost |
//! | [`profile`] | time by layer |
//! | [`cost`] | parameters, multiply-adds and activations |
//! | [`checkpoint`] | weights on disk, their names, and loading them |

pub mod block;
mod branches;
mod channels;
pub mod checkpoint;
pub mod conv;
pub mod cost;
mod design;
mod error;
mod features;
mod folded;
pub mod form;
pub mod geometry;
pub mod init;
mod layers;
pub mod network;
pub mod norm;
pub mod plan;
pub mod profile;
pub mod published;
pub mod reparam;
pub mod spec;

pub use channels::adapt_channels;
pub use checkpoint::{Checkpoint, Layout, LoadReport, Metadata, Normalization, Policy};
pub use conv::{Activation, Conv, ConvBn, ConvBnConfig, ConvBnKeys, WeightInit};
pub use cost::{Complexity, Cost, CostRow};
pub use design::{Design, Published};
pub use error::Error;
pub use features::{Backbone, Features};
pub use form::{Fold, Form, Mode, StateDict, Together, TrainForward};
pub use geometry::{Geometry, Sampling, Strides};
pub use network::MobileOne;
pub use norm::{BatchNorm, BatchNormConfig};
pub use published::{Architecture, Purpose, Setup};
pub use reparam::Contribution;
pub use spec::{OutputStride, Spec, Stage, Variant};
