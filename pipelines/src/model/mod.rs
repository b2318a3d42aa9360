//! A network with its weights on a device, and what runs it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`network`] | a task's model with its variables |
//! | [`int8`] | a network that computes in int8 |
//! | [`weights`] | files of weights: their metadata, classes and names; a network built from one |
//! | [`published`] | files of weights by their published name |
//! | [`start`] | initial weights of a run |
//! | [`batch`], [`predictor`] | images to tensors to predictions |
//! | [`trace`] | a network as TorchScript |
//! | [`mod@device`], [`precision`] | where and in which precision it computes |

mod batch;
pub mod device;
mod int8;
mod network;
pub mod precision;
mod predictor;
pub mod published;
mod start;
mod trace;
mod weights;

pub use batch::{Normalizer, affine, stack};
pub use int8::GridShapes;
pub use network::Network;
pub use predictor::{Eager, Interpreted, Predictor};
pub use start::{calibrate, start_weights};
pub use trace::{graph_of, images_to_record, trace};
pub use weights::{
    CONFIG, LayoutName, bare_metadata, classes_of, deployed, known_classes, metadata, not_finite, numbered,
    read_any_weights, read_weights, write_weights,
};
