//! LiteRT's shared library: files loaded and run on one thread of the CPU.
//!
//! The library trusts what a file says: check a file before it is loaded, as `formats::litert` does.

mod functions;
mod guard;
mod memory;
mod program;
mod runtime;

pub use functions::MOST_DIMENSIONS;
pub use memory::Memory;
pub use program::{Buffer, Program};
pub use runtime::Runtime;
