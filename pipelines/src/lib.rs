//! Configuration, tasks, stages and commands of `pipeline`; its arguments are in the crate `front`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`commands`] | the flow of each command |
//! | [`config`] | a job's YAML file, typed and checked |
//! | [`task`] | what a task is: the seam between the stages and the three tasks |
//! | [`model`] | a network with its weights on a device |
//! | [`mod@train`], [`mod@evaluate`] | the stages, written once for every task |
//! | [`run`] | what lasts: run folder, checkpoints, environment |
//! | [`measure`] | latency, and all that a network costs |
//! | [`report`] | accuracy with cost as tables, files and figures |
//! | [`export`] | files for other programs: writing, checking and running them |
//! | [`mod@quantize`] | a network in int8, and what that costs |
//! | [`processes`] | several processes of one job: who they are, what they exchange, how they end |
//! | [`interruption`] | signals |
//! | [`failure`] | errors as a person sees them |
//!
//! `console` and `files` are the front's.

pub mod commands;
pub mod config;
pub mod evaluate;
pub mod export;
pub mod failure;
pub mod interruption;
pub mod measure;
pub mod model;
pub mod processes;
pub mod quantize;
pub mod report;
pub mod run;
pub mod task;
pub mod train;

use front::{console, files};
