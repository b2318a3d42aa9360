//! The curves of a detector's analysis.

use std::cmp::Reverse;

use eval::coco::{AnalysisReport, ClassAnalysis};

use super::axis::Axis;
use super::line_chart::{Line, LineChart};

impl LineChart {
    /// Precision over recall at IoU .50: the mean over all classes with objects, then the curves of the `limit` classes with
    /// the most objects, of equal ones the first.
    pub fn of_precision_and_recall(report: &AnalysisReport, limit: usize) -> Self {
        let mut classes: Vec<&ClassAnalysis> = report.per_class.iter().filter(|class| class.objects > 0).collect();
        classes.sort_by_key(|class| Reverse(class.objects));
        let named = |name: &str, ap50: f64| format!("{name} (AP50 {ap50:.3})");
        let mut lines = Vec::new();
        if let Some(first) = classes.first() {
            let count = classes.len() as f64;
            let mean =
                |index: usize| classes.iter().filter_map(|class| class.precision.get(index)).sum::<f64>() / count;
            let points: Vec<[f64; 2]> =
                first.recalls().enumerate().map(|(index, recall)| [recall, mean(index)]).collect();
            let ap50 = points.iter().map(|point| point[1]).sum::<f64>() / points.len() as f64;
            lines.push(Line { name: named(&format!("mean of {} classes", classes.len()), ap50), points });
        }
        lines.extend(classes.into_iter().take(limit).map(|class| Line {
            name: named(&class.name, class.ap50().unwrap_or(f64::NAN)),
            points: class.recalls().zip(&class.precision).map(|(recall, &precision)| [recall, precision]).collect(),
        }));
        Self {
            title: "Precision and recall at IoU 0.5".to_owned(),
            x: Axis::linear("recall").showing(0.0, 1.0),
            y: Axis::linear("precision").showing(0.0, 1.0),
            lines,
        }
    }
}
