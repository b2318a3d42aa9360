//! What a network costs on this machine.
//!
//! | module | what it holds |
//! |---|---|
//! | [`engine`] | the ways to run a network |
//! | [`mod@latency`] | the time of one run |
//! | [`footprint`] | parameters, multiply-adds, file size and latency together |
//! | [`mod@profile`] | where the time goes, layer by layer |

mod engine;
mod footprint;
pub mod latency;
mod profile;

pub use engine::{Engine, Forms, compile, form, lite, prepare, random_images, runs_on, scripted};
pub use footprint::{Footprint, Timing};
pub use latency::{Latency, Run, measure_by_turns};
pub use profile::{Profile, profile};
