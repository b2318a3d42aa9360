//! Segmentation: IoU, Dice and boundary F-score.

use eval::segmentation::SegmentationReport;

use super::plot::ConfusionMap;
use super::{MAX_CONFUSION_CLASSES, Report, Tables, cell, provenance};
use crate::console::Table;
use crate::failure::Failure;

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

    fn figures(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        let names: Vec<String> = self.per_class.iter().map(|class| class.name.clone()).collect();
        let map = ConfusionMap::new("Confusions, in pixels", &self.confusion, &names, MAX_CONFUSION_CLASSES);
        Ok(vec![("confusion", map.svg()?)])
    }
}

impl Tables for SegmentationReport {
    fn tables(&self) -> Vec<Table> {
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
}
