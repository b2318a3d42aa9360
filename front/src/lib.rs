//! The command line of `pipeline`: its arguments, and what needs neither libtorch nor OpenCV.
//!
//! | module | holds |
//! |---|---|
//! | [`start`] | the program that people start |
//! | [`cli`] | the arguments of every command |
//! | [`words`] | their words, which files use as well |
//! | [`pages`] | completions and the man page |
//! | [`score`] | files of predictions against files of truth |
//! | [`report`] | results as tables, JSON, CSV and figures |
//! | [`console`], [`failure`] | what a person sees |
//! | [`files`] | durable files |

#[allow(missing_docs, reason = "options that commands share are described where they are declared")]
pub mod cli;
pub mod console;
pub mod failure;
pub mod files;
pub mod pages;
pub mod report;
pub mod score;
pub mod start;
pub mod words;

/// The version of the program, with the revision of its source.
pub const VERSION: &str = env!("PIPELINE_VERSION");
/// The revision of its source, where that is a checkout.
pub const REVISION: Option<&str> = option_env!("PIPELINE_REVISION");
