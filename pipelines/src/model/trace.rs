//! A network as TorchScript.

use backbone::Mode;
use tch::{Device, Tensor};
use tch_ext::jit::{Module, Tracing};

use super::{Network, precision};
use crate::config::Precision;
use crate::failure::Failure;
use crate::task::Task;

/// Records what the network computes for images like `images` (`[N, C, H, W]`, normalised): one method `forward`, whose
/// outputs are the task's numbers in their order, with the weights under their keys. In bf16 the conversions are part of what
/// is recorded.
///
/// # Errors
/// When the network does not take the images, or libtorch cannot record it.
pub fn trace<T: Task>(
    task: &T,
    network: &Network<T>,
    images: &Tensor,
    precision: Precision,
) -> Result<Module, Failure> {
    let weights: Vec<(String, Tensor)> = network.state().into_iter().collect();
    let tracing = Tracing::new("Network").parameters(&weights).input("images", images);
    precision::forward(precision, Device::Cpu, || {
        tracing.record(|inputs| {
            let output = task.forward(&network.model, &inputs[0], Mode::Eval)?;
            Ok(task.numbers(&output).into_iter().map(|(_, numbers)| numbers.shallow_clone()).collect())
        })
    })?
}
