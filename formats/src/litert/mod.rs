//! LiteRT files (`.tflite`): written from graphs, and run.
//!
//! | module | holds |
//! |---|---|
//! | `network`, `layers` | a graph as LiteRT operators |
//! | `ends`, `detector` | what comes before a network, and the detections behind it |
//! | `model` | tensors, operators, inputs and outputs as a file |
//! | `kinds`, `operators` | the operators, and their settings |
//! | `description` | what applications read of a file |
//! | `metadata` | what a file says about itself |
//! | [`Session`], [`Library`] | running a file, by LiteRT's library |
//! | `check`, `tensor`, `detection` | what is checked of a file before the library gets it, which trusts it |
//! | `flatbuffer` | the format of the file |

mod check;
mod description;
mod detection;
mod detector;
mod ends;
mod flatbuffer;
mod kinds;
mod layers;
mod library;
mod metadata;
mod model;
mod network;
mod operators;
mod session;
mod tensor;

pub use description::{Description, Meaning};
pub use detector::Detections;
pub use library::Library;
pub use metadata::metadata;
pub use model::{Builder, Value};
pub use network::Output;
pub use session::{Session, Slot};
