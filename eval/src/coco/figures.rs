//! What an analysis found, drawn.

use std::cmp::Reverse;

use super::analysis::{AnalysisReport, ClassAnalysis};
use crate::plot::{Axis, HeatMap, Line, LineChart};

impl AnalysisReport {
    /// Precision over recall at IoU .50: the mean over all classes with objects, then the curves of the `most` classes with
    /// the most objects, of equal ones the first.
    pub fn precision_recall_chart(&self, most: usize) -> LineChart {
        let mut classes: Vec<&ClassAnalysis> = self.per_class.iter().filter(|class| class.objects > 0).collect();
        classes.sort_by_key(|class| Reverse(class.objects));
        let named = |name: &str, ap50: f64| format!("{name} (AP50 {ap50:.3})");
        let mut lines = Vec::new();
        if let Some(first) = classes.first() {
            let count = classes.len() as f64;
            let mean =
                |place: usize| classes.iter().filter_map(|class| class.precision.get(place)).sum::<f64>() / count;
            let points: Vec<[f64; 2]> =
                first.recalls().enumerate().map(|(place, recall)| [recall, mean(place)]).collect();
            let ap50 = points.iter().map(|point| point[1]).sum::<f64>() / points.len() as f64;
            lines.push(Line { name: named(&format!("mean of {} classes", classes.len()), ap50), points });
        }
        lines.extend(classes.into_iter().take(most).map(|class| Line {
            name: named(&class.name, class.ap50().unwrap_or(f64::NAN)),
            points: class.recalls().zip(&class.precision).map(|(recall, &precision)| [recall, precision]).collect(),
        }));
        LineChart {
            title: "Precision and recall at IoU 0.5".to_owned(),
            x: Axis::linear("recall").showing(0.0, 1.0),
            y: Axis::linear("precision").showing(0.0, 1.0),
            lines,
        }
    }

    /// Which class was taken for which or for background, as [`HeatMap::of_confusions`].
    pub fn confusion_map(&self, most: usize) -> HeatMap {
        let confusion = &self.confusion;
        let mut map =
            HeatMap::of_confusions("Confusions, with background", &confusion.matrix, &confusion.classes, most);
        map.notes.push("The row of background: shares of the detections that met no object.".to_owned());
        map.notes.push(format!("Counted {}.", confusion.rule));
        map
    }
}

impl ClassAnalysis {
    /// The recall of each point of the curve.
    pub(super) fn recalls(&self) -> impl Iterator<Item = f64> + use<> {
        let points = self.precision.len();
        (0..points).map(move |place| place as f64 / (points - 1).max(1) as f64)
    }
}
