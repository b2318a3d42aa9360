//! Detection: a backbone under SSDLite, scored as COCO does.

mod comparison;
mod conventions;
mod data;
mod evaluate;
mod export;
mod pairing;
mod scoring;
mod suppression;
#[cfg(test)]
mod tests;
mod train;

use backbone::checkpoint::BACKBONE;
use backbone::{Cost, Form, Mode, Purpose};
use datasets::{Augmentation, Class, DetectionDataset, DetectionSample, Image, TargetOptions};
use heads::HeadSpec;
use heads::ssdlite::{Predictions, SsdLite, SsdLiteConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use super::{BackboneBuilder, Task, WithHead, exactly};
use crate::config::{Config, ImageSize, Keys, TaskKind};
use crate::failure::Failure;
pub use data::DetectionSource;
pub use scoring::DetectScorer;

/// The keys of a detection configuration.
#[derive(Clone, Debug)]
pub struct DetectKeys;

impl Keys for DetectKeys {
    type Head = SsdLiteConfig;
    type Source = DetectionSource;
    type Targets = TargetOptions;
    type Augment = Augmentation;
    type Eval = DetectEval;
}

/// How a detector is evaluated: COCO's rules leave nothing to choose.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DetectEval {}

/// A backbone under SSDLite.
pub type Detector = WithHead<SsdLite>;

/// Detection with the classes of one data set.
pub struct Detect {
    backbone: BackboneBuilder,
    head: SsdLiteConfig,
    size: ImageSize,
    classes: Vec<Class>,
}

impl Task for Detect {
    type Keys = DetectKeys;
    type Sample = DetectionSample;
    type Dataset = DetectionDataset;
    type Head = SsdLite;
    type Output = Predictions;

    const KIND: TaskKind = TaskKind::Detect;
    const BACKBONE: &'static str = BACKBONE;

    fn new(config: &Config<DetectKeys>, classes: &[Class]) -> Result<Self, Failure> {
        config.head.validate().map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Self {
            backbone: BackboneBuilder::new(&config.backbone, Purpose::Dense)?,
            head: config.head.clone(),
            size: config.data.size,
            classes: classes.to_vec(),
        })
    }

    fn size(&self) -> [i64; 2] {
        self.size.sides()
    }

    fn image(sample: &DetectionSample) -> &Image {
        &sample.image
    }

    fn build(&self, path: &nn::Path, form: Form) -> Result<Detector, Failure> {
        let backbone = self.backbone.build(&(path / "backbone"), form);
        let (channels, output_stride) = (backbone.channels(), self.backbone.output_stride());
        let spec = HeadSpec { channels, output_stride, classes: self.classes.len() as i64, form };
        let head = SsdLite::new(path, &spec, self.size.sides(), &self.head)
            .map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(WithHead { backbone, head })
    }

    fn forward(&self, model: &Detector, images: &Tensor, mode: Mode) -> Result<Predictions, Failure> {
        Ok(model.head.forward(&model.backbone.forward(images, mode)?, mode)?)
    }

    fn numbers<'a>(&self, output: &'a Predictions) -> Vec<(&'static str, &'a Tensor)> {
        vec![("logits", &output.logits), ("deltas", &output.deltas)]
    }

    fn output_of(&self, numbers: Vec<Tensor>) -> Result<Predictions, Failure> {
        let [logits, deltas] = exactly(numbers)?;
        Ok(Predictions { logits, deltas })
    }

    fn cost(&self, model: &Detector) -> Cost {
        let mut cost = model.backbone.cost(self.size.sides());
        cost.rows.extend(model.head.cost());
        cost
    }
}
