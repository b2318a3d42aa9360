//! Convolutions and linear layers.

use tch::{Kind, Tensor};
use tch_ext::{jit::Module, quantized::Convolution};

use crate::fake::{Affine, Largest, activations, convolution, convolve, linear, multiply, source, with_each_engine};

/// A result in 8 bits may round to the neighbouring value.
const ONE_STEP: f64 = 1.001;

fn convolutions(largest: Largest) -> Vec<(&'static str, Convolution)> {
    let Largest { dense, depthwise } = largest;
    let dilated = |layer: Convolution| Convolution { dilations: [2, 3], ..layer };
    vec![
        ("dense, stride 2", convolution([24, 3, 3, 3], [2, 2], [1, 1], 1, dense)),
        ("pointwise", convolution([40, 16, 1, 1], [1, 1], [0, 0], 1, dense)),
        ("pointwise, stride 2", convolution([7, 5, 1, 1], [2, 2], [0, 0], 1, dense)),
        ("dilated", dilated(convolution([8, 6, 3, 3], [1, 1], [2, 3], 1, dense))),
        ("grouped", convolution([32, 8, 3, 3], [1, 1], [1, 1], 2, dense)),
        ("rectangular", convolution([8, 4, 1, 5], [1, 2], [0, 2], 1, dense)),
        ("without bias", Convolution { bias: None, ..convolution([8, 4, 3, 3], [1, 1], [0, 0], 1, dense) }),
        ("depthwise", convolution([64, 1, 3, 3], [1, 1], [1, 1], 64, depthwise)),
        ("depthwise, stride 2", convolution([128, 1, 3, 3], [2, 2], [1, 1], 128, depthwise)),
        ("depthwise, odd channels", convolution([11, 1, 3, 3], [1, 1], [1, 1], 11, depthwise)),
        ("depthwise 5x5", convolution([128, 1, 5, 5], [1, 1], [2, 2], 128, depthwise)),
        ("depthwise, dilated", dilated(convolution([128, 1, 3, 3], [1, 1], [2, 3], 128, depthwise))),
    ]
}

#[test]
fn convolutions_are_within_one_step_of_fake_quantised_floats() {
    with_each_engine(|engine, largest| {
        for (name, layer) in convolutions(largest) {
            let channels = layer.weight.size()[1] * layer.groups;
            for (batch, operator) in [(1, "conv2d"), (3, "conv2d"), (3, "conv2d_relu")] {
                let (input, affine) = activations(&[batch, channels, 13, 9]);
                let exact = convolve(&layer, &affine.fake(&input));
                let exact = if operator == "conv2d_relu" { exact.relu() } else { exact };
                let output = Affine::of(&exact);
                let mut module = Module::new("Net").unwrap();
                module.register_quantized_convolution("stage0.conv", &layer).unwrap();
                let call = format!("ops.quantized.{operator}(x, self.stage0.conv, {})", output.arguments());
                module.define(&source(&[("x", affine)], &call)).unwrap();
                let steps = output.steps(&module.run(&[input]).unwrap()[0], &output.fake(&exact));
                assert!(steps <= ONE_STEP, "{engine}, {name}, batch {batch}, {operator}: {steps} steps");
            }
        }
    });
}

#[test]
fn linear_layers_are_within_one_step_of_fake_quantised_floats() {
    with_each_engine(|engine, largest| {
        for (batch, inputs, outputs) in [(1, 37, 10), (3, 64, 1)] {
            let layer = linear(inputs, outputs, largest.dense);
            for operator in ["linear", "linear_relu"] {
                let (input, affine) = activations(&[batch, inputs]);
                let exact = multiply(&layer, &affine.fake(&input));
                let exact = if operator == "linear_relu" { exact.relu() } else { exact };
                let output = Affine::of(&exact);
                let mut module = Module::new("Net").unwrap();
                module.register_quantized_linear("fc", &layer).unwrap();
                let call = format!("ops.quantized.{operator}(x, self.fc, {})", output.arguments());
                module.define(&source(&[("x", affine)], &call)).unwrap();
                let steps = output.steps(&module.run(&[input]).unwrap()[0], &output.fake(&exact));
                assert!(steps <= ONE_STEP, "{engine}, batch {batch}, {operator}: {steps} steps");
            }
        }
    });
}

#[test]
fn a_layer_keeps_copies_of_its_tensors() {
    with_each_engine(|engine, _| {
        let mut layer = convolution([8, 1, 3, 3], [1, 1], [1, 1], 8, 64);
        let (input, affine) = activations(&[1, 8, 6, 6]);
        let mut module = Module::new("Net").unwrap();
        module.register_quantized_convolution("conv", &layer).unwrap();
        module.define(&source(&[("x", affine)], "ops.quantized.conv2d(x, self.conv, 0.1, 100)")).unwrap();
        let mut changed = Module::new("Net").unwrap();
        let _ = layer.weight.fill_(1);
        let _ = layer.bias.as_mut().unwrap().fill_(7.0);
        changed.register_quantized_convolution("conv", &layer).unwrap();
        changed.define(&source(&[("x", affine)], "ops.quantized.conv2d(x, self.conv, 0.1, 100)")).unwrap();
        let [before, after] = [&module, &changed].map(|module| module.run(&[input.shallow_clone()]).unwrap());
        assert_ne!(before[0], after[0], "{engine}");
        let outputs = &module.run(&[input]).unwrap()[0];
        assert_eq!(*outputs, before[0], "{engine}");
    });
}

#[test]
fn invalid_layers_are_errors_that_name_the_layer() {
    let valid = || convolution([8, 2, 3, 3], [1, 1], [1, 1], 2, 64);
    let cases = [
        (Convolution { weight: valid().weight.to_kind(Kind::Float), ..valid() }, "a weight of kind Float on Cpu"),
        (Convolution { weight: Tensor::new(), ..valid() }, "an undefined weight"),
        (Convolution { weight: valid().weight.flatten(1, -1), ..valid() }, "a weight of shape [8, 18]"),
        (Convolution { weight: valid().weight.narrow(1, 0, 0), ..valid() }, "a weight of shape [8, 0, 3, 3]"),
        (Convolution { scales: vec![0.1; 7], ..valid() }, "7 scales for 8 outputs"),
        (Convolution { scales: vec![0.0; 8], ..valid() }, "a scale of 0e0"),
        (Convolution { scales: vec![f64::NAN; 8], ..valid() }, "a scale of NaN"),
        (Convolution { scales: vec![1e-300; 8], ..valid() }, "a scale of 1e-300"),
        (Convolution { bias: Some(Tensor::new()), ..valid() }, "an undefined bias"),
        (Convolution { bias: Some(Tensor::zeros([2], crate::fake::FLOATS)), ..valid() }, "a bias of shape [2]"),
        (Convolution { strides: [1, 0], ..valid() }, "strides [1, 0]"),
        (Convolution { padding: [-1, 0], ..valid() }, "padding [-1, 0]"),
        (Convolution { dilations: [1, 1 << 40], ..valid() }, "dilations [1, 1099511627776]"),
        (Convolution { groups: 3, ..valid() }, "3 groups"),
        (Convolution { groups: 0, ..valid() }, "0 groups"),
    ];
    let mut module = Module::new("Net").unwrap();
    for (layer, words) in cases {
        let error = module.register_quantized_convolution("stage0.conv", &layer).unwrap_err().to_string();
        assert!(error.starts_with("the quantised layer 'stage0.conv' has ") && error.contains(words), "{error}");
    }
    assert!(module.register_quantized_convolution("conv 1", &valid()).is_err());
    module.register_quantized_convolution("conv", &valid()).unwrap();
    let error = module.register_quantized_convolution("conv", &valid()).unwrap_err().to_string();
    assert!(error.contains("the name 'conv' is already used"), "{error}");

    let mut layer = linear(4, 2, 64);
    layer.weight = layer.weight.view([1, 2, 4]);
    let error = module.register_quantized_linear("fc", &layer).unwrap_err().to_string();
    assert!(error.contains("'fc' has a weight of shape [1, 2, 4], expected 2 dimensions"), "{error}");
}
