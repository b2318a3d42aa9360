//! The exponential moving average of a network's weights and statistics.

use tch::Tensor;
use tch_ext::foreach;

use crate::failure::Failure;
use crate::model::Network;
use crate::task::Task;

/// A second network that follows the first: `average += (1 - decay) * (weights - average)` after every step.
pub struct Ema<T: Task> {
    network: Network<T>,
    decay: f64,
    averages: Vec<Tensor>,
    followed: Vec<Tensor>,
}

impl<T: Task> Ema<T> {
    /// An average that starts at the weights of `network`.
    ///
    /// # Errors
    /// When libtorch cannot make the second network.
    pub fn new(task: &T, network: &Network<T>, decay: f64) -> Result<Self, Failure> {
        let average = network.copied(task)?;
        let [averages, followed] = [&average, network].map(|network| network.state().into_values().collect());
        Ok(Self { network: average, decay, averages, followed })
    }

    /// Follows the network after step `step` (from 0). The decay is at most `(1 + step) / (10 + step)`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn update(&mut self, step: u64) -> Result<(), Failure> {
        let ramp = (1.0 + step as f64) / (10.0 + step as f64);
        Ok(foreach::lerp(&self.averages, &self.followed, 1.0 - self.decay.min(ramp))?)
    }

    /// The averaged network.
    pub fn network(&self) -> &Network<T> {
        &self.network
    }

    /// The averaged network, to load a saved state into.
    pub fn network_mut(&mut self) -> &mut Network<T> {
        &mut self.network
    }
}
