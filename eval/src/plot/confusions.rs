//! A confusion matrix as a heat map.

use std::cmp::Reverse;

use super::heat_map::HeatMap;
use crate::confusion::ConfusionMatrix;

impl HeatMap {
    /// Which class was taken for which, in shares of all that is truly of a class: rows the truth, columns the prediction.
    ///
    /// Of more than `most` classes those with the most confusions are shown, as truth or as prediction, in the order of
    /// the classes; shares are of all cases of a class nevertheless. A class that never occurs has a row without values.
    pub fn of_confusions(
        title: impl Into<String>,
        matrix: &ConfusionMatrix,
        class_names: &[String],
        most: usize,
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
        shown.truncate(most);
        shown.sort_unstable();
        let share = |truth: usize, predicted: usize| match totals[truth] {
            0 => f64::NAN,
            total => matrix.get(truth, predicted) as f64 / total as f64,
        };
        let names: Vec<String> = shown.iter().map(|&class| class_names[class].clone()).collect();
        let mut notes = vec!["Shares of all that is truly of a class.".to_owned()];
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
}
