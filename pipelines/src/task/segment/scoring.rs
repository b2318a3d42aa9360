//! Pixels counted in one confusion matrix.

use datasets::mask::{Mask, voc_palette};
use datasets::segmentation::{SegmentationSample, SegmentationSet};
use eval::segmentation::{
    SegmentationEvaluator, SegmentationInterval, SegmentationOptions, SegmentationReport, image_iou,
};
use std::path::{Path, PathBuf};

use super::Segment;
use crate::failure::Failure;
use crate::files;
use crate::report::page::Insight;
use crate::task::Scorer;
use crate::task::evaluate::INTERVAL;

/// Counts the pixels of masks.
pub struct SegmentScorer {
    evaluator: SegmentationEvaluator,
    ignore: u8,
    kept: Option<Kept>,
    palette: Vec<u8>,
}

/// What is done with masks that are kept.
struct Kept {
    /// Where predicted masks and true ones are written.
    folders: [PathBuf; 2],
    interval: SegmentationInterval,
}

impl SegmentScorer {
    /// A scorer of the images of `set`, which writes masks into `folder`, predicted and true ones, where one is given.
    pub(super) fn new(
        set: &SegmentationSet,
        options: SegmentationOptions,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = set.classes.iter().map(|class| class.name.clone()).collect();
        let kept = |folder: &Path| -> Result<Kept, Failure> {
            let folders = ["predictions", "ground_truth"].map(|name| folder.join(name));
            folders.iter().try_for_each(|folder| files::create_folder(folder))?;
            Ok(Kept { folders, interval: SegmentationInterval::new(names.len(), Some(set.ignore)) })
        };
        let kept = folder.map(kept).transpose()?;
        let evaluator = SegmentationEvaluator::new(names, Some(set.ignore), options)?;
        Ok(Self { evaluator, ignore: set.ignore, kept, palette: voc_palette() })
    }

    fn write(&self, folder: &Path, id: &str, mask: &Mask) -> Result<(), Failure> {
        let bytes = mask.encode(&self.palette).map_err(Failure::failed)?;
        Ok(files::write(&folder.join(format!("{}.png", id.replace(['/', '\\'], "_"))), &bytes)?)
    }
}

/// An image's name, and its masks, predicted and true.
type Compared = (String, [Mask; 2]);

impl Scorer<Segment> for SegmentScorer {
    type Report = SegmentationReport;
    type Result = Compared;

    const UNREADABLE: &'static str = "they are left out of the score";
    const QUALITY: &'static str = "Images are ranked by mean IoU over the classes in truth or prediction of the image";

    fn result(&self, _: &Segment, predicted: Mask, sample: &SegmentationSample) -> Result<Compared, Failure> {
        Ok((sample.id.clone(), [predicted, sample.mask.clone()]))
    }

    fn add(&mut self, (id, [predicted, truth]): Compared) -> Result<(), Failure> {
        self.evaluator.add(&id, &predicted.data, &truth.data, [truth.height, truth.width])?;
        if let Some(Kept { folders, .. }) = &self.kept {
            for (folder, mask) in folders.iter().zip([&predicted, &truth]) {
                self.write(folder, &id, mask)?;
            }
        }
        if let Some(Kept { interval, .. }) = &mut self.kept {
            interval.add(&predicted.data, &truth.data);
        }
        Ok(())
    }

    fn quality(&self, (_, [predicted, truth]): &Compared) -> Result<Option<f64>, Failure> {
        Ok(image_iou(&predicted.data, &truth.data, Some(self.ignore)))
    }

    fn finish(self) -> Result<(SegmentationReport, Insight), Failure> {
        let interval = self.kept.map(|kept| kept.interval.finish(INTERVAL)).transpose()?;
        Ok((self.evaluator.finish(), Insight { interval, ignored: Some(self.ignore), ..Insight::default() }))
    }
}
