//! The extra levels after the backbone and the predictors on every level, named as in torchvision.

use backbone::{
    Activation, BatchNormConfig, Conv, ConvBn, ConvBnConfig, ConvBnKeys, Fold, Form, Mode, StateDict, WeightInit,
    conv::Geometry,
};
use tch::{Tensor, nn};

use crate::ssdlite::config::SsdLiteConfig;

/// 1x1 to half the channels, depthwise 3x3 with stride 2, 1x1: the next level (torchvision's `_extra_block`).
#[derive(Debug)]
pub(super) struct ExtraBlock([ConvBn; 3]);

impl ExtraBlock {
    /// Registers `0` to `2` under `path`, each with `0` (convolution) and `1` (normalisation).
    pub fn new(path: &nn::Path, inputs: i64, outputs: i64, config: &SsdLiteConfig, form: Form) -> Self {
        let half = outputs / 2;
        let pointwise = layer(config);
        let depthwise = ConvBnConfig { stride: 2, ..depthwise(config, half) };
        Self([
            ConvBn::new(&(path / 0), inputs, half, pointwise, form),
            ConvBn::new(&(path / 1), half, half, depthwise, form),
            ConvBn::new(&(path / 2), half, outputs, pointwise, form),
        ])
    }

    /// `[N, inputs, H, W]` to `[N, outputs, ceil(H / 2), ceil(W / 2)]`.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Tensor {
        let [reduce, down, expand] = &self.0;
        expand.forward(&down.forward(&reduce.forward(xs, mode), mode), mode)
    }
}

impl Fold for ExtraBlock {
    fn fold(&self, into: &mut StateDict) {
        self.0.iter().for_each(|layer| layer.fold(into));
    }
}

/// What one level is to a [`Predictor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LevelShape {
    pub channels: i64,
    /// Rows and columns.
    pub grid: [i64; 2],
    pub anchors_per_cell: i64,
}

/// A depthwise 3x3 and a 1x1 convolution for each level, giving `columns` numbers an anchor (torchvision's `SSDScoringHead`).
#[derive(Debug)]
pub(super) struct Predictor {
    levels: Vec<(ConvBn, Conv)>,
    columns: i64,
}

impl Predictor {
    /// Registers `module_list.{level}.{0,1}` under `path`.
    pub fn new(path: &nn::Path, levels: &[LevelShape], columns: i64, config: &SsdLiteConfig, form: Form) -> Self {
        let blocks = path / "module_list";
        let block = |(index, level): (usize, &LevelShape)| {
            let path = &blocks / index;
            let geometry = Geometry {
                inputs: level.channels,
                outputs: level.anchors_per_cell * columns,
                kernel: 1,
                stride: 1,
                padding: 0,
                dilation: 1,
                groups: 1,
            };
            let depthwise = depthwise(config, level.channels);
            (
                ConvBn::new(&(&path / 0), level.channels, level.channels, depthwise, form),
                Conv::new(&(&path / 1), geometry, WeightInit::Normal { std: config.init_std }),
            )
        };
        Self { levels: levels.iter().enumerate().map(block).collect(), columns }
    }

    /// The levels' features `[N, C, H, W]` to `[N, A, columns]`.
    pub fn forward(&self, features: &[Tensor], mode: Mode) -> Tensor {
        let predict = |((depthwise, projection), xs): (&(ConvBn, Conv), &Tensor)| {
            let ys = projection.forward(&depthwise.forward(xs, mode));
            let (images, ..) = ys.size4().unwrap_or_default();
            ys.permute([0, 2, 3, 1]).reshape([images, -1, self.columns])
        };
        Tensor::cat(&self.levels.iter().zip(features).map(predict).collect::<Vec<_>>(), 1)
    }
}

impl Fold for Predictor {
    fn fold(&self, into: &mut StateDict) {
        for (depthwise, projection) in &self.levels {
            depthwise.fold(into);
            projection.fold(into);
        }
    }
}

fn layer(config: &SsdLiteConfig) -> ConvBnConfig {
    ConvBnConfig {
        activation: Activation::Relu6,
        norm: BatchNormConfig { eps: config.bn_eps, momentum: config.bn_momentum },
        init: WeightInit::Normal { std: config.init_std },
        keys: ConvBnKeys { conv: "0", norm: "1" },
        ..ConvBnConfig::default()
    }
}

fn depthwise(config: &SsdLiteConfig, channels: i64) -> ConvBnConfig {
    ConvBnConfig { kernel: 3, padding: 1, groups: channels, ..layer(config) }
}
