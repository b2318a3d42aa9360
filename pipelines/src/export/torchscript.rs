//! A network with normalisation and final steps as one TorchScript module.

use backbone::Mode;
use formats::graph::Graph;
use tch::Tensor;
use tch_ext::jit::{Module, Tracing};

use super::{Card, CardInput, Input};
use crate::failure::Failure;
use crate::model::{Network, affine, images_to_record};
use crate::task::{Export, FinalSteps, OutputKind};

/// A module with the input of `card` and the outputs of `steps`: normalisation, the network (recorded, or `int8` where it is given),
/// and the task's final steps. In floating point its weights are parameters and its other tensors buffers: it has no device and no
/// kind of its own.
///
/// # Errors
/// When the network cannot be recorded, or libtorch does not take the module.
pub fn assemble<T: Export>(
    task: &T,
    network: &Network<T>,
    int8: Option<&Graph>,
    card: &Card,
    steps: &FinalSteps,
) -> Result<Module, Failure> {
    let CardInput { kind: input, normalization, .. } = &card.input;
    let images = images_to_record(task, network);
    let recorded = match int8 {
        Some(graph) => quantized(task, network, graph, &images)?,
        None => {
            let weights: Vec<(String, Tensor)> = network.weights().into_iter().collect();
            Tracing::new("Network")
                .parameters(&weights)
                .buffers(&task.export_buffers(&network.model))
                .input("images", &images)
                .record(|inputs| {
                    let output = task.forward(&network.model, &inputs[0], Mode::Eval)?;
                    task.decode(&network.model, &output)
                })?
        }
    };
    let mut module = Module::new(card.backbone.mobileone().map_or("Network", |_| "MobileOne"))?;
    let [shift, scale] = affine(normalization);
    if *input != Input::Normalized {
        module.register_buffer("shift", &shift)?;
        module.register_buffer("scale", &scale)?;
    }
    module.register_module("network", recorded)?;
    module.define(&source(*input, steps))?;
    Ok(module)
}

/// A quantised network and what is recorded behind it.
fn quantized<T: Export>(task: &T, network: &Network<T>, graph: &Graph, images: &Tensor) -> Result<Module, Failure> {
    let numbers = graph.run(&[images.shallow_clone()])?;
    let names: Vec<String> = (0..numbers.len()).map(|index| format!("numbers{index}")).collect();
    let buffers = task.export_buffers(&network.model);
    let mut decoding = Tracing::new("Decoding").buffers(&buffers);
    for (name, numbers) in names.iter().zip(&numbers) {
        decoding = decoding.input(name, numbers);
    }
    let decoding = decoding.record(|inputs| {
        let output = task.output_of(inputs.iter().map(Tensor::shallow_clone).collect())?;
        task.decode(&network.model, &output)
    })?;
    let mut module = Module::new("Quantized")?;
    module.register_module("layers", formats::torchscript::module(graph, "Layers")?)?;
    module.register_module("decoding", decoding)?;
    let decoded = task.final_steps(OutputKind::Raw).names.len();
    let (kind, names) = (tensors(decoded), names.join(", "));
    module.define(&format!(
        "def forward(self, images) -> {kind}:\n    {names} = self.layers.forward(images)\n    \
         return self.decoding.forward({names})\n"
    ))?;
    Ok(module)
}

/// The type of as many tensors.
fn tensors(count: usize) -> String {
    match count {
        1 => "Tensor".to_owned(),
        count => format!("Tuple[{}]", vec!["Tensor"; count].join(", ")),
    }
}

/// The source of the module's methods. Bytes become numbers of the kind of `shift`, which is that of the weights.
fn source(input: Input, steps: &FinalSteps) -> String {
    let x = match input {
        Input::Normalized => "images",
        Input::Nchw | Input::Image => "(images - self.shift) * self.scale",
        Input::Nhwc => "(images.permute([0, 3, 1, 2]) - self.shift) * self.scale",
    };
    let result = tensors(steps.outputs.len());
    let body = format!("x = {x}\n{} = self.network.forward(x)\n{}", steps.names.join(", "), steps.body);
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!("{}\ndef forward(self, images) -> {result}:\n{body}", steps.helpers)
}
