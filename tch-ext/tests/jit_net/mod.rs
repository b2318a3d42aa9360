//! A small network with MobileOne's operations and two outputs, for the TorchScript tests.

#![allow(dead_code, reason = "each test file uses a part")]

use tch::{Device, Kind, Tensor};
use tch_ext::{
    Error,
    jit::{Module, Tracing},
};

pub const FLOATS: (Kind, Device) = (Kind::Float, Device::Cpu);

pub const CLASSES: i64 = 3;

/// Two convolutions, depthwise and pointwise, each with a bias, under MobileOne-like names.
pub struct Net {
    pub parameters: Vec<(String, Tensor)>,
}

impl Net {
    pub fn new() -> Self {
        tch::manual_seed(7);
        let shapes: [(&str, &[i64]); 6] = [
            ("stem.weight", &[16, 3, 3, 3]),
            ("stem.bias", &[16]),
            ("stage1.0.depthwise.weight", &[16, 1, 3, 3]),
            ("stage1.0.depthwise.bias", &[16]),
            ("head.weight", &[4 + CLASSES, 16, 1, 1]),
            ("head.bias", &[4 + CLASSES]),
        ];
        let tensor = |shape: &[i64]| Tensor::randn(shape, FLOATS) * 0.3;
        Self { parameters: shapes.iter().map(|(name, shape)| ((*name).to_owned(), tensor(shape))).collect() }
    }

    fn convolution(&self, image: &Tensor, name: &str, stride: i64, padding: i64, groups: i64) -> Tensor {
        let parameter = |part: &str| {
            let path = format!("{name}.{part}");
            &self.parameters.iter().find(|(name, _)| *name == path).expect("every layer has its parameters").1
        };
        let (weight, bias) = (parameter("weight"), parameter("bias"));
        image.conv2d(weight, Some(bias), [stride, stride], [padding, padding], [1, 1], groups)
    }

    /// `[N, 3, H, W]` to boxes `[N, H/2 * W/2, 4]` and scores `[N, H/2 * W/2, CLASSES]`.
    pub fn forward(&self, image: &Tensor) -> Vec<Tensor> {
        let features = self.convolution(image, "stem", 2, 1, 1).relu();
        let features = self.convolution(&features, "stage1.0.depthwise", 1, 1, 16).relu();
        let maps = self.convolution(&features, "head", 1, 0, 1).flatten(2, 3).transpose(1, 2);
        let parts = maps.split_with_sizes([4, CLASSES], 2);
        vec![parts[0].sigmoid(), parts[1].softmax(-1, None::<Kind>)]
    }

    pub fn trace(&self, image: &Tensor) -> Module {
        let traced = Tracing::new("Net").parameters(&self.parameters).input("image", image);
        traced.record(|inputs| -> Result<_, Error> { Ok(self.forward(&inputs[0])) }).expect("the network traces")
    }
}

pub fn image(batch: i64, size: i64) -> Tensor {
    Tensor::rand([batch, 3, size, size], FLOATS)
}
