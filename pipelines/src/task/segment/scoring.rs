//! Pixels counted in one confusion matrix.

use datasets::mask::{Mask, voc_palette};
use datasets::segmentation::{SegmentationSample, SegmentationSet};
use eval::segmentation::{SegmentationEvaluator, SegmentationOptions, SegmentationReport};
use std::path::{Path, PathBuf};

use super::Segment;
use crate::failure::Failure;
use crate::files;
use crate::task::Scorer;

/// Counts the pixels of masks.
pub struct SegmentScorer {
    evaluator: SegmentationEvaluator,
    /// Where predicted masks and true ones are written.
    folders: Option<[PathBuf; 2]>,
    palette: Vec<u8>,
}

impl SegmentScorer {
    /// A scorer of the images of `set`, which writes masks into `folder`, predicted and true ones, where one is given.
    pub(super) fn new(
        set: &SegmentationSet,
        options: SegmentationOptions,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = set.classes.iter().map(|class| class.name.clone()).collect();
        let evaluator = SegmentationEvaluator::new(names, Some(set.ignore), options)?;
        let folders = folder.map(|folder| ["predictions", "ground_truth"].map(|name| folder.join(name)));
        for folder in folders.iter().flatten() {
            files::create_folder(folder)?;
        }
        Ok(Self { evaluator, folders, palette: voc_palette() })
    }

    fn write(&self, folder: &Path, id: &str, mask: &Mask) -> Result<(), Failure> {
        let bytes = mask.encode(&self.palette).map_err(Failure::failed)?;
        files::write(&folder.join(format!("{}.png", id.replace(['/', '\\'], "_"))), &bytes)
    }
}

impl Scorer<Segment> for SegmentScorer {
    type Report = SegmentationReport;

    const UNREADABLE: &'static str = "they are left out of the score";

    fn add(&mut self, _: &Segment, predictions: &[Mask], batch: &[SegmentationSample]) -> Result<(), Failure> {
        for (predicted, sample) in predictions.iter().zip(batch) {
            let size = [sample.mask.height, sample.mask.width];
            self.evaluator.add(&sample.id, &predicted.data, &sample.mask.data, size)?;
            if let Some([predictions, truth]) = &self.folders {
                self.write(predictions, &sample.id, predicted)?;
                self.write(truth, &sample.id, &sample.mask)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<SegmentationReport, Failure> {
        Ok(self.evaluator.finish())
    }
}
