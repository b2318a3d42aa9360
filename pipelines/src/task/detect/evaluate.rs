//! Detections in the pixels of the image file, as rows and drawn.

use datasets::{DetectionDataset, DetectionSample, DetectionSet, Image, Size, draw};
use heads::ssdlite::{Detections, Predictions};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

use super::pairing::DetectPairing;
use super::{Detect, DetectKeys, DetectScorer, Detector};
use crate::config::Config;
use crate::failure::Failure;
use crate::report::ImagePredictions;
use crate::report::page::{Mark, Picture, Shape};
use crate::task::evaluate::write_picture;
use crate::task::{Data, Evaluate, RenderOptions};

impl Evaluate for Detect {
    /// In pixels of the network's input.
    type Prediction = Detections;
    type Scorer = DetectScorer;
    type Pairing = DetectPairing;

    const COLUMNS: &'static [&'static str] = &["id", "name", "score", "x", "y", "width", "height"];

    fn validation_samples(config: &Config<DetectKeys>, set: DetectionSet) -> Result<DetectionDataset, Failure> {
        Ok(DetectionDataset::for_evaluation(Arc::new(set), config.data.size.into(), config.pixels())?)
    }

    fn predictions(
        &self,
        model: &Detector,
        output: &Predictions,
        _: &[DetectionSample],
    ) -> Result<Vec<Detections>, Failure> {
        model.head.detect(output).map_err(Failure::failed)
    }

    fn scorer(&self, data: &Data<DetectionDataset>, folder: Option<&Path>) -> Result<DetectScorer, Failure> {
        DetectScorer::new(data.samples.set(), folder)
    }

    fn pairing(&self, data: &Data<DetectionDataset>) -> Result<DetectPairing, Failure> {
        DetectPairing::new(data.samples.set())
    }

    fn classes_in(sample: &DetectionSample) -> Vec<usize> {
        sample.labels.clone()
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
        detections: &Detections,
        sample: &DetectionSample,
        picture: &Image,
        options: &RenderOptions,
    ) -> Result<ImagePredictions, Failure> {
        let shown: Vec<Detection> = self
            .in_original_pixels(detections, sample)
            .filter(|detection| f64::from(detection.score) >= options.threshold)
            .collect();
        let mut drawn = None;
        if let Some(place) = &options.picture {
            let labels: Vec<draw::Label> = shown
                .iter()
                .map(|Detection { bbox, score, class }| draw::Label {
                    bbox: *bbox,
                    text: format!("{} {score:.2}", self.classes[*class].name),
                    class: *class,
                })
                .collect();
            let mut image = picture.to_rgb_for_view();
            draw::boxes(&mut image, &labels).map_err(Failure::failed)?;
            drawn = Some(write_picture(place, &image)?);
        }
        let row = |detection: &Detection| {
            let class = &self.classes[detection.class];
            let numbers = std::iter::once(f64::from(detection.score)).chain(detection.bbox);
            [json!(class.id), json!(class.name)].into_iter().chain(numbers.map(|number| json!(number))).collect()
        };
        Ok(ImagePredictions { picture: drawn, mask: None, rows: shown.iter().map(row).collect() })
    }

    fn truth(&self, sample: &DetectionSample, size: Size) -> Result<Picture, Failure> {
        let mut picture = Picture::of(&sample.image, size)?;
        let objects = sample.boxes.iter().zip(&sample.labels);
        picture.truth = objects.map(|(corners, &class)| self.mark((class, None), corners, sample, &picture)).collect();
        Ok(picture)
    }

    fn picture(&self, detections: &Detections, sample: &DetectionSample) -> Result<Picture, Failure> {
        let mut picture = self.truth(sample, sample.original)?;
        let Detections { boxes, scores, labels } = detections;
        let found = boxes.iter().zip(scores).zip(labels).filter(|((_, score), _)| **score >= LEAST_SHOWN);
        picture.prediction = found
            .take(MOST_SHOWN)
            .map(|((corners, &score), &label)| self.mark((label as usize - 1, Some(score)), corners, sample, &picture))
            .collect();
        Ok(picture)
    }
}

/// Detections below this score, and beyond this number, are not on small pictures.
const LEAST_SHOWN: f32 = 0.05;
const MOST_SHOWN: usize = 100;

/// A detection in the pixels of the image file.
pub(super) struct Detection {
    /// `[x, y, width, height]`.
    pub bbox: [f64; 4],
    pub score: f32,
    /// The index of the class.
    pub class: usize,
}

impl Detect {
    /// A box of a sample on a picture of it.
    fn mark(
        &self,
        (class, score): (usize, Option<f32>),
        corners: &[f32; 4],
        sample: &DetectionSample,
        picture: &Picture,
    ) -> Mark {
        let Size { width, height } = sample.image.size();
        let (sx, sy) = (picture.width as f64 / width as f64, picture.height as f64 / height as f64);
        let [x0, y0, x1, y1] = corners.map(f64::from);
        let place = Shape::Box([x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy]);
        Mark::new(class, &self.classes[class].name, score.map(f64::from), place)
    }

    /// The detections in the pixels of the image file.
    pub(super) fn in_original_pixels<'a>(
        &'a self,
        detections: &'a Detections,
        sample: &'a DetectionSample,
    ) -> impl Iterator<Item = Detection> + 'a {
        let Size { width, height } = sample.original;
        let (sx, sy) = (width as f64 / self.size.width as f64, height as f64 / self.size.height as f64);
        let Detections { boxes, scores, labels } = detections;
        boxes.iter().zip(scores).zip(labels).map(move |((corners, score), label)| {
            let [x0, y0, x1, y1] = corners.map(f64::from);
            Detection {
                bbox: [x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy],
                score: *score,
                class: *label as usize - 1,
            }
        })
    }
}
