//! Two segmenters on the same images.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::evaluator::SegmentationEvaluator;
use super::folders::{pairs, read_pair};
use super::options::SegmentationOptions;
use crate::bootstrap::{BootstrapOptions, Comparison, MetricInterval, compare, interval};
use crate::confusion::Totals;
use crate::exact_sum::{mean, ratio};
use crate::{Error, Place};

const RULE: &str =
    "mIoU from pixels of all images in one matrix, paired bootstrap over images, intervals of percentiles";

/// Compares two sets of label images in mIoU: new, add for each image, finish.
///
/// Memory: 32 bytes for each class in truth or prediction of an image, for either set. Time: a resample is a pass over
/// them.
pub struct SegmentationComparison {
    empty: SegmentationEvaluator,
    options: BootstrapOptions,
    images: Vec<[ClassTotals; 2]>,
}

/// The classes in truth or prediction of an image, each with its pixels.
type ClassTotals = Vec<(u8, Totals)>;

impl SegmentationComparison {
    /// An empty comparison; the classes in the order of their labels, from 0.
    ///
    /// # Errors
    /// There are no classes or more than 256, two classes have one name, an option is outside its range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        ignore: Option<u8>,
        options: BootstrapOptions,
    ) -> Result<SegmentationComparison, Error> {
        options.validate()?;
        let empty = SegmentationEvaluator::new(class_names, ignore, SegmentationOptions::default())?;
        Ok(SegmentationComparison { empty, options, images: Vec::new() })
    }

    /// Adds an image of size `[H, W]`: labels predicted by A, by B and true ones, all [H, W].
    ///
    /// # Errors
    /// As [`SegmentationEvaluator::add`], with the set.
    pub fn add(&mut self, image: &str, a: &[u8], b: &[u8], truth: &[u8], size: [usize; 2]) -> Result<(), Error> {
        let totals = |set, predicted: &[u8]| {
            let mut evaluator = self.empty.clone();
            let added = evaluator.add(image, predicted, truth, size);
            added.map_err(|error| error.within(Place::PredictionSet(set))).map(|()| class_totals(&evaluator))
        };
        let image = [totals('A', a)?, totals('B', b)?];
        self.images.push(image);
        Ok(())
    }

    /// The comparison of everything added.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> Result<Comparison, Error> {
        let classes = self.empty.names().len();
        compare(RULE.to_owned(), self.images.len(), self.options, &["mIoU"], |weights| {
            let of_set = |set: usize| weights.iter().zip(self.images.iter().map(move |image| &image[set]));
            vec![[0, 1].map(|set| mean_iou(classes, of_set(set)))]
        })
    }
}

/// The mIoU of one set of label images, with its interval: new, add for each image, finish.
///
/// Memory and time: half of a [`SegmentationComparison`]'s.
pub struct SegmentationInterval {
    classes: usize,
    ignore: Option<u8>,
    images: Vec<ClassTotals>,
}

impl SegmentationInterval {
    /// An empty set of images with so many classes, at most 256; pixels whose true label is `ignore` are not counted.
    pub fn new(classes: usize, ignore: Option<u8>) -> SegmentationInterval {
        SegmentationInterval { classes, ignore, images: Vec::new() }
    }

    /// Adds an image that a [`SegmentationEvaluator`] takes: predicted and true labels, pixel by pixel.
    pub fn add(&mut self, predicted: &[u8], truth: &[u8]) {
        self.images.push(image_totals(predicted, truth, self.ignore));
    }

    /// The interval of everything added.
    ///
    /// # Errors
    /// An option is outside its range.
    pub fn finish(self, options: BootstrapOptions) -> Result<MetricInterval, Error> {
        let Self { classes, images, .. } = &self;
        interval("mIoU", images.len(), options, |weights| mean_iou(*classes, weights.iter().zip(images)))
    }
}

/// The IoU of an image alone, averaged over the classes in its truth or prediction; `None` where every pixel is ignored.
pub fn image_iou(predicted: &[u8], truth: &[u8], ignore: Option<u8>) -> Option<f64> {
    let totals = image_totals(predicted, truth, ignore);
    mean(totals.iter().filter_map(|(_, totals)| ratio(totals.correct, totals.union())))
}

/// The mean over the classes of images that count so many times each.
fn mean_iou<'a>(classes: usize, images: impl Iterator<Item = (&'a u32, &'a ClassTotals)>) -> Option<f64> {
    let mut totals = vec![Totals::default(); classes];
    for (&weight, image) in images {
        for &(class, pixels) in image {
            totals[usize::from(class)].add(pixels, u64::from(weight));
        }
    }
    mean(totals.iter().filter_map(|totals| ratio(totals.correct, totals.union())))
}

fn image_totals(predicted: &[u8], truth: &[u8], ignore: Option<u8>) -> ClassTotals {
    let mut totals = [Totals::default(); 256];
    for (&predicted, &truth) in predicted.iter().zip(truth).filter(|(_, truth)| Some(**truth) != ignore) {
        totals[usize::from(truth)].truth += 1;
        totals[usize::from(predicted)].predicted += 1;
        totals[usize::from(truth)].correct += u64::from(truth == predicted);
    }
    (0..=u8::MAX).zip(totals).filter(|(_, totals)| totals.union() > 0).collect()
}

fn class_totals(evaluator: &SegmentationEvaluator) -> ClassTotals {
    let totals = evaluator.confusion().totals(evaluator.names().len());
    (0..=u8::MAX).zip(totals).filter(|(_, totals)| totals.union() > 0).collect()
}

/// Compares two folders of predicted label images on a folder of true ones, as
/// [`score_folders`](super::score_folders) reads them, on all of rayon's threads.
///
/// # Errors
/// As [`score_folders`](super::score_folders) for either folder; an option outside its range.
pub fn compare_folders(
    truth: impl AsRef<Path>,
    a: impl AsRef<Path>,
    b: impl AsRef<Path>,
    class_names: impl IntoIterator<Item = impl Into<String>>,
    ignore: Option<u8>,
    options: BootstrapOptions,
) -> Result<Comparison, Error> {
    let mut comparison = SegmentationComparison::new(class_names, ignore, options)?;
    let [a, b] = [a.as_ref(), b.as_ref()].map(|folder| pairs(truth.as_ref(), folder));
    let pairs: Vec<_> = a?.into_iter().zip(b?).collect();
    let read = |(truth, prediction): &(PathBuf, PathBuf)| {
        let mut evaluator = comparison.empty.clone();
        read_pair(&mut evaluator, truth, prediction).map(|()| class_totals(&evaluator))
    };
    let images = pairs.par_iter().map(|(a, b)| Ok([read(a)?, read(b)?])).collect::<Result<_, Error>>()?;
    comparison.images = images;
    comparison.finish()
}
