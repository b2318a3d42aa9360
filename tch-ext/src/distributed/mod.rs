//! Many processes that train one network: c10d, PyTorch's own engine for it, which libtorch contains.
//!
//! | item | what it offers | PyTorch's name for it |
//! |---|---|---|
//! | [`Launch`] | rank, world size and meeting point, as the launcher set them | `torchrun`'s variables |
//! | [`MeetingPoint`] | starting processes on this host oneself | `torchrun`'s agent |
//! | [`World`] | joining, leaving, and one reason for all when a process fails | `init_process_group` |
//! | [`Group`] | collectives over Gloo | `torch.distributed.all_reduce` and others |
//! | [`Reducer`] | means of gradients, reduced while the backward pass goes on | `DistributedDataParallel` |
//! | [`sync_batch_norms`] | batch norm over the batches of all processes | `SyncBatchNorm` |
//!
//! A single process runs the same code without connections ([`World::alone`]). Tensors are on the CPU, or after
//! [`World::use_cuda`] on a CUDA device, which needs the library that `tools/nccl` builds.
//!
//! # A training step
//! ```no_run
//! use tch::Tensor;
//! use tch_ext::{Error, distributed::{Group, JoinOptions, Launch, Reducer, ReducerOptions, World, exit_at_once}};
//!
//! fn train(group: &Group, parameters: &[(String, Tensor)], losses: &[Tensor]) -> Result<(), Error> {
//!     let mut reducer = Reducer::new(parameters, group, ReducerOptions::default())?;
//!     for loss in losses {
//!         reducer.backward(loss)?;
//!         // An optimiser's step on the gradients, which are equal on all processes.
//!     }
//!     Ok(())
//! }
//!
//! fn run(parameters: &[(String, Tensor)], losses: &[Tensor]) -> Result<(), Error> {
//!     let world = match Launch::from_env()? {
//!         Some(launch) => World::join(&launch, &JoinOptions::default())?,
//!         None => World::alone()?,
//!     };
//!     if let Err(error) = train(world.group(), parameters, losses) {
//!         let failure = world.explain(&error);
//!         if failure.reporter == world.rank() {
//!             eprintln!("{}", failure.reason);
//!         }
//!         exit_at_once(1);
//!     }
//!     world.leave(std::time::Duration::from_secs(60))
//! }
//! ```

mod address;
mod agreement;
mod batch_norm;
mod deadline;
mod failure;
mod group;
mod introduction;
mod join;
mod launch;
mod lost;
mod meeting;
mod reducer;
mod sentinel;
mod slurm;
mod store;
mod variables;
mod world;

use std::time::Duration;

pub use batch_norm::{BatchNormInput, BatchNormOptions, RunningStatistics, sync_batch_norms};
pub use failure::Failure;
pub(crate) use group::{ForeignGroup, checked};
pub use group::{Group, Reduction};
pub use join::JoinOptions;
pub use launch::{Launch, LaunchError, Launcher, Listener};
pub use meeting::MeetingPoint;
pub use reducer::{GradientKind, Reducer, ReducerOptions, UnusedParameters};
pub use world::{World, exit_at_once};

/// For c10d, which counts in `int64_t` milliseconds and takes 0 for "none".
fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2).max(1)
}

/// "rank 1", "ranks 1 and 3", "ranks 0, 1 and 2"; of many the first ones.
pub(crate) fn ranks_in_words(ranks: &[usize]) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = ranks.iter().take(SHOWN).map(usize::to_string).collect();
    match (ranks.len(), names.split_last()) {
        (_, None) => "no rank".to_owned(),
        (1, Some((only, _))) => format!("rank {only}"),
        (count, Some(_)) if count > SHOWN => format!("ranks {} and {} more", names.join(", "), count - SHOWN),
        (_, Some((last, others))) => format!("ranks {} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_listed_in_words() {
        assert_eq!(ranks_in_words(&[1]), "rank 1");
        assert_eq!(ranks_in_words(&[1, 3]), "ranks 1 and 3");
        assert_eq!(ranks_in_words(&[0, 1, 2]), "ranks 0, 1 and 2");
        let many: Vec<usize> = (0..11).collect();
        assert_eq!(ranks_in_words(&many), "ranks 0, 1, 2, 3, 4, 5, 6, 7 and 3 more");
    }

    #[test]
    fn a_timeout_is_never_read_as_none() {
        assert_eq!(milliseconds(Duration::from_micros(1)), 1);
        assert!(milliseconds(Duration::MAX) > 0);
    }
}
