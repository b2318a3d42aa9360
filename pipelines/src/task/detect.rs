//! Detection: MobileOne under SSDLite, scored as COCO does.

use backbone::{Features, Fold, Form, MobileOne, Mode, OutputStride, Spec, StateDict};
use datasets::{
    Augmentation, Class, DetectionDataset, DetectionSample, DetectionSet, Encoding, Image, Orientation, Size,
    TargetOptions, draw, voc,
};
use eval::coco::{self, CocoEvaluator, CocoReport, Detection, PredictionWriter};
use heads::ssdlite::{Detections, GroundTruth, Predictions, SsdLite, SsdLiteConfig};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Tensor, nn};

use super::{Data, Loss, RenderOptions, Report, Scorer, Task};
use crate::config::{Config, DetectionSource, ImageSize, Keys};
use crate::console::Table;
use crate::failure::Failure;
use crate::run_folder::write_whole;

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
        let truth = truth(data.samples.set()).map_err(Failure::failed)?;
        let mut writer = None;
        if let Some(folder) = folder {
            truth.write(folder.join("ground_truth.json")).map_err(Failure::failed)?;
            writer = Some(PredictionWriter::create(folder.join("predictions.json")).map_err(Failure::failed)?);
        }
        Ok(DetectScorer { evaluator: CocoEvaluator::new(truth).map_err(Failure::failed)?, writer })
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

/// Counts detections as COCO does.
pub struct DetectScorer {
    evaluator: CocoEvaluator,
    writer: Option<PredictionWriter>,
}

impl Scorer<Detect> for DetectScorer {
    type Report = CocoReport;

    fn add(
        &mut self,
        task: &Detect,
        model: &Detector,
        output: &Predictions,
        batch: &[DetectionSample],
    ) -> Result<(), Failure> {
        for (found, sample) in model.head.detect(output).map_err(Failure::failed)?.iter().zip(batch) {
            let detections: Vec<Detection> = task
                .in_original_pixels(found, sample)
                .map(|found| Detection {
                    category_id: task.classes[found.class].id,
                    bbox: found.bbox,
                    score: f64::from(found.score),
                })
                .collect();
            self.evaluator.add(sample.image_id, &detections).map_err(Failure::failed)?;
            if let Some(writer) = &mut self.writer {
                writer.add(sample.image_id, &detections).map_err(Failure::failed)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<CocoReport, Failure> {
        if let Some(writer) = self.writer {
            writer.finish().map_err(Failure::failed)?;
        }
        self.evaluator.finish().map_err(Failure::failed)
    }
}

impl Report for CocoReport {
    fn headline(&self) -> (&'static str, f64) {
        ("ap", self.ap())
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ap", self.ap()),
            ("ap50", self.ap50()),
            ("ap75", self.ap75()),
            ("ap_small", self.ap_small()),
            ("ap_medium", self.ap_medium()),
            ("ap_large", self.ap_large()),
            ("ar100", self.ar_100()),
        ]
    }

    fn tables(&self) -> Vec<Table> {
        let number = |value: f64| if value < 0.0 { "-".to_owned() } else { format!("{value:.3}") };
        let mut twelve = Table::new(self.rule.clone(), &["metric", "value"]);
        twelve.rows = self.rows().map(|row| vec![row.label.to_owned(), number(row.value)]).collect();
        let mut classes = Table::new("", &["class", "objects", "AP", "AP50", "AP75", "AR100"]);
        for class in &self.per_class {
            let cell = |value: Option<f64>| value.map_or("-".to_owned(), number);
            classes.rows.push(vec![
                class.name.clone(),
                class.objects.to_string(),
                cell(class.ap),
                cell(class.ap50),
                cell(class.ap75),
                cell(class.ar100),
            ]);
        }
        vec![twelve, classes]
    }
}

fn read(
    config: &Config<DetectKeys>,
    source: &DetectionSource,
    classes: Option<&[Class]>,
) -> Result<DetectionSet, Failure> {
    let root = &config.data.root;
    if let Some(missing) = source.missing(root) {
        return Err(missing_data(root, source, &missing));
    }
    match source {
        DetectionSource::Coco { images, annotations } => {
            datasets::coco::read(&root.join(images), &root.join(annotations)).map_err(Failure::failed)
        }
        DetectionSource::Voc { split, folder, classes: named, .. } => {
            let known: Option<Vec<String>> = classes
                .map(|classes| classes.iter().map(|class| class.name.clone()).collect())
                .or_else(|| named.clone());
            let known = known.as_deref().map_or(voc::Classes::Collected, voc::Classes::Given);
            voc::read(&root.join(folder), split, known).map_err(Failure::failed)
        }
    }
}

fn missing_data(root: &Path, source: &DetectionSource, missing: &Path) -> Failure {
    let layout = match source {
        DetectionSource::Coco { images, annotations } => format!(
            "Put COCO there so that {} and {} exist (from COCO 2017: the archives train2017, val2017 and \
             annotations_trainval2017), or name another place with --set data.root=FOLDER",
            root.join(images).display(),
            root.join(annotations).display()
        ),
        DetectionSource::Voc { folder, .. } => format!(
            "Put a VOC devkit there so that {} holds JPEGImages, Annotations and ImageSets/Main, or name another place \
             with --set data.root=FOLDER",
            root.join(folder).display()
        ),
    };
    Failure::failed(format!("the data is not there: {} does not exist", missing.display()))
        .hint(format!("{layout}; `make demo` shows everything working without a data set."))
}

fn sentences(set: &DetectionSet) -> Vec<String> {
    set.findings.to_string().lines().map(str::to_owned).collect()
}

fn names(classes: &[Class]) -> String {
    classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What the evaluator counts against; an object marked difficult counts as a crowd does, so that finding it is neither
/// right nor wrong.
fn truth(set: &DetectionSet) -> Result<coco::GroundTruth, eval::Error> {
    let images = set.records.iter().map(|record| coco::Image {
        id: record.image_id,
        width: record.width,
        height: record.height,
        file_name: record.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    });
    let categories = set.classes.iter().map(|class| coco::Category { id: class.id, name: class.name.clone() });
    let annotations = set.records.iter().flat_map(|record| {
        record.objects.iter().map(|object| coco::Annotation {
            image_id: record.image_id,
            category_id: set.classes[object.class].id,
            bbox: object.bbox,
            area: object.area,
            crowd: object.crowd || object.difficult,
        })
    });
    coco::GroundTruth::from_parts(images.collect(), categories.collect(), annotations.collect())
}
