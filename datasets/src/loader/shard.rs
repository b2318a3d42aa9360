//! The part of every batch that one of several processes reads.

use crate::Error;
use crate::settings::check;

/// A process among those that share the batches of an epoch.
///
/// All shuffle alike and deal each batch out, so that the parts of step `t` are together the batch of step `t` of a single
/// process. The first and the last sample of a batch are dealt together, then the second and the last but one, and so on,
/// because mixing pairs them; those in the middle that do not make a pair for every process are dealt one by one.
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
        let pairs = samples / (2 * self.count);
        let middle = samples - 2 * pairs * self.count;
        2 * pairs + middle.saturating_sub(self.rank).div_ceil(self.count)
    }

    /// Whether sample `position` of a batch of `samples` is in this process' part.
    fn has(self, position: usize, samples: usize) -> bool {
        let paired = samples / (2 * self.count) * self.count;
        let from_the_end = samples - 1 - position;
        let place = if from_the_end < paired { from_the_end } else { position };
        place % self.count == self.rank
    }

    /// The samples of this process among those of an epoch, of which every batch but the last has `batch_size`.
    pub(super) fn of(self, order: Vec<usize>, batch_size: usize) -> Vec<usize> {
        if self.count == 1 {
            return order;
        }
        let part = |batch: &[usize]| {
            let own = (0..batch.len()).filter(|&position| self.has(position, batch.len()));
            own.map(|position| batch[position]).collect::<Vec<_>>()
        };
        order.chunks(batch_size).flat_map(part).collect()
    }
}
