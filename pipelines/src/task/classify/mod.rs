//! Classification: MobileOne under global average pooling and a linear layer.

mod data;
mod scoring;

use backbone::{Classifier as Counted, Cost, Features, Fold, Form, MobileOne, Mode, StateDict};
use datasets::classification::{
    ClassificationDataset, ClassificationSample, ClassificationSet, ClassifyAugmentation, EvaluationView, Mix, Mixing,
    ViewOptions,
};
use datasets::{Class, Image, SampleRng, Size, draw};
use formats::onnx::{self, Dim};
use heads::classifier::{Classifier, ClassifierConfig, Targets, mixed_targets};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Device, Kind, Tensor, nn};

use super::{
    Body, Data, Loss, Nothing, OnnxGraph, Port, RenderOptions, Shipped, Task, foreign_outputs, relative_difference,
    write_picture,
};
use crate::config::{Config, ImageSize, Keys, TaskKind};
use crate::failure::Failure;
use crate::report::ImagePredictions;
pub use data::ClassificationSource;
pub use scoring::ClassifyScorer;

/// The keys of a classification configuration.
#[derive(Clone, Debug)]
pub struct ClassifyKeys;

impl Keys for ClassifyKeys {
    type Head = ClassifierConfig;
    type Source = ClassificationSource;
    type Targets = Nothing;
    type Augment = ClassifyAugmentation;
    type Eval = ClassifyEval;
}

/// How a classifier is evaluated; the view is timm's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifyEval {
    /// How pictures are resized and cropped.
    pub view: ViewOptions,
    /// ReaL labels of ImageNet's validation set (`real.json`), to be scored against as well.
    pub real_labels: Option<PathBuf>,
}

/// MobileOne under a linear layer.
pub struct Network {
    backbone: MobileOne,
    head: Classifier,
}

/// Classification with the classes of one data set.
pub struct Classify {
    body: Body,
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
    type Model = Network;
    type Output = Tensor;
    type Targets = Targets;
    /// A logit for each class.
    type Prediction = Vec<f32>;
    type Scorer = ClassifyScorer;

    // Names of classifiers are those of the published files.
    const KIND: TaskKind = TaskKind::Classify;
    const BACKBONE: &'static str = "";
    const COLUMNS: &'static [&'static str] = &["id", "name", "score"];

    fn new(config: &Config<ClassifyKeys>, classes: &[Class]) -> Result<Self, Failure> {
        config.head.validate().map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Self {
            body: Body::new(&config.backbone)?,
            head: config.head.clone(),
            size: config.data.size,
            view: view(config)?,
            mixing: config.data.augment.mixing.clone(),
            root: config.data.root.clone(),
            real_labels: config.eval.real_labels.clone(),
            classes: classes.to_vec(),
        })
    }

    fn training_samples(
        config: &Config<ClassifyKeys>,
        set: ClassificationSet,
    ) -> Result<ClassificationDataset, Failure> {
        let (size, augment) = (config.data.size.into(), config.data.augment.clone());
        Ok(ClassificationDataset::for_training(Arc::new(set), size, augment)?)
    }

    fn validation_samples(
        config: &Config<ClassifyKeys>,
        set: ClassificationSet,
    ) -> Result<ClassificationDataset, Failure> {
        Ok(ClassificationDataset::for_evaluation(Arc::new(set), view(config)?)?)
    }

    fn build(&self, path: &nn::Path, form: Form) -> Result<Network, Failure> {
        let backbone = self.body.build(path, form);
        let [.., channels] = backbone.channels();
        let head = Classifier::new(path, channels, self.classes.len() as i64, &self.head)
            .map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Network { backbone, head })
    }

    fn backbone(model: &Network) -> &MobileOne {
        &model.backbone
    }

    fn cost(&self, _: &Network, form: Form) -> Cost {
        let classes = self.classes.len() as i64;
        self.body.cost(form, self.size.sides(), "", Counted::Linear { classes })
    }

    fn numbers<'a>(&self, output: &'a Tensor) -> Vec<(&'static str, &'a Tensor)> {
        vec![("logits", output)]
    }

    fn fold(&self, model: &Network, into: &mut StateDict) {
        model.backbone.fold(into);
        model.head.fold(into);
    }

    fn image(sample: &ClassificationSample) -> &Image {
        &sample.image
    }

    fn file(sample: &ClassificationSample) -> &Path {
        &sample.path
    }

    fn forward(&self, model: &Network, images: &Tensor, mode: Mode) -> Result<Tensor, Failure> {
        let features: Features = model.backbone.forward(images, mode);
        model.head.forward(&features, mode).map_err(Failure::failed)
    }

    fn targets(
        &self,
        images: Tensor,
        batch: &[ClassificationSample],
        rng: &mut SampleRng,
    ) -> Result<(Tensor, Targets), Failure> {
        let labels: Vec<i64> = batch.iter().map(|sample| sample.class as i64).collect();
        let labels = Tensor::from_slice(&labels);
        let size = batch.first().map_or(Size { height: 1, width: 1 }, |sample| sample.image.size());
        let Some(mix) = self.mixing.draw(size, rng) else { return Ok((images, Targets::Labels(labels))) };
        let count = [batch.len() as i64];
        let lambda = Tensor::full(count, mix.lambda, (Kind::Float, images.device()));
        let targets = mixed_targets(&labels, &labels.flip([0]), &lambda, self.classes.len() as i64, 0.0);
        Ok((mixed(&images, &mix), Targets::Distributions(targets.map_err(Failure::failed)?)))
    }

    fn losses(&self, model: &Network, logits: &Tensor, targets: &Targets) -> Result<Vec<Loss>, Failure> {
        let value = model.head.loss(logits, targets).map_err(Failure::failed)?;
        Ok(vec![Loss { name: "cross_entropy", value }])
    }

    fn predictions(&self, _: &Network, logits: &Tensor, _: &[ClassificationSample]) -> Result<Vec<Vec<f32>>, Failure> {
        Vec::<Vec<f32>>::try_from(logits.to_kind(Kind::Float).to(Device::Cpu)).map_err(Failure::failed)
    }

    fn shipped_network(&self, model: &Network, images: &Tensor) -> Result<Vec<Tensor>, Failure> {
        Ok(vec![self.forward(model, images, Mode::Eval)?])
    }

    fn shipped(&self, raw: bool) -> Shipped {
        let classes = self.classes.len().to_string();
        let (body, port) = if raw {
            ("return logits", Port::new("logits", "float32", &["N", &classes], "a logit for each class"))
        } else {
            let meaning = "the probability of each class";
            ("return torch.softmax(logits, 1)", Port::new("probabilities", "float32", &["N", &classes], meaning))
        };
        let names = &["logits"];
        Shipped { helpers: String::new(), names, body: body.to_owned(), outputs: vec![port], fixed_size: true }
    }

    fn read_shipped(
        &self,
        outputs: &[Tensor],
        raw: bool,
        batch: &[ClassificationSample],
    ) -> Result<Vec<Vec<f32>>, Failure> {
        let shape = [batch.len() as i64, self.classes.len() as i64];
        let scores = match outputs {
            [scores] if scores.size() == shape => scores.to_kind(Kind::Float),
            _ => return Err(foreign_outputs(&format!("{shape:?}"), outputs)),
        };
        // The logarithm of a probability is a logit. One that is too small for a number becomes the smallest.
        let logits = if raw { scores } else { scores.clamp_min(f64::from(f32::MIN_POSITIVE)).log() };
        Vec::<Vec<f32>>::try_from(logits).map_err(Failure::failed)
    }

    fn ship_onnx(&self, _: &Network, graph: &mut OnnxGraph<'_>, raw: bool) -> Result<(), onnx::Error> {
        let logits = &graph.numbers[0];
        let sides = [graph.batch.clone(), Dim::Fixed(self.classes.len() as i64)];
        if raw {
            return graph.builder.output("logits", logits, &sides);
        }
        let probabilities = graph.builder.softmax(logits, 1);
        graph.builder.output("probabilities", &probabilities, &sides)
    }

    fn shipped_outputs(&self, model: &Network, images: &Tensor, raw: bool) -> Result<Vec<Tensor>, Failure> {
        let logits = self.forward(model, images, Mode::Eval)?;
        Ok(vec![if raw { logits } else { logits.softmax(1, Kind::Float) }])
    }

    fn difference(&self, model: &Network, images: &Tensor, outputs: &[Tensor], raw: bool) -> Result<f64, Failure> {
        let [found] = outputs else { return Err(foreign_outputs("one for each image", outputs)) };
        relative_difference(&self.shipped_outputs(model, images, raw)?[0], found)
    }

    fn scorer(&self, data: &Data<ClassificationDataset>, folder: Option<&Path>) -> Result<ClassifyScorer, Failure> {
        ClassifyScorer::new(data.samples.set(), &self.root, self.real_labels.as_deref(), folder)
    }

    fn prepare(&self, picture: &Image, file: &Path) -> Result<ClassificationSample, Failure> {
        let image = self.view.apply(picture).map_err(Failure::failed)?;
        Ok(ClassificationSample { image, class: 0, index: 0, path: file.to_owned() })
    }

    fn render(
        &self,
        logits: &Vec<f32>,
        _: &ClassificationSample,
        picture: &Image,
        options: &RenderOptions,
    ) -> Result<ImagePredictions, Failure> {
        let probabilities = Tensor::from_slice(logits).softmax(-1, Kind::Double);
        let (scores, ids) = probabilities.topk((self.classes.len() as i64).min(SHOWN), -1, true, true);
        let scores = Vec::<f64>::try_from(scores).map_err(Failure::failed)?;
        let ids = Vec::<i64>::try_from(ids).map_err(Failure::failed)?;
        let named = ids.iter().map(|id| &self.classes[*id as usize]).zip(scores);
        let shown: Vec<(&Class, f64)> = named.filter(|(_, score)| *score >= options.threshold).collect();
        let picture = options.picture.as_ref().map(|place| drawn(place, picture, &shown)).transpose()?;
        let rows = shown.iter().map(|(class, score)| vec![json!(class.id), json!(class.name), json!(score)]).collect();
        Ok(ImagePredictions { picture, mask: None, rows })
    }
}

/// The most probable classes that a prediction lists.
const SHOWN: i64 = 5;

/// Every picture with its mirror image in the batch: the first with the last, and so on, as timm pairs them.
fn mixed(images: &Tensor, mix: &Mix) -> Tensor {
    let partners = images.flip([0]);
    let Some(window) = mix.window else { return images * mix.lambda + partners * (1.0 - mix.lambda) };
    let [left, top, width, height] = [window.left, window.top, window.width, window.height].map(|side| side as i64);
    let inside = |tensor: &Tensor| tensor.narrow(2, top, height).narrow(3, left, width);
    let images = images.copy();
    inside(&images).copy_(&inside(&partners));
    images
}

/// The picture with its most probable class written on it.
fn drawn(place: &Path, picture: &Image, shown: &[(&Class, f64)]) -> Result<PathBuf, Failure> {
    let mut image = picture.clone();
    let bbox = [0.0, 0.0, image.width as f64, image.height as f64];
    let label = |(class, score): &(&Class, f64)| draw::Label {
        bbox,
        text: format!("{} {score:.2}", class.name),
        class: class.id as usize,
    };
    let labels: Vec<_> = shown.first().map(label).into_iter().collect();
    draw::boxes(&mut image, &labels).map_err(Failure::failed)?;
    write_picture(place, &image)
}

fn view(config: &Config<ClassifyKeys>) -> Result<EvaluationView, Failure> {
    let view = EvaluationView::with(config.data.size.into(), config.eval.view);
    view.validate().map_err(|error| Failure::usage(format!("eval.view: {error}")))?;
    Ok(view)
}
