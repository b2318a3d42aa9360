//! The exponential moving average of a network's weights and statistics.

use tch::{Kind, Tensor};
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
    copied: Vec<(Tensor, Tensor)>,
}

impl<T: Task> Ema<T> {
    /// An average that starts at the weights of `network`.
    ///
    /// # Errors
    /// When libtorch cannot make the second network.
    pub fn new(task: &T, network: &Network<T>, decay: f64) -> Result<Self, Failure> {
        let mut average = Network::new(task, network.form, network.device())?;
        average.variables.freeze();
        average.load(&network.state())?;
        let pairs = average.state().into_values().zip(network.state().into_values());
        let (floating, other): (Vec<_>, Vec<_>) = pairs.partition(|(average, _)| is_floating(average));
        let (averages, followed) = floating.into_iter().unzip();
        Ok(Self { network: average, decay, averages, followed, copied: other })
    }

    /// Follows the network after step `step` (from 0). The decay is at most `(1 + step) / (10 + step)`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn update(&mut self, step: u64) -> Result<(), Failure> {
        let ramp = (1.0 + step as f64) / (10.0 + step as f64);
        foreach::lerp(&self.averages, &self.followed, 1.0 - self.decay.min(ramp)).map_err(Failure::failed)?;
        tch::no_grad(|| {
            for (average, followed) in &mut self.copied {
                average.copy_(followed);
            }
        });
        Ok(())
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

fn is_floating(tensor: &Tensor) -> bool {
    matches!(tensor.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16)
}
