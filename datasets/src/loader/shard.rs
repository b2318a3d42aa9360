//! The part of every batch that one of several processes reads.

use crate::Error;
use crate::settings::check;

/// A process among those that share the batches of an epoch.
///
/// All shuffle alike and deal each batch out: sample `i` of a batch belongs to process `i % count`. So the parts of step `t` are
/// together the batch of step `t` of a single process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which process, from 0.
    pub rank: usize,
    /// How many there are, at least 1.
    pub count: usize,
}

impl Default for Shard {
    /// A single process.
    fn default() -> Shard {
        Shard { rank: 0, count: 1 }
    }
}

impl Shard {
    /// # Errors
    /// [`Error::Setting`] for a rank that does not exist, or more processes than samples in a batch.
    pub(super) fn validate(self, batch_size: usize) -> Result<(), Error> {
        check(self.rank < self.count, "shard.rank", self.rank, "below the number of processes")?;
        check(self.count <= batch_size, "batch_size", batch_size, "at least the number of processes")
    }

    /// How many samples of a batch of `samples` this process reads.
    pub(super) fn part(self, samples: usize) -> usize {
        samples.saturating_sub(self.rank).div_ceil(self.count)
    }

    /// The samples of this process among those of an epoch, of which every batch but the last has `batch_size`.
    pub(super) fn of(self, order: Vec<usize>, batch_size: usize) -> Vec<usize> {
        if self.count == 1 {
            return order;
        }
        order.chunks(batch_size).flat_map(|batch| batch.iter().copied().skip(self.rank).step_by(self.count)).collect()
    }
}
