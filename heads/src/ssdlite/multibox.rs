//! The extra levels after the backbone and the predictors on every level, named as in torchvision.

use backbone::{
    Activation, BatchNormConfig, Conv, ConvBn, ConvBnConfig, ConvBnKeys, CostRow, Fold, Form, Geometry, Mode,
    StateDict, WeightInit,
};
use tch::{Tensor, nn};

use crate::{
    Error, HeadSpec, cost,
    ssdlite::{config::SsdLiteConfig, level::Level},
};

/// The raw predictions for every anchor.
#[derive(Debug)]
pub struct Predictions {
    /// `[N, A, classes + 1]`, background first.
    pub logits: Tensor,
    /// `[N, A, 4]`: offsets as [`BoxCoder`](crate::ssdlite::BoxCoder) encodes them.
    pub deltas: Tensor,
}

/// The layers of the head: extra levels, and a predictor of classes and one of boxes.
#[derive(Debug)]
pub(super) struct MultiBoxHead {
    extra: Vec<ExtraBlock>,
    classification: Predictor,
    regression: Predictor,
    levels: Vec<Level>,
    form: Form,
}

impl MultiBoxHead {
    /// Registers `extra.{i}`, `head.classification_head` and `head.regression_head` under `path`.
    pub fn new(path: &nn::Path, levels: Vec<Level>, spec: &HeadSpec, config: &SsdLiteConfig) -> Self {
        let builder = LayerBuilder { config, form: spec.form };
        let last_of_backbone = levels.len() - config.extra_channels.len() - 1;
        let extra = levels[last_of_backbone..].windows(2).enumerate().map(|(index, pair)| {
            ExtraBlock::new(&(path / "extra" / index), [pair[0].channels, pair[1].channels], builder)
        });
        let extra = extra.collect();
        let head = path / "head";
        let predictor = |name, columns| Predictor::new(&(&head / name), &levels, columns, builder);
        let classification = predictor("classification_head", spec.classes + 1);
        let regression = predictor("regression_head", 4);
        Self { extra, classification, regression, levels, form: spec.form }
    }

    /// Predictions for the maps of the backbone, finest first.
    pub fn forward(&self, mut maps: Vec<Tensor>, mode: Mode) -> Result<Predictions, Error> {
        self.check(&maps, mode)?;
        for block in &self.extra {
            let next = maps.last().map(|xs| block.forward(xs, mode)).transpose()?;
            maps.extend(next);
        }
        let logits = self.classification.forward(&maps, mode)?;
        let deltas = self.regression.forward(&maps, mode)?;
        Ok(Predictions { logits, deltas })
    }

    /// The cost of each convolution.
    pub fn cost(&self) -> Vec<CostRow> {
        let inputs = &self.levels[self.levels.len() - self.extra.len() - 1..];
        let extra = self.extra.iter().zip(inputs).enumerate();
        let extra = extra.flat_map(|(index, (block, level))| block.cost(index, level.grid, self.form));
        let head = [("classification_head", &self.classification), ("regression_head", &self.regression)];
        let head = head.into_iter().flat_map(|(name, predictor)| predictor.cost(name, &self.levels, self.form));
        extra.chain(head).collect()
    }

    fn check(&self, maps: &[Tensor], mode: Mode) -> Result<(), Error> {
        let images = maps.first().and_then(|map| map.size().first().copied()).unwrap_or(0);
        for (level, map) in self.levels.iter().zip(maps) {
            let [rows, columns] = level.grid;
            if map.size() != [images, level.channels, rows, columns] {
                let expected = format!("[N, {}, {rows}, {columns}]", level.channels);
                return Err(Error::Shape { what: "features", found: map.size(), expected });
            }
        }
        let takes_statistics = self.form == Form::Train && mode.is_train();
        match self.levels.iter().position(|level| level.grid == [1, 1]) {
            Some(level) if takes_statistics && mode.images(images) == 1 => Err(Error::SingleValueStatistics { level }),
            _ => Ok(()),
        }
    }
}

impl Fold for MultiBoxHead {
    fn fold(&self, into: &mut StateDict) {
        self.extra.iter().flat_map(|block| &block.0).for_each(|layer| layer.fold(into));
        for (depthwise, projection) in self.classification.levels.iter().chain(&self.regression.levels) {
            depthwise.fold(into);
            projection.fold(into);
        }
    }
}

/// 1x1 to half the channels, depthwise 3x3 with stride 2, 1x1: the next level (torchvision's `_extra_block`).
#[derive(Debug)]
struct ExtraBlock([ConvBn; 3]);

impl ExtraBlock {
    /// Registers `0` to `2` under `path`, each with `0` (convolution) and `1` (normalisation).
    fn new(path: &nn::Path, [inputs, outputs]: [i64; 2], builder: LayerBuilder) -> Self {
        let half = outputs / 2;
        let layer = |index: usize, geometry| builder.conv_bn(&(path / index), geometry);
        Self([
            layer(0, Geometry::pointwise(inputs, half)),
            layer(1, Geometry::depthwise(half, 2, 1)),
            layer(2, Geometry::pointwise(half, outputs)),
        ])
    }

    /// `[N, inputs, H, W]` to `[N, outputs, ceil(H / 2), ceil(W / 2)]`.
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        self.0.iter().try_fold(xs.shallow_clone(), |xs, layer| Ok(layer.forward(&xs, mode)?))
    }

    fn cost(&self, index: usize, mut input: [i64; 2], form: Form) -> Vec<CostRow> {
        let row = |(layer, conv): (usize, &ConvBn)| {
            let row = cost::conv_bn(format!("extra.{index}.{layer}"), conv, input, form);
            input = [row.output[1], row.output[2]];
            row
        };
        self.0.iter().enumerate().map(row).collect()
    }
}

/// A depthwise 3x3 and a 1x1 convolution for each level, with `columns` numbers per anchor (torchvision's `SSDScoringHead`).
#[derive(Debug)]
struct Predictor {
    levels: Vec<(ConvBn, Conv)>,
    /// Anchors of each level.
    anchors: Vec<i64>,
    columns: i64,
}

impl Predictor {
    /// Registers `module_list.{level}.{0,1}` under `path`.
    fn new(path: &nn::Path, levels: &[Level], columns: i64, builder: LayerBuilder) -> Self {
        let blocks = path / "module_list";
        let block = |(index, level): (usize, &Level)| {
            let path = &blocks / index;
            let depthwise = Geometry::depthwise(level.channels, 1, 1);
            let pointwise = Geometry::pointwise(level.channels, level.anchors_per_cell * columns);
            (builder.conv_bn(&(&path / 0), depthwise), Conv::new(&(&path / 1), pointwise, builder.init()))
        };
        Self {
            levels: levels.iter().enumerate().map(block).collect(),
            anchors: levels.iter().map(|level| level.grid[0] * level.grid[1] * level.anchors_per_cell).collect(),
            columns,
        }
    }

    /// The levels' features `[N, C, H, W]` to `[N, A, columns]`.
    fn forward(&self, maps: &[Tensor], mode: Mode) -> Result<Tensor, Error> {
        let predict = |(((depthwise, projection), &anchors), xs): ((&(ConvBn, Conv), &i64), &Tensor)| {
            let ys = projection.forward(&depthwise.forward(xs, mode)?);
            Ok(ys.permute([0, 2, 3, 1]).reshape([-1, anchors, self.columns]))
        };
        let levels: Vec<_> =
            self.levels.iter().zip(&self.anchors).zip(maps).map(predict).collect::<Result<_, Error>>()?;
        Ok(Tensor::f_cat(&levels, 1)?)
    }

    fn cost(&self, name: &str, levels: &[Level], form: Form) -> Vec<CostRow> {
        let rows = |(index, ((depthwise, projection), level)): (usize, (&(ConvBn, Conv), &Level))| {
            let name = |layer| format!("head.{name}.module_list.{index}.{layer}");
            [cost::conv_bn(name(0), depthwise, level.grid, form), cost::conv(name(1), projection, level.grid)]
        };
        self.levels.iter().zip(levels).enumerate().flat_map(rows).collect()
    }
}

/// What all layers of the head have in common.
#[derive(Clone, Copy)]
struct LayerBuilder<'a> {
    config: &'a SsdLiteConfig,
    form: Form,
}

impl LayerBuilder<'_> {
    fn init(self) -> WeightInit {
        WeightInit::Normal { std: self.config.init_std }
    }

    fn conv_bn(self, path: &nn::Path, geometry: Geometry) -> ConvBn {
        let config = ConvBnConfig {
            geometry,
            activation: Activation::Relu6,
            norm: BatchNormConfig { eps: self.config.bn_eps, momentum: self.config.bn_momentum },
            init: self.init(),
            keys: ConvBnKeys { conv: "0", norm: "1" },
        };
        ConvBn::new(path, &config, self.form)
    }
}
