//! Segmentation: IoU, Dice and boundary F-score.

use eval::segmentation::SegmentationReport;

use super::plot::{BarChart, ConfusionMap, Figure};
use super::{MAX_CONFUSION_CLASSES, Report, Tables, cell, provenance};
use crate::console::Table;

impl Report for SegmentationReport {
    const HEADLINE: &'static str = "miou";
    const SCALARS: &'static [&'static str] = &["miou", "pixel_accuracy", "mean_accuracy", "boundary_f"];

    fn headline(&self) -> f64 {
        self.mean_iou.unwrap_or(0.0)
    }

    fn values(&self) -> Vec<Option<f64>> {
        let boundary_f = self.boundary.as_ref().and_then(|boundary| boundary.f_score);
        vec![self.mean_iou, self.pixel_accuracy, self.mean_accuracy, boundary_f]
    }

    fn by_class(&self) -> Vec<(String, Option<f64>)> {
        self.per_class.iter().map(|class| (class.name.clone(), class.iou)).collect()
    }

    fn figures(&self) -> Vec<(&'static str, Figure)> {
        let names: Vec<String> = self.per_class.iter().map(|class| class.name.clone()).collect();
        let map = ConfusionMap::new("Confusions, in pixels", &self.confusion, &names, MAX_CONFUSION_CLASSES);
        let bars = self.per_class.iter().map(|class| (class.name.clone(), class.iou.unwrap_or(f64::NAN)));
        let iou = BarChart { title: "IoU of each class".to_owned(), bars: bars.collect(), notes: Vec::new() };
        vec![("iou", Figure::Bars(iou)), ("confusion", Figure::Confusions(map))]
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
