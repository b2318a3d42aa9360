//! Logits as predictions, and the most probable classes of a picture.

use datasets::classification::{ClassificationDataset, ClassificationSample, ClassificationSet};
use datasets::{Class, Image, Size, draw};
use eval::classification::probabilities;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

use super::pairing::ClassifyPairing;
use super::{Classify, ClassifyKeys, ClassifyScorer, ImageClassifier, view};
use crate::config::Config;
use crate::failure::Failure;
use crate::report::ImagePredictions;
use crate::report::page::{Mark, Picture, Shape};
use crate::task::evaluate::write_picture;
use crate::task::{Data, Evaluate, RenderOptions};

impl Evaluate for Classify {
    /// A logit for each class.
    type Prediction = Vec<f32>;
    type Scorer = ClassifyScorer;
    type Pairing = ClassifyPairing;

    const COLUMNS: &'static [&'static str] = &["id", "name", "score"];

    fn validation_samples(
        config: &Config<ClassifyKeys>,
        set: ClassificationSet,
    ) -> Result<ClassificationDataset, Failure> {
        Ok(ClassificationDataset::for_evaluation(Arc::new(set), view(config)?, config.pixels())?)
    }

    fn predictions(
        &self,
        _: &ImageClassifier,
        logits: &Tensor,
        _: &[ClassificationSample],
    ) -> Result<Vec<Vec<f32>>, Failure> {
        Vec::<Vec<f32>>::try_from(logits.to_kind(Kind::Float).to(Device::Cpu)).map_err(Failure::failed)
    }

    fn scorer(&self, data: &Data<ClassificationDataset>, folder: Option<&Path>) -> Result<ClassifyScorer, Failure> {
        ClassifyScorer::new(data.samples.set(), &self.root, self.real_labels.as_deref(), folder)
    }

    fn pairing(&self, data: &Data<ClassificationDataset>) -> Result<ClassifyPairing, Failure> {
        ClassifyPairing::new(data.samples.set())
    }

    fn classes_in(sample: &ClassificationSample) -> Vec<usize> {
        vec![sample.class]
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
        let named = most_probable(logits).into_iter().map(|(class, score)| (&self.classes[class], score));
        let shown: Vec<(&Class, f64)> = named.filter(|(_, score)| *score >= options.threshold).collect();
        let picture = options.picture.as_ref().map(|place| drawn(place, picture, &shown)).transpose()?;
        let rows = shown.iter().map(|(class, score)| vec![json!(class.id), json!(class.name), json!(score)]).collect();
        Ok(ImagePredictions { picture, mask: None, rows })
    }

    fn truth(&self, sample: &ClassificationSample, size: Size) -> Result<Picture, Failure> {
        let mut picture = Picture::of(&sample.image, size)?;
        picture.truth = vec![Mark::new(sample.class, &self.classes[sample.class].name, None, Shape::Whole)];
        Ok(picture)
    }

    fn picture(&self, logits: &Vec<f32>, sample: &ClassificationSample) -> Result<Picture, Failure> {
        let mut picture = self.truth(sample, sample.image.size())?;
        let mark = |class: usize, score| Mark::new(class, &self.classes[class].name, score, Shape::Whole);
        picture.prediction = most_probable(logits).into_iter().map(|(class, score)| mark(class, Some(score))).collect();
        Ok(picture)
    }
}

/// The number of the most probable classes that a prediction lists.
const MAX_LISTED_CLASSES: usize = 5;

/// The most probable classes with their probabilities.
fn most_probable(logits: &[f32]) -> Vec<(usize, f64)> {
    let mut classes: Vec<(usize, f64)> = probabilities(logits).into_iter().enumerate().collect();
    classes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    classes.truncate(MAX_LISTED_CLASSES);
    classes
}

/// The picture with its most probable class written on it.
fn drawn(place: &Path, picture: &Image, shown: &[(&Class, f64)]) -> Result<PathBuf, Failure> {
    let mut image = picture.to_rgb_for_view();
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
