//! True boxes, and SSD's two losses.

use datasets::{DetectionDataset, DetectionSample, DetectionSet, SampleRng};
use heads::ssdlite::{GroundTruth, Predictions};
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;

use super::{Detect, DetectKeys, Detector};
use crate::config::Config;
use crate::failure::Failure;
use crate::task::{Loss, Train};

impl Train for Detect {
    type Targets = Vec<GroundTruth>;

    fn file(sample: &DetectionSample) -> &Path {
        &sample.path
    }

    fn training_samples(config: &Config<DetectKeys>, set: DetectionSet) -> Result<DetectionDataset, Failure> {
        let (size, augment) = (config.data.size.into(), config.data.augment.clone());
        Ok(DetectionDataset::for_training(Arc::new(set), size, augment, config.data.targets, config.pixels())?)
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
        let losses = model.head.loss(output, truth)?;
        let weight = || Tensor::from(losses.positives as f64);
        Ok(vec![
            Loss { name: "classification", value: losses.classification, weight: weight() },
            Loss { name: "localization", value: losses.localization, weight: weight() },
        ])
    }
}
