//! Pixels counted in one confusion matrix.

use datasets::mask::{Mask, voc_palette};
use datasets::segmentation::{SegmentationSample, SegmentationSet};
use eval::segmentation::{SegmentationEvaluator, SegmentationOptions, SegmentationReport};
use std::path::{Path, PathBuf};

use super::Segment;
use crate::console::Table;
use crate::failure::Failure;
use crate::run_folder::write_whole;
use crate::task::{CONFUSED, Report, Scorer, provenance};

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
        let evaluator = SegmentationEvaluator::new(names, Some(set.ignore), options).map_err(Failure::failed)?;
        let folders = folder.map(|folder| ["predictions", "ground_truth"].map(|name| folder.join(name)));
        for folder in folders.iter().flatten() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
        }
        Ok(Self { evaluator, folders, palette: voc_palette() })
    }

    fn write(&self, folder: &Path, id: &str, mask: &Mask) -> Result<(), Failure> {
        let bytes = mask.encode(&self.palette).map_err(Failure::failed)?;
        write_whole(&folder.join(format!("{}.png", id.replace(['/', '\\'], "_"))), &bytes)
    }
}

impl Scorer<Segment> for SegmentScorer {
    type Report = SegmentationReport;

    fn add(&mut self, _: &Segment, predictions: &[Mask], batch: &[SegmentationSample]) -> Result<(), Failure> {
        for (predicted, sample) in predictions.iter().zip(batch) {
            let size = [sample.mask.height, sample.mask.width];
            self.evaluator.add(&sample.id, &predicted.data, &sample.mask.data, size).map_err(Failure::failed)?;
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

impl Report for SegmentationReport {
    const HEADLINE: &'static str = "miou";

    fn headline(&self) -> f64 {
        self.mean_iou.unwrap_or(0.0)
    }

    fn scalars(&self) -> Vec<(&'static str, f64)> {
        let known = [
            ("miou", self.mean_iou),
            ("pixel_accuracy", self.pixel_accuracy),
            ("mean_accuracy", self.mean_accuracy),
            ("boundary_f", self.boundary.as_ref().and_then(|boundary| boundary.f_score)),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn tables(&self) -> Vec<Table> {
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let mut summary = Table::new(provenance(&self.rule, &self.comparable), &["metric", "value"]);
        let boundary = self.boundary.iter().map(|boundary| ("boundary F-score", boundary.f_score));
        let rows = [
            ("mean IoU", self.mean_iou),
            ("pixel accuracy", self.pixel_accuracy),
            ("mean accuracy of the classes", self.mean_accuracy),
            ("frequency-weighted IoU", self.frequency_weighted_iou),
            ("mean Dice", self.mean_dice),
        ];
        summary.rows.push(vec!["images".to_owned(), self.images.to_string()]);
        summary.rows.extend(rows.into_iter().chain(boundary).map(|(name, value)| vec![name.to_owned(), cell(value)]));
        let mut classes = Table::new("", &["class", "pixels", "IoU", "accuracy", "precision"]);
        classes.rows.extend(self.per_class.iter().map(|class| {
            let numbers = [class.iou, class.accuracy, class.precision].map(cell);
            [vec![class.name.clone(), class.pixels.to_string()], numbers.to_vec()].concat()
        }));
        vec![summary, classes]
    }
    fn figures(&self) -> Vec<(&'static str, String)> {
        vec![("confusion", self.confusion_map(CONFUSED).svg())]
    }
}
