//! Two segmenters on the same images.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::evaluator::SegmentationEvaluator;
use super::folders::{pairs, read_pair};
use super::options::SegmentationOptions;
use crate::Error;
use crate::bootstrap::{BootstrapOptions, Comparison, compare};
use crate::confusion::Totals;
use crate::exact_sum::{mean, ratio};

const RULE: &str =
    "mIoU from pixels of all images in one matrix, paired bootstrap over images, intervals of percentiles";

/// Compares two sets of label images in mIoU: new, add for each image, finish.
///
/// What is kept of an image is 32 bytes for each class that it shows in truth or prediction, for either set; a resample
/// costs a pass over them.
pub struct SegmentationComparison {
    empty: SegmentationEvaluator,
    options: BootstrapOptions,
    images: Vec<[Shown; 2]>,
}

/// The classes that an image shows, each with its pixels.
type Shown = Vec<(u8, Totals)>;

impl SegmentationComparison {
    /// A comparison that has seen nothing; the classes in the order of their labels, from 0.
    ///
    /// # Errors
    /// No class or more than 256, two of one name, options outside their range.
    pub fn new(
        class_names: impl IntoIterator<Item = impl Into<String>>,
        ignore: Option<u8>,
        options: BootstrapOptions,
    ) -> Result<SegmentationComparison, Error> {
        options.validate()?;
        let empty = SegmentationEvaluator::new(class_names, ignore, SegmentationOptions::default())?;
        Ok(SegmentationComparison { empty, options, images: Vec::new() })
    }

    /// Adds an image: labels predicted by A, by B and true ones, all [H, W], and `[H, W]` itself.
    ///
    /// # Errors
    /// As [`SegmentationEvaluator::add`], with the set. The comparison is then as it was.
    pub fn add(&mut self, image: &str, a: &[u8], b: &[u8], truth: &[u8], size: [usize; 2]) -> Result<(), Error> {
        let shown = |set, predicted: &[u8]| {
            let mut evaluator = self.empty.clone();
            evaluator.add(image, predicted, truth, size).map_err(|error| error.in_set(set))?;
            Ok::<_, Error>(shown(&evaluator))
        };
        let image = [shown('A', a)?, shown('B', b)?];
        self.images.push(image);
        Ok(())
    }

    /// The comparison of everything added.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> Result<Comparison, Error> {
        let classes = self.empty.names.len();
        compare(RULE.to_owned(), self.images.len(), self.options, &["mIoU"], |weights| {
            vec![[0, 1].map(|set| {
                let mut totals = vec![Totals::default(); classes];
                for (&weight, image) in weights.iter().zip(&self.images) {
                    for &(class, shown) in &image[set] {
                        totals[usize::from(class)].add(shown, u64::from(weight));
                    }
                }
                mean(totals.iter().filter_map(|totals| ratio(totals.correct, totals.union())))
            })]
        })
    }
}

fn shown(evaluator: &SegmentationEvaluator) -> Shown {
    let totals = evaluator.confusion().totals(evaluator.names.len());
    (0..=u8::MAX).zip(totals).filter(|(_, totals)| totals.union() > 0).collect()
}

/// Compares two folders of predicted label images on a folder of true ones, as
/// [`score_folders`](super::score_folders) reads them, on all of rayon's threads.
///
/// # Errors
/// As [`score_folders`](super::score_folders) for either folder; options outside their range.
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
        read_pair(&mut evaluator, truth, prediction).map(|()| shown(&evaluator))
    };
    let images = pairs.par_iter().map(|(a, b)| Ok([read(a)?, read(b)?])).collect::<Result<_, Error>>()?;
    comparison.images = images;
    comparison.finish()
}
