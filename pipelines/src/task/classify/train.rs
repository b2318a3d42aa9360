//! Labels, or mixed distributions, and the cross entropy.

use datasets::classification::{ClassificationDataset, ClassificationSample, ClassificationSet, Mix};
use datasets::{SampleRng, Size};
use heads::classifier::{Targets, mixed_targets};
use std::path::Path;
use std::sync::Arc;
use tch::{Kind, Tensor};

use super::{Classify, ClassifyKeys, ImageClassifier};
use crate::config::Config;
use crate::failure::Failure;
use crate::task::{Loss, Train};

impl Train for Classify {
    type Targets = Targets;

    fn file(sample: &ClassificationSample) -> &Path {
        &sample.path
    }

    fn training_samples(
        config: &Config<ClassifyKeys>,
        set: ClassificationSet,
    ) -> Result<ClassificationDataset, Failure> {
        let (size, augment) = (config.data.size.into(), config.data.augment.clone());
        Ok(ClassificationDataset::for_training(Arc::new(set), size, augment, config.pixels())?)
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
        Ok((mixed(&images, &mix), Targets::Distributions(targets?)))
    }

    fn losses(&self, model: &ImageClassifier, logits: &Tensor, targets: &Targets) -> Result<Vec<Loss>, Failure> {
        let value = model.head.loss(logits, targets)?;
        Ok(vec![Loss { name: "cross_entropy", value, weight: model.head.loss_weight(targets)? }])
    }
}

/// Mixes the first image of a batch with the last, the second with the last but one, and so on, as timm pairs them.
fn mixed(images: &Tensor, mix: &Mix) -> Tensor {
    let partners = images.flip([0]);
    let Some(window) = mix.window else { return images * mix.lambda + partners * (1.0 - mix.lambda) };
    let [left, top, width, height] = [window.left, window.top, window.width, window.height].map(|side| side as i64);
    let inside = |tensor: &Tensor| tensor.narrow(2, top, height).narrow(3, left, width);
    let images = images.copy();
    inside(&images).copy_(&inside(&partners));
    images
}
