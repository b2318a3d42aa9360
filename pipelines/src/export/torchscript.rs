//! A network with normalisation and final steps as one TorchScript module.

use backbone::Normalization;
use tch::Tensor;
use tch_ext::jit::{Module, Tracing};

use super::Input;
use crate::failure::Failure;
use crate::measure::random_images;
use crate::model::{Network, affine};
use crate::task::{Export, FinalSteps};

/// A module with the input `input` and the outputs of `steps`: normalisation, the network recorded on images of `size`, and
/// the task's final steps. Its weights are parameters and its other tensors buffers: it has no device and no kind of its own.
///
/// # Errors
/// When the network does not take these images, or libtorch cannot record or compile it.
pub fn assemble<T: Export>(
    task: &T,
    network: &Network<T>,
    size: [i64; 2],
    input: Input,
    normalization: &Normalization,
    steps: &FinalSteps,
) -> Result<Module, Failure> {
    let weights: Vec<(String, Tensor)> = network.state().into_iter().collect();
    let images = random_images(network, super::RECORDED_BATCH, size);
    let recorded = Tracing::new("Network")
        .parameters(&weights)
        .buffers(&task.export_buffers(&network.model))
        .input("images", &images)
        .record(|inputs| task.export_network(&network.model, &inputs[0]))?;
    let mut module = Module::new("MobileOne")?;
    let [shift, scale] = affine(normalization);
    if input != Input::Normalized {
        module.register_buffer("shift", &shift)?;
        module.register_buffer("scale", &scale)?;
    }
    module.register_module("network", recorded)?;
    module.define(&source(input, steps))?;
    Ok(module)
}

/// The source of the module's methods. Bytes become numbers of the kind of `shift`, which is that of the weights.
fn source(input: Input, steps: &FinalSteps) -> String {
    let x = match input {
        Input::Normalized => "images",
        Input::Nchw => "(images - self.shift) * self.scale",
        Input::Nhwc => "(images.permute([0, 3, 1, 2]) - self.shift) * self.scale",
    };
    let result = match steps.outputs.len() {
        1 => "Tensor".to_owned(),
        count => format!("Tuple[{}]", vec!["Tensor"; count].join(", ")),
    };
    let body = format!("x = {x}\n{} = self.network.forward(x)\n{}", steps.names.join(", "), steps.body);
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!("{}\ndef forward(self, images) -> {result}:\n{body}", steps.helpers)
}
