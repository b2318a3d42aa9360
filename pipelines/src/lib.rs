//! Configuration, tasks, stages and the command line of `pipeline`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`], [`commands`] | the words of the command line, and what each command does |
//! | [`config`] | a job's YAML file, typed and checked |
//! | [`task`] | the one seam between stages and tasks |
//! | [`mod@train`], [`mod@evaluate`] | the stages, written once for every task |
//! | [`network`], [`predictor`], [`batch`], [`precision`], [`device`] | a model with its weights, and what runs it |
//! | [`export`] | files for other programs: writing, checking and running them |
//! | [`script`], [`engine`] | a network as TorchScript, and the ways to run one |
//! | [`mod@latency`], [`footprint`] | how long one run of a network takes; all that it costs |
//! | [`run_folder`], [`environment`] | what a run leaves |
//! | [`interruption`] | signals that ask a run to end |
//! | [`console`], [`failure`] | what a person sees |

pub mod batch;
pub mod cli;
pub mod commands;
pub mod config;
pub mod console;
pub mod device;
pub mod engine;
pub mod environment;
pub mod evaluate;
pub mod export;
pub mod failure;
pub mod footprint;
pub mod interruption;
pub mod latency;
pub mod network;
pub mod precision;
pub mod predictor;
pub mod run_folder;
pub mod script;
pub mod task;
pub mod train;
