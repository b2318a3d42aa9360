//! A network as TorchScript.

use backbone::Mode;
use formats::graph::Graph;
use tch::{Device, Kind, Tensor};
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
    let weights: Vec<(String, Tensor)> = network.weights().into_iter().collect();
    let tracing = Tracing::new("Network").parameters(&weights).input("images", images);
    precision::forward(precision, Device::Cpu, || {
        tracing.record(|inputs| {
            let output = task.forward(&network.model, &inputs[0], Mode::Eval)?;
            Ok(task.numbers(&output).into_iter().map(|(_, numbers)| numbers.shallow_clone()).collect())
        })
    })?
}

/// Images to record a network with, `[N, C, H, W]`: more than one, so that no step takes the batch for a side of one.
pub fn images_to_record<T: Task>(task: &T, network: &Network<T>) -> Tensor {
    let ([height, width], channels) = (task.size(), network.model.backbone.in_channels());
    Tensor::zeros([2, height, width, channels], (Kind::Float, network.device())).permute([0, 3, 1, 2])
}

/// The graph of a network in deploy form, in floating point. Its weights share the network's memory.
///
/// # Errors
/// When it has an operation that exported files cannot hold.
pub fn graph_of<T: Task>(task: &T, network: &Network<T>) -> Result<Graph, Failure> {
    let images = images_to_record(task, network);
    let recorded = trace(task, network, &images, Precision::Fp32)?;
    Ok(Graph::read(&recorded.nodes("forward")?, &[images.dim()])?)
}
