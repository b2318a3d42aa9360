//! The head on C4 for training only, named as torchvision's `FCNHead`.

use backbone::{Conv, ConvBn, CostRow, Form, Geometry, Mode, WeightInit};
use tch::{Tensor, nn};

use crate::{
    Error, HeadSpec, cost,
    deeplabv3::{
        aspp::layer,
        config::{AuxiliaryConfig, DeepLabV3Config},
    },
    tensors::dropout,
};

/// 3x3 convolution, batch normalisation, ReLU, dropout, 1x1 convolution.
#[derive(Debug)]
pub(super) struct Auxiliary {
    conv: ConvBn,
    classifier: Conv,
    dropout: f64,
    /// Factor of its loss.
    pub weight: f64,
}

impl Auxiliary {
    /// Registers `0`, `1` and `4` under `path`, in train form.
    pub fn new(path: &nn::Path, spec: &HeadSpec, own: &AuxiliaryConfig, config: &DeepLabV3Config) -> Self {
        let [.., inputs, _] = spec.channels;
        let channels = own.channels.unwrap_or((inputs / 4).max(1));
        let conv = Geometry { kernel: 3, padding: 1, ..Geometry::pointwise(inputs, channels) };
        Self {
            conv: ConvBn::new(path, &layer(config, conv), Form::Train),
            classifier: Conv::new(&(path / 4), Geometry::pointwise(channels, spec.classes), WeightInit::Torch),
            dropout: own.dropout,
            weight: own.weight,
        }
    }

    /// `[N, inputs, h, w]` to logits `[N, classes, h, w]`.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let hidden = dropout(self.conv.forward(xs, mode)?, self.dropout, mode)?;
        Ok(self.classifier.forward(&hidden))
    }

    /// The cost of each convolution on features of `size` (height, width).
    pub fn cost(&self, name: &str, size: [i64; 2]) -> Vec<CostRow> {
        vec![
            cost::conv_bn(format!("{name}.0"), &self.conv, size, Form::Train),
            cost::conv(format!("{name}.4"), &self.classifier, size),
        ]
    }
}
