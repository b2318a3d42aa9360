//! Detection: MobileOne under SSDLite, scored as COCO does.

mod data;
mod scoring;

use backbone::{Features, Fold, Form, MobileOne, Mode, OutputStride, Spec, StateDict};
use datasets::{
    Augmentation, Class, DetectionDataset, DetectionSample, Encoding, Image, Orientation, Size, TargetOptions, draw,
};
use heads::ssdlite::{Detections, GroundTruth, Predictions, SsdLite, SsdLiteConfig};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Tensor, nn};

use super::{Data, Loss, RenderOptions, Task};
use crate::config::{Config, DetectionSource, ImageSize, Keys};
use crate::failure::Failure;
use crate::run_folder::write_whole;
use data::{names, read, sentences};
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
    spec: Spec,
    backbone_form: Form,
    output_stride: OutputStride,
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
    type Scorer = DetectScorer;

    fn new(config: &Config<DetectKeys>, classes: &[Class]) -> Result<Self, Failure> {
        config.head.validate().map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Self {
            spec: config.backbone.specification()?,
            backbone_form: config.backbone.form,
            output_stride: config.backbone.output_stride,
            head: config.head.clone(),
            size: config.data.size,
            classes: classes.to_vec(),
        })
    }

    fn training_data(config: &Config<DetectKeys>) -> Result<Data<DetectionDataset>, Failure> {
        let set = read(config, &config.data.train, None)?;
        let (classes, findings) = (set.classes.clone(), sentences(&set));
        let (size, augment, targets) = (config.data.size.into(), config.data.augment.clone(), config.data.targets);
        let samples = DetectionDataset::for_training(Arc::new(set), size, augment, targets).map_err(Failure::failed)?;
        Ok(Data { samples: Arc::new(samples), classes, findings })
    }

    fn validation_data(
        config: &Config<DetectKeys>,
        classes: Option<&[Class]>,
    ) -> Result<Data<DetectionDataset>, Failure> {
        let set = read(config, &config.data.val, classes)?;
        if let Some(trained) = classes.filter(|trained| *trained != set.classes) {
            return Err(Failure::failed(format!(
                "the validation set's classes ({}) are not those of the network ({})",
                names(&set.classes),
                names(trained)
            )));
        }
        let classes = set.classes.clone();
        let findings = sentences(&set);
        let samples =
            DetectionDataset::for_evaluation(Arc::new(set), config.data.size.into()).map_err(Failure::failed)?;
        Ok(Data { samples: Arc::new(samples), classes, findings })
    }

    fn build(&self, path: &nn::Path, form: Form) -> Result<Detector, Failure> {
        let backbone_form = if form == Form::Deploy { Form::Deploy } else { self.backbone_form };
        let backbone = MobileOne::new(&(path / "backbone"), &self.spec, backbone_form, self.output_stride);
        let size = [self.size.height as i64, self.size.width as i64];
        let head = SsdLite::new(
            path,
            backbone.channels(),
            self.output_stride,
            self.classes.len() as i64,
            size,
            &self.head,
            form,
        )
        .map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Detector { backbone, head })
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

    fn losses(&self, model: &Detector, output: &Predictions, batch: &[DetectionSample]) -> Result<Vec<Loss>, Failure> {
        let truth: Vec<GroundTruth> = batch
            .iter()
            .map(|sample| GroundTruth {
                boxes: sample.boxes.clone(),
                labels: sample.labels.iter().map(|class| *class as i64 + 1).collect(),
            })
            .collect();
        let losses = model.head.loss(output, &truth).map_err(Failure::failed)?;
        Ok(vec![
            Loss { name: "classification", value: losses.classification },
            Loss { name: "localization", value: losses.localization },
        ])
    }

    fn scorer(&self, data: &Data<DetectionDataset>, folder: Option<&Path>) -> Result<DetectScorer, Failure> {
        DetectScorer::new(data.samples.set(), folder)
    }

    fn prepare(&self, image: &Path) -> Result<DetectionSample, Failure> {
        let picture = Image::read(image, Orientation::Upright).map_err(Failure::failed)?;
        Ok(DetectionSample {
            original: picture.size(),
            image: picture.resize(self.size.into()).map_err(Failure::failed)?,
            boxes: Vec::new(),
            labels: Vec::new(),
            image_id: 0,
            path: image.to_owned(),
        })
    }

    fn render(
        &self,
        model: &Detector,
        output: &Predictions,
        batch: &[DetectionSample],
        options: &RenderOptions,
    ) -> Result<Vec<serde_json::Value>, Failure> {
        let found = model.head.detect(output).map_err(Failure::failed)?;
        found.iter().zip(batch).map(|(found, sample)| self.render_one(found, sample, options)).collect()
    }
}

impl Detect {
    fn render_one(
        &self,
        found: &Detections,
        sample: &DetectionSample,
        options: &RenderOptions,
    ) -> Result<serde_json::Value, Failure> {
        let shown: Vec<Found> = self
            .in_original_pixels(found, sample)
            .filter(|found| f64::from(found.score) >= options.threshold)
            .collect();
        let mut picture = None;
        if let Some(folder) = &options.folder {
            let path = picture_path(folder, &sample.path);
            let labels: Vec<draw::Label> = shown
                .iter()
                .map(|found| draw::Label {
                    bbox: found.bbox,
                    text: format!("{} {:.2}", self.classes[found.class].name, found.score),
                    class: found.class,
                })
                .collect();
            let mut image = Image::read(&sample.path, Orientation::Upright).map_err(Failure::failed)?;
            draw::boxes(&mut image, &labels).map_err(Failure::failed)?;
            write_whole(&path, &image.encode(Encoding::Jpeg(QUALITY)).map_err(Failure::failed)?)?;
            picture = Some(path);
        }
        let detections: Vec<serde_json::Value> = shown
            .iter()
            .map(|found| {
                let class = &self.classes[found.class];
                json!({ "category_id": class.id, "name": class.name, "score": found.score, "bbox": found.bbox })
            })
            .collect();
        Ok(json!({ "file": sample.path, "picture": picture, "detections": detections }))
    }

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

/// JPEG quality of drawn pictures.
const QUALITY: u8 = 92;

struct Found {
    bbox: [f64; 4],
    score: f32,
    class: usize,
}

fn picture_path(folder: &Path, image: &Path) -> PathBuf {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    folder.join(format!("{stem}.jpg"))
}
