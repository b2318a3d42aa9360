//! Atrous spatial pyramid pooling (section 3.3 of <https://arxiv.org/abs/1706.05587>), named as torchvision's `ASPP`.

use backbone::{
    Activation, BatchNormConfig, ConvBn, ConvBnConfig, ConvBnKeys, CostRow, Fold, Form, Geometry, Mode, StateDict,
    WeightInit,
};
use tch::{Tensor, nn};

use crate::{Error, HeadSpec, cost, deeplabv3::config::DeepLabV3Config, tensors::dropout};

/// In the image pooling branch, index 0 is the pooling.
const AFTER_POOLING: ConvBnKeys = ConvBnKeys { conv: "1", norm: "2" };

/// Views of the features at several scales, side by side, and their projection.
#[derive(Debug)]
pub(super) struct Aspp {
    pixel: ConvBn,
    atrous: Vec<Atrous>,
    pooled: ConvBn,
    projection: ConvBn,
    dropout: f64,
    form: Form,
}

impl Aspp {
    /// Registers `convs.{0..}` and `project` under `path`: the 1x1 branch, one for each rate, the pooled branch last.
    pub fn new(path: &nn::Path, spec: &HeadSpec, config: &DeepLabV3Config) -> Self {
        let HeadSpec { channels: [.., inputs], form, .. } = *spec;
        let (convs, channels) = (path / "convs", config.channels);
        let rates = config.resolved_rates(spec.output_stride);
        let pixel = layer(config, Geometry::pointwise(inputs, channels));
        let pooled = ConvBnConfig { keys: AFTER_POOLING, ..pixel };
        let branches = rates.len() as i64 + 2;
        let projection = layer(config, Geometry::pointwise(branches * channels, channels));
        let atrous = |(index, &dilation): (usize, &i64)| {
            let geometry = Geometry { kernel: 3, padding: dilation, dilation, ..pixel.geometry };
            Atrous::new(&(&convs / (index + 1)), geometry, config, form)
        };
        Self {
            pixel: ConvBn::new(&(&convs / 0), &pixel, form),
            atrous: rates.iter().enumerate().map(atrous).collect(),
            pooled: ConvBn::new(&(&convs / (rates.len() + 1)), &pooled, form),
            projection: ConvBn::new(&(path / "project"), &projection, form),
            dropout: config.dropout,
            form,
        }
    }

    /// `[N, inputs, H, W]` to `[N, channels, H, W]`.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let pixel = self.pixel.forward(xs, mode)?;
        let pooled = self.pooled(xs, &pixel, mode)?;
        let mut branches = vec![pixel];
        for branch in &self.atrous {
            branches.push(branch.forward(xs, mode)?);
        }
        branches.push(pooled);
        let projected = self.projection.forward(&Tensor::f_cat(&branches, 1)?, mode)?;
        match self.form {
            Form::Train => dropout(projected, self.dropout, mode),
            Form::Deploy => Ok(projected),
        }
    }

    /// The mean of the image in every pixel of a map like `like`. (Torchvision resizes the one pixel with the same result, but
    /// a trace would record the size, and ncnn has no `expand_as`.)
    fn pooled(&self, xs: &Tensor, like: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let mean = self.pooled.forward(&xs.f_adaptive_avg_pool2d([1, 1])?, mode)?;
        // In the memory format of `like`: otherwise concatenation would not keep channels-last, a third of the time of the head
        // on a CPU.
        Ok(like.f_zeros_like()?.f_add(&mean)?)
    }

    /// The cost of each convolution on features of `size` (height, width).
    pub fn cost(&self, name: &str, size: [i64; 2]) -> Vec<CostRow> {
        let mut rows = vec![cost::conv_bn(format!("{name}.convs.0"), &self.pixel, size, self.form)];
        for (index, branch) in (1..).zip(&self.atrous) {
            rows.extend(branch.cost(&format!("{name}.convs.{index}"), size, self.form));
        }
        let pooled = format!("{name}.convs.{}", self.atrous.len() + 1);
        rows.push(cost::conv_bn(pooled, &self.pooled, [1, 1], self.form));
        rows.push(cost::conv_bn(format!("{name}.project"), &self.projection, size, self.form));
        rows
    }
}

impl Fold for Aspp {
    fn fold(&self, into: &mut StateDict) {
        self.pixel.fold(into);
        for branch in &self.atrous {
            branch.layers().for_each(|layer| layer.fold(into));
        }
        self.pooled.fold(into);
        self.projection.fold(into);
    }
}

/// A 3x3 convolution with dilation.
#[derive(Debug)]
enum Atrous {
    /// `0` and `1`: convolution and normalisation.
    Plain(ConvBn),
    /// Depthwise under `0` and 1x1 under `1`, each with `0` and `1` as above.
    Separable([ConvBn; 2]),
}

impl Atrous {
    fn new(path: &nn::Path, geometry: Geometry, config: &DeepLabV3Config, form: Form) -> Self {
        let conv_bn = |path: &nn::Path, geometry| ConvBn::new(path, &layer(config, geometry), form);
        let Geometry { inputs, outputs, dilation, .. } = geometry;
        if config.separable {
            Self::Separable([
                conv_bn(&(path / 0), Geometry::depthwise(inputs, 1, dilation)),
                conv_bn(&(path / 1), Geometry::pointwise(inputs, outputs)),
            ])
        } else {
            Self::Plain(conv_bn(path, geometry))
        }
    }

    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        self.layers().try_fold(xs.shallow_clone(), |xs, layer| Ok(layer.forward(&xs, mode)?))
    }

    fn layers(&self) -> impl Iterator<Item = &ConvBn> {
        match self {
            Self::Plain(conv) => std::slice::from_ref(conv).iter(),
            Self::Separable(layers) => layers.iter(),
        }
    }

    fn cost(&self, name: &str, size: [i64; 2], form: Form) -> Vec<CostRow> {
        match self {
            Self::Plain(conv) => vec![cost::conv_bn(name, conv, size, form)],
            Self::Separable(layers) => {
                let row = |(index, layer)| cost::conv_bn(format!("{name}.{index}"), layer, size, form);
                layers.iter().enumerate().map(row).collect()
            }
        }
    }
}

/// A convolution with normalisation and ReLU: every layer of the head except the last.
pub(super) fn layer(config: &DeepLabV3Config, geometry: Geometry) -> ConvBnConfig {
    ConvBnConfig {
        geometry,
        activation: Activation::Relu,
        norm: BatchNormConfig { eps: config.bn_eps, momentum: config.bn_momentum },
        init: WeightInit::Torch,
        keys: ConvBnKeys { conv: "0", norm: "1" },
    }
}
