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

/// An image's name, and its masks, predicted and true.
type Compared = (String, [Mask; 2]);

impl Scorer<Segment> for SegmentScorer {
    type Report = SegmentationReport;
    type Result = Compared;

    const UNREADABLE: &'static str = "they are left out of the score";

    fn result(&self, _: &Segment, predicted: Mask, sample: &SegmentationSample) -> Result<Compared, Failure> {
        Ok((sample.id.clone(), [predicted, sample.mask.clone()]))
    }

    fn add(&mut self, (id, [predicted, truth]): Compared) -> Result<(), Failure> {
        self.evaluator.add(&id, &predicted.data, &truth.data, [truth.height, truth.width])?;
        if let Some(folders) = &self.folders {
            for (folder, mask) in folders.iter().zip([&predicted, &truth]) {
                self.write(folder, &id, mask)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<SegmentationReport, Failure> {
        Ok(self.evaluator.finish())
    }
}
