//! A confusion matrix as a heat map.

use std::cmp::Reverse;

use eval::ConfusionMatrix;
use eval::coco::ConfusionReport;

use super::heat_map::HeatMap;

impl HeatMap {
    /// Confusions as shares of the true class: rows are the truth, columns the prediction.
    ///
    /// Of more than `limit` classes those with the most confusions are shown, as truth or as prediction, in the order of
    /// the classes; shares are always of all cases of a class. A class that never occurs has a row without values.
    pub fn of_confusions(
        title: impl Into<String>,
        matrix: &ConfusionMatrix,
        class_names: &[String],
        limit: usize,
    ) -> HeatMap {
        let mut totals = vec![0; class_names.len()];
        let mut confusions = vec![0; class_names.len()];
        for (truth, predicted, count) in matrix.cells() {
            let count_at = |counts: &mut Vec<u64>, class: usize| {
                if let Some(counted) = counts.get_mut(class) {
                    *counted += count;
                }
            };
            count_at(&mut totals, truth);
            if truth != predicted {
                count_at(&mut confusions, truth);
                count_at(&mut confusions, predicted);
            }
        }
        let mut shown: Vec<usize> = (0..class_names.len()).collect();
        shown.sort_by_key(|&class| (Reverse(confusions[class]), class));
        shown.truncate(limit);
        shown.sort_unstable();
        let share = |truth: usize, predicted: usize| match totals[truth] {
            0 => f64::NAN,
            total => matrix.get(truth, predicted) as f64 / total as f64,
        };
        let names: Vec<String> = shown.iter().map(|&class| class_names[class].clone()).collect();
        let mut notes = vec!["Shares of the true class.".to_owned()];
        if shown.len() < class_names.len() {
            let (shown, all) = (shown.len(), class_names.len());
            notes.push(format!("The {shown} classes with the most confusions of {all}."));
        }
        HeatMap {
            title: title.into(),
            row_axis: "truth".to_owned(),
            column_axis: "prediction".to_owned(),
            rows: names.clone(),
            columns: names,
            values: shown
                .iter()
                .map(|&truth| shown.iter().map(|&predicted| share(truth, predicted)).collect())
                .collect(),
            range: Some([0.0, 1.0]),
            notes,
        }
    }

    /// Confusions of a detector, with background as the last class.
    pub fn of_background_confusions(confusion: &ConfusionReport, limit: usize) -> HeatMap {
        let title = "Confusions, with background";
        let mut map = HeatMap::of_confusions(title, &confusion.matrix, &confusion.classes, limit);
        map.notes.push("The row of background: shares of the detections without an object.".to_owned());
        map.notes.push(format!("Counted {}.", confusion.rule));
        map
    }
}
