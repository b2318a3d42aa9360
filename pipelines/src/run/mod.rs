//! What outlives the process: a run's folder, environment and checkpoints; and how a command opens one by name.
//!
//! | module | what it holds |
//! |---|---|
//! | [`folder`] | the run folder and its lock |
//! | [`checkpoint`], [`manifest`], [`shelf`] | a checkpoint, how damage is detected, which ones are kept |
//! | [`position`], [`identity`], [`generators`] | where a run stands, on which data, and what dropout draws next |
//! | [`environment`] | versions and machine |
//! | [`subject`] | a run, a configuration or a file of weights, by name |

mod checkpoint;
mod environment;
mod folder;
mod generators;
mod identity;
mod manifest;
mod position;
mod shelf;
mod subject;

pub use checkpoint::{Checkpoint, Contents, NewestCheckpoint, State};
pub use environment::{Environment, Machine, cpu_name};
pub use folder::RunFolder;
pub use generators::{generator_states, restore_generators};
pub use identity::DataIdentity;
pub use position::{Best, Means, Position, Tally};
pub use subject::{Subject, holds_weights, key_without_weights};
