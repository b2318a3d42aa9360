//! The arithmetic that quantised networks approximate: rounded activations and dequantised weights, in floats.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::{Device, Kind, Tensor};
use tch_ext::quantized::{Convolution, Engine, Linear, saturates, set_engine, supported_engines};

pub const FLOATS: (Kind, Device) = (Kind::Float, Device::Cpu);

static ENGINE: Mutex<()> = Mutex::new(());

/// Tests that depend on the engine run one at a time: it is the process's.
pub fn engine_lock() -> MutexGuard<'static, ()> {
    ENGINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Under each engine in turn, with the largest safe weights of dense and of depthwise layers.
pub fn with_each_engine(mut body: impl FnMut(Engine, Largest)) {
    let _lock = engine_lock();
    for engine in supported_engines() {
        set_engine(engine).unwrap();
        tch::manual_seed(5);
        let saturation = saturates().unwrap();
        let largest = |saturates| if saturates { 64 } else { 127 };
        body(engine, Largest { dense: largest(saturation.dense), depthwise: largest(saturation.depthwise) });
    }
}

/// The largest weight that no engine's sums are cut for.
#[derive(Clone, Copy)]
pub struct Largest {
    pub dense: i64,
    pub depthwise: i64,
}

/// The scale and the zero point of a `quint8` tensor.
#[derive(Debug, Clone, Copy)]
pub struct Affine {
    pub scale: f64,
    pub zero_point: i64,
}

impl Affine {
    /// For all values of a tensor, and 0.
    pub fn of(values: &Tensor) -> Self {
        let (least, most) = (values.min().double_value(&[]).min(0.0), values.max().double_value(&[]).max(0.0));
        let scale = ((most - least) / 255.0).max(1e-6);
        Self { scale, zero_point: (-least / scale).round() as i64 }
    }

    pub fn fake(self, values: &Tensor) -> Tensor {
        values.to_kind(Kind::Float).fake_quantize_per_tensor_affine(self.scale, self.zero_point, 0, 255)
    }

    /// As the last arguments of an operator.
    pub fn arguments(self) -> String {
        format!("{:e}, {}", self.scale, self.zero_point)
    }

    /// The largest difference, in quantisation steps.
    pub fn steps(self, found: &Tensor, expected: &Tensor) -> f64 {
        assert_eq!(found.size(), expected.size());
        (found - expected).abs().max().double_value(&[]) / self.scale
    }
}

/// A random layer with weights up to `largest`; `weight` is `[O, I / groups, h, w]`.
pub fn convolution(weight: [i64; 4], strides: [i64; 2], padding: [i64; 2], groups: i64, largest: i64) -> Convolution {
    let outputs = weight[0];
    Convolution {
        weight: Tensor::randint_low(-largest, largest + 1, weight, (Kind::Int8, Device::Cpu)),
        scales: scales(outputs),
        bias: Some(Tensor::randn([outputs], FLOATS)),
        strides,
        padding,
        dilations: [1, 1],
        groups,
    }
}

pub fn linear(inputs: i64, outputs: i64, largest: i64) -> Linear {
    Linear {
        weight: Tensor::randint_low(-largest, largest + 1, [outputs, inputs], (Kind::Int8, Device::Cpu)),
        scales: scales(outputs),
        bias: Some(Tensor::randn([outputs], FLOATS)),
    }
}

fn scales(outputs: i64) -> Vec<f64> {
    let scales = Tensor::rand([outputs], (Kind::Double, Device::Cpu)) * 0.02 + 0.001;
    Vec::try_from(scales).expect("one number an output")
}

/// On an input in double precision; the bias is not quantised.
pub fn convolve(layer: &Convolution, input: &Tensor) -> Tensor {
    let weight = dequantized(&layer.weight, &layer.scales);
    let bias = layer.bias.as_ref().map(|bias| bias.to_kind(Kind::Double));
    let input = input.to_kind(Kind::Double);
    input.conv2d(&weight, bias, layer.strides, layer.padding, layer.dilations, layer.groups)
}

pub fn multiply(layer: &Linear, input: &Tensor) -> Tensor {
    let weight = dequantized(&layer.weight, &layer.scales);
    input.to_kind(Kind::Double).linear(&weight, layer.bias.as_ref().map(|bias| bias.to_kind(Kind::Double)))
}

fn dequantized(weight: &Tensor, scales: &[f64]) -> Tensor {
    let mut shape = vec![1; weight.dim()];
    shape[0] = scales.len() as i64;
    weight.to_kind(Kind::Double) * Tensor::from_slice(scales).view(&shape[..])
}

/// Activations on both sides of 0, with their quantisation: their zero point is not 0.
pub fn activations(shape: &[i64]) -> (Tensor, Affine) {
    let values = Tensor::rand(shape, FLOATS) * 4 - 1;
    let affine = Affine::of(&values);
    (values, affine)
}

/// Source text of a method that quantises its inputs, computes `result` from them and dequantises it.
pub fn source(inputs: &[(&str, Affine)], result: &str) -> String {
    let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    let mut text = format!("def forward(self, {}):\n", names.join(", "));
    for (name, affine) in inputs {
        text += &format!("    {name} = torch.quantize_per_tensor({name}, {}, 13)\n", affine.arguments());
    }
    text + &format!("    return torch.dequantize({result})\n")
}
