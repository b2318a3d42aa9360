//! Classification: a backbone under global average pooling and a linear layer.

mod data;
mod evaluate;
mod export;
mod pairing;
mod scoring;
mod train;

use backbone::{Cost, Form, Mode, Purpose};
use datasets::classification::{
    ClassificationDataset, ClassificationSample, ClassifyAugmentation, EvaluationView, Mixing, ViewOptions,
};
use datasets::{Class, Image};
use heads::classifier::{Classifier, ClassifierConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::{Tensor, nn};

use super::{BackboneBuilder, NoOptions, Task, WithHead, exactly};
use crate::config::{Config, ImageSize, Keys, TaskKind};
use crate::failure::Failure;
pub use data::ClassificationSource;
pub use scoring::ClassifyScorer;

/// The keys of a classification configuration.
#[derive(Clone, Debug)]
pub struct ClassifyKeys;

impl Keys for ClassifyKeys {
    type Head = ClassifierConfig;
    type Source = ClassificationSource;
    type Targets = NoOptions;
    type Augment = ClassifyAugmentation;
    type Eval = ClassifyEval;
}

/// How a classifier is evaluated; the view is timm's.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifyEval {
    /// How images are resized and cropped.
    pub view: ViewOptions,
    /// ReaL labels of ImageNet's validation set (`real.json`) to score against as well.
    pub real_labels: Option<PathBuf>,
}

/// A backbone under a linear layer.
pub type ImageClassifier = WithHead<Classifier>;

/// Classification with the classes of one data set.
pub struct Classify {
    backbone: BackboneBuilder,
    head: ClassifierConfig,
    size: ImageSize,
    view: EvaluationView,
    mixing: Mixing,
    root: PathBuf,
    real_labels: Option<PathBuf>,
    classes: Vec<Class>,
}

impl Task for Classify {
    type Keys = ClassifyKeys;
    type Sample = ClassificationSample;
    type Dataset = ClassificationDataset;
    type Head = Classifier;
    type Output = Tensor;

    // Names of classifiers are those of the published files.
    const KIND: TaskKind = TaskKind::Classify;
    const BACKBONE: &'static str = "";

    fn new(config: &Config<ClassifyKeys>, classes: &[Class]) -> Result<Self, Failure> {
        config.head.validate().map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Self {
            backbone: BackboneBuilder::new(&config.backbone, Purpose::Classification)?,
            head: config.head.clone(),
            size: config.data.size,
            view: view(config)?,
            mixing: config.data.augment.mixing.clone(),
            root: config.data.root.clone(),
            real_labels: config.eval.real_labels.clone(),
            classes: classes.to_vec(),
        })
    }

    fn size(&self) -> [i64; 2] {
        self.size.sides()
    }

    fn image(sample: &ClassificationSample) -> &Image {
        &sample.image
    }

    fn build(&self, path: &nn::Path, form: Form) -> Result<ImageClassifier, Failure> {
        let backbone = self.backbone.build(path, form);
        let [.., channels] = backbone.channels();
        let head = Classifier::new(path, channels, self.classes.len() as i64, &self.head)
            .map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(WithHead { backbone, head })
    }

    fn forward(&self, model: &ImageClassifier, images: &Tensor, mode: Mode) -> Result<Tensor, Failure> {
        Ok(model.head.forward(&model.backbone.forward(images, mode)?, mode)?)
    }

    fn numbers<'a>(&self, output: &'a Tensor) -> Vec<(&'static str, &'a Tensor)> {
        vec![("logits", output)]
    }

    fn output_of(&self, numbers: Vec<Tensor>) -> Result<Tensor, Failure> {
        let [logits] = exactly(numbers)?;
        Ok(logits)
    }

    fn cost(&self, model: &ImageClassifier) -> Cost {
        let mut cost = model.backbone.cost(self.size.sides());
        cost.rows.extend(model.head.cost());
        cost
    }
}

fn view(config: &Config<ClassifyKeys>) -> Result<EvaluationView, Failure> {
    let view = EvaluationView::with(config.data.size.into(), config.eval.view);
    view.validate().map_err(|error| Failure::usage(format!("eval.view: {error}")))?;
    Ok(view)
}
