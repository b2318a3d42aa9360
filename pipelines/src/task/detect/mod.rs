//! Detection: MobileOne under SSDLite, scored as COCO does.

mod data;
mod scoring;
mod ship;

use backbone::checkpoint::BACKBONE;
use backbone::{Classifier, Cost, Features, Fold, Form, MobileOne, Mode, StateDict};
use datasets::{
    Augmentation, Class, DetectionDataset, DetectionSample, DetectionSet, Image, SampleRng, Size, TargetOptions, draw,
};
use formats::onnx::{self, Decoding};
use heads::ssdlite::{Decoded, Detections, GroundTruth, Predictions, SsdLite, SsdLiteConfig};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use tch::{Tensor, nn};

use super::{Body, Data, Loss, OnnxGraph, RenderOptions, Shipped, Task, write_picture};
use crate::config::{Config, ImageSize, Keys, TaskKind};
use crate::failure::Failure;
use crate::report::ImagePredictions;
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectEval {}

/// MobileOne under SSDLite.
pub struct Detector {
    backbone: MobileOne,
    head: SsdLite,
}

/// Detection with the classes of one data set.
pub struct Detect {
    body: Body,
    head: SsdLiteConfig,
    size: ImageSize,
    classes: Vec<Class>,
}

impl Task for Detect {
    type Keys = DetectKeys;
    type Sample = DetectionSample;
    type Dataset = DetectionDataset;
    type Model = Detector;
    type Output = Predictions;
    type Targets = Vec<GroundTruth>;
    /// In pixels of what the network saw.
    type Prediction = Detections;
    type Scorer = DetectScorer;

    const KIND: TaskKind = TaskKind::Detect;
    const BACKBONE: &'static str = BACKBONE;
    const COLUMNS: &'static [&'static str] = &["id", "name", "score", "x", "y", "width", "height"];

    fn new(config: &Config<DetectKeys>, classes: &[Class]) -> Result<Self, Failure> {
        config.head.validate().map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Self {
            body: Body::new(&config.backbone)?,
            head: config.head.clone(),
            size: config.data.size,
            classes: classes.to_vec(),
        })
    }

    fn training_samples(config: &Config<DetectKeys>, set: DetectionSet) -> Result<DetectionDataset, Failure> {
        let (size, augment) = (config.data.size.into(), config.data.augment.clone());
        Ok(DetectionDataset::for_training(Arc::new(set), size, augment, config.data.targets)?)
    }

    fn validation_samples(config: &Config<DetectKeys>, set: DetectionSet) -> Result<DetectionDataset, Failure> {
        Ok(DetectionDataset::for_evaluation(Arc::new(set), config.data.size.into())?)
    }

    fn build(&self, path: &nn::Path, form: Form) -> Result<Detector, Failure> {
        let backbone = self.body.build(&(path / "backbone"), form);
        let head = SsdLite::new(
            path,
            backbone.channels(),
            self.body.output_stride(),
            self.classes.len() as i64,
            self.size.sides(),
            &self.head,
            form,
        )
        .map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Detector { backbone, head })
    }

    fn backbone(model: &Detector) -> &MobileOne {
        &model.backbone
    }

    fn cost(&self, model: &Detector, form: Form) -> Cost {
        let mut cost = self.body.cost(form, self.size.sides(), BACKBONE, Classifier::None);
        cost.rows.extend(model.head.cost());
        cost
    }

    fn numbers<'a>(&self, output: &'a Predictions) -> Vec<(&'static str, &'a Tensor)> {
        vec![("logits", &output.logits), ("deltas", &output.deltas)]
    }

    fn fold(&self, model: &Detector, into: &mut StateDict) {
        model.backbone.fold(into);
        model.head.fold(into);
    }

    fn image(sample: &DetectionSample) -> &Image {
        &sample.image
    }

    fn file(sample: &DetectionSample) -> &Path {
        &sample.path
    }

    fn forward(&self, model: &Detector, images: &Tensor, mode: Mode) -> Result<Predictions, Failure> {
        let features: Features = model.backbone.forward(images, mode);
        model.head.forward(&features, mode).map_err(Failure::failed)
    }

    fn targets(
        &self,
        images: Tensor,
        batch: &[DetectionSample],
        _: &mut SampleRng,
    ) -> Result<(Tensor, Vec<GroundTruth>), Failure> {
        let truth = batch.iter().map(|sample| GroundTruth {
            boxes: sample.boxes.clone(),
            labels: sample.labels.iter().map(|class| *class as i64 + 1).collect(),
        });
        Ok((images, truth.collect()))
    }

    fn losses(&self, model: &Detector, output: &Predictions, truth: &Vec<GroundTruth>) -> Result<Vec<Loss>, Failure> {
        let losses = model.head.loss(output, truth).map_err(Failure::failed)?;
        Ok(vec![
            Loss { name: "classification", value: losses.classification },
            Loss { name: "localization", value: losses.localization },
        ])
    }

    fn predictions(
        &self,
        model: &Detector,
        output: &Predictions,
        _: &[DetectionSample],
    ) -> Result<Vec<Detections>, Failure> {
        model.head.detect(output).map_err(Failure::failed)
    }

    fn shipped_network(&self, model: &Detector, images: &Tensor) -> Result<Vec<Tensor>, Failure> {
        let output = self.forward(model, images, Mode::Eval)?;
        let Decoded { scores, boxes } = model.head.decode(&output).map_err(Failure::failed)?;
        Ok(vec![boxes, scores])
    }

    fn shipped(&self, raw: bool) -> Shipped {
        ship::detector(&self.head, self.classes.len(), raw)
    }

    fn read_shipped(
        &self,
        outputs: &[Tensor],
        raw: bool,
        batch: &[DetectionSample],
    ) -> Result<Vec<Detections>, Failure> {
        ship::read(&self.head, outputs, raw, batch.len())
    }

    fn ship_onnx(&self, model: &Detector, graph: &mut OnnxGraph<'_>, raw: bool) -> Result<(), onnx::Error> {
        let decoding = Decoding {
            anchors: model.head.anchors().boxes(),
            weights: model.head.coder().weights(),
            size: self.size.sides(),
            classes: self.classes.len(),
        };
        ship::onnx(&self.head, &decoding, graph, raw)
    }

    fn shipped_outputs(&self, model: &Detector, images: &Tensor, raw: bool) -> Result<Vec<Tensor>, Failure> {
        if raw {
            return self.shipped_network(model, images);
        }
        let output = self.forward(model, images, Mode::Eval)?;
        Ok(ship::as_outputs(&model.head.detect(&output).map_err(Failure::failed)?))
    }

    fn difference(&self, model: &Detector, images: &Tensor, outputs: &[Tensor], raw: bool) -> Result<f64, Failure> {
        let output = self.forward(model, images, Mode::Eval)?;
        if raw {
            let decoded = model.head.decode(&output).map_err(Failure::failed)?;
            return ship::raw_difference(&decoded, outputs);
        }
        let expected = model.head.detect(&output).map_err(Failure::failed)?;
        let found = ship::read(&self.head, outputs, raw, expected.len())?;
        let pairs = expected.iter().zip(&found);
        Ok(pairs.map(|(expected, found)| ship::difference(expected, found, &self.head, self.size)).fold(0.0, f64::max))
    }

    fn scorer(&self, data: &Data<DetectionDataset>, folder: Option<&Path>) -> Result<DetectScorer, Failure> {
        DetectScorer::new(data.samples.set(), folder)
    }

    fn prepare(&self, picture: &Image, file: &Path) -> Result<DetectionSample, Failure> {
        Ok(DetectionSample {
            original: picture.size(),
            image: picture.resize(self.size.into()).map_err(Failure::failed)?,
            boxes: Vec::new(),
            labels: Vec::new(),
            image_id: 0,
            path: file.to_owned(),
        })
    }

    fn render(
        &self,
        found: &Detections,
        sample: &DetectionSample,
        picture: &Image,
        options: &RenderOptions,
    ) -> Result<ImagePredictions, Failure> {
        let shown: Vec<Found> = self
            .in_original_pixels(found, sample)
            .filter(|found| f64::from(found.score) >= options.threshold)
            .collect();
        let mut drawn = None;
        if let Some(place) = &options.picture {
            let labels: Vec<draw::Label> = shown
                .iter()
                .map(|found| draw::Label {
                    bbox: found.bbox,
                    text: format!("{} {:.2}", self.classes[found.class].name, found.score),
                    class: found.class,
                })
                .collect();
            let mut image = picture.clone();
            draw::boxes(&mut image, &labels).map_err(Failure::failed)?;
            drawn = Some(write_picture(place, &image)?);
        }
        let row = |found: &Found| {
            let class = &self.classes[found.class];
            let numbers = std::iter::once(f64::from(found.score)).chain(found.bbox).map(|number| json!(number));
            [json!(class.id), json!(class.name)].into_iter().chain(numbers).collect()
        };
        Ok(ImagePredictions { picture: drawn, mask: None, rows: shown.iter().map(row).collect() })
    }
}

impl Detect {
    /// Boxes as `[x, y, width, height]` in the pixels of the image file.
    fn in_original_pixels<'a>(
        &'a self,
        found: &'a Detections,
        sample: &'a DetectionSample,
    ) -> impl Iterator<Item = Found> + 'a {
        let Size { width, height } = sample.original;
        let (sx, sy) = (width as f64 / self.size.width as f64, height as f64 / self.size.height as f64);
        found.boxes.iter().zip(&found.scores).zip(&found.labels).map(move |((corners, score), label)| {
            let [x0, y0, x1, y1] = corners.map(f64::from);
            Found {
                bbox: [x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy],
                score: *score,
                class: *label as usize - 1,
            }
        })
    }
}

struct Found {
    bbox: [f64; 4],
    score: f32,
    class: usize,
}
