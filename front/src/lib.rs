//! The command line of `pipeline`: its arguments, and what needs neither libtorch nor OpenCV.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the arguments of every command |
//! | [`words`] | their words, which files use as well |
//! | [`pages`] | completions and the man page |
//! | [`start`] | the program that people start |

#[allow(missing_docs, reason = "options that commands share are described where they are declared")]
pub mod cli;
pub mod pages;
pub mod start;
pub mod words;

/// The version of the program, with the revision of its source.
pub const VERSION: &str = env!("PIPELINE_VERSION");
/// The revision of its source, where that is a checkout.
pub const REVISION: Option<&str> = option_env!("PIPELINE_REVISION");
