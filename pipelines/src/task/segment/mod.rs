//! Segmentation: a backbone under DeepLabV3.

mod data;
mod evaluate;
mod export;
mod pairing;
mod scoring;
#[cfg(test)]
mod tests;
mod train;

use backbone::checkpoint::BACKBONE;
use backbone::{Cost, Form, Mode, Purpose};
use datasets::segmentation::{EvaluationSize, SegmentAugmentation, SegmentationDataset, SegmentationSample};
use datasets::{Class, Image};
use eval::segmentation::SegmentationOptions;
use heads::HeadSpec;
use heads::deeplabv3::{DeepLabV3, DeepLabV3Config, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use super::{BackboneBuilder, NoOptions, Task, WithHead, exactly};
use crate::config::{Config, ImageSize, Keys, TaskKind};
use crate::failure::Failure;
pub use data::SegmentationSource;
pub use scoring::SegmentScorer;

/// The keys of a segmentation configuration.
#[derive(Clone, Debug)]
pub struct SegmentKeys;

impl Keys for SegmentKeys {
    type Head = DeepLabV3Config;
    type Source = SegmentationSource;
    type Targets = NoOptions;
    type Augment = SegmentAugmentation;
    type Eval = SegmentEval;
}

/// How a segmenter is evaluated: masks are compared at their stored size, whatever the network sees.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentEval {
    /// The size of the network's input.
    pub size: EvaluationSize,
    /// Factors on that size; the probabilities of all are averaged.
    #[schemars(length(min = 1), inner(range(min = 0.1, max = 10.0)))]
    pub scales: Vec<f64>,
    /// Whether mirrored images are averaged in as well.
    pub flip: bool,
    /// Tolerance of the boundary F-score as a share of the image's diagonal (DAVIS: 0.008); not computed where not given.
    #[schemars(range(min = 0.0, max = 0.1))]
    pub boundary_tolerance: Option<f64>,
}

impl Default for SegmentEval {
    fn default() -> Self {
        Self { size: EvaluationSize::Full, scales: vec![1.0], flip: false, boundary_tolerance: None }
    }
}

/// A backbone under DeepLabV3.
pub type Segmenter = WithHead<DeepLabV3>;

/// Segmentation with the classes of one data set.
pub struct Segment {
    backbone: BackboneBuilder,
    head: DeepLabV3Config,
    size: ImageSize,
    eval: SegmentEval,
    classes: Vec<Class>,
}

impl Task for Segment {
    type Keys = SegmentKeys;
    type Sample = SegmentationSample;
    type Dataset = SegmentationDataset;
    type Head = DeepLabV3;
    type Output = Output;

    const KIND: TaskKind = TaskKind::Segment;
    const BACKBONE: &'static str = BACKBONE;

    fn new(config: &Config<SegmentKeys>, classes: &[Class]) -> Result<Self, Failure> {
        config.head.validate().map_err(|error| Failure::usage(format!("head: {error}")))?;
        let eval = &config.eval;
        if eval.scales.is_empty() || eval.scales.iter().any(|scale| !(0.1..=10.0).contains(scale)) {
            return Err(Failure::usage("eval.scales: expected one factor or more, from 0.1 to 10"));
        }
        if config.head.ohem.is_some() && config.train.accumulate > 1 {
            return Err(Failure::usage("head.ohem chooses among the pixels of a step, which train.accumulate divides")
                .hint("Set train.accumulate: 1, or head.ohem: null."));
        }
        options(eval).validate().map_err(|error| Failure::usage(format!("eval: {error}")))?;
        Ok(Self {
            backbone: BackboneBuilder::new(&config.backbone, Purpose::Dense)?,
            head: config.head.clone(),
            size: config.data.size,
            eval: eval.clone(),
            classes: classes.to_vec(),
        })
    }

    fn size(&self) -> [i64; 2] {
        self.size.sides()
    }

    fn image(sample: &SegmentationSample) -> &Image {
        &sample.image
    }

    fn build(&self, path: &nn::Path, form: Form) -> Result<Segmenter, Failure> {
        let backbone = self.backbone.build(&(path / "backbone"), form);
        let (channels, output_stride) = (backbone.channels(), self.backbone.output_stride());
        let spec = HeadSpec { channels, output_stride, classes: self.classes.len() as i64, form };
        let head = DeepLabV3::new(path, &spec, &self.head).map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(WithHead { backbone, head })
    }

    fn forward(&self, model: &Segmenter, images: &Tensor, mode: Mode) -> Result<Output, Failure> {
        Ok(model.head.forward(&model.backbone.forward(images, mode)?, mode)?)
    }

    fn numbers<'a>(&self, output: &'a Output) -> Vec<(&'static str, &'a Tensor)> {
        vec![("logits", &output.logits)]
    }

    fn output_of(&self, numbers: Vec<Tensor>) -> Result<Output, Failure> {
        let [logits] = exactly(numbers)?;
        Ok(Output { logits, auxiliary: None })
    }

    fn cost(&self, model: &Segmenter) -> Cost {
        let mut cost = model.backbone.cost(self.size.sides());
        cost.rows.extend(model.head.cost(self.size.sides()));
        cost
    }
}

fn options(eval: &SegmentEval) -> SegmentationOptions {
    SegmentationOptions { boundary_tolerance: eval.boundary_tolerance, ..SegmentationOptions::default() }
}

/// Height and width of images `[N, C, H, W]`.
fn sides(images: &Tensor) -> Result<[i64; 2], Failure> {
    match images.size()[..] {
        [_, _, height, width] => Ok([height, width]),
        _ => Err(Failure::failed(format!("the images have the shape {:?}, expected [N, C, H, W]", images.size()))),
    }
}
