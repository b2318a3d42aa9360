//! Core ML packages (`.mlpackage`): written from graphs, read back, and computed by libtorch.
//!
//! | module | holds |
//! |---|---|
//! | `network` | a graph as operations of a program |
//! | `ends`, [`suppression`] | what comes before a network, and the detections behind it |
//! | `model`, `features` | operations; inputs and outputs |
//! | `value`, `weights`, `proto` | constants, their file, and the messages of the format |
//! | `package` | the folder |
//! | [`Session`], `constants`, `interpreter` | reading a package back, and computing its program |

mod constants;
mod ends;
mod features;
mod interpreter;
mod model;
mod network;
mod package;
mod proto;
mod session;
pub mod suppression;
mod value;
mod weights;

pub use model::{Builder, Value};
pub use package::{Description, Package};
pub use session::Session;
pub use value::Kind;
