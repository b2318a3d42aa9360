//! The curves of a detector's analysis.

use std::cmp::Reverse;

use eval::coco::{AnalysisReport, ClassAnalysis};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::figure::{Area, COLORS, Drawn, PIXEL, Place};
use super::frame::{Frame, SWATCH};
use crate::failure::Failure;

/// Precision over recall at IoU .50.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionRecall {
    /// The curves.
    pub curves: Vec<Curve>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// `[recall, precision]` of its points, in the order in which they are joined.
    pub points: Vec<[f64; 2]>,
}

impl PrecisionRecall {
    /// The mean over all classes with objects, then the curves of the `limit` classes with the most objects, of equal ones
    /// the first.
    pub fn new(report: &AnalysisReport, limit: usize) -> Self {
        let mut classes: Vec<&ClassAnalysis> = report.per_class.iter().filter(|class| class.objects > 0).collect();
        classes.sort_by_key(|class| Reverse(class.objects));
        let named = |name: &str, ap50: f64| format!("{name} (AP50 {ap50:.3})");
        let mut curves = Vec::new();
        if let Some(first) = classes.first() {
            let count = classes.len() as f64;
            let mean =
                |index: usize| classes.iter().filter_map(|class| class.precision.get(index)).sum::<f64>() / count;
            let points: Vec<[f64; 2]> =
                first.recalls().enumerate().map(|(index, recall)| [recall, mean(index)]).collect();
            let ap50 = points.iter().map(|point| point[1]).sum::<f64>() / points.len() as f64;
            curves.push(Curve { name: named(&format!("mean of {} classes", classes.len()), ap50), points });
        }
        curves.extend(classes.into_iter().take(limit).map(|class| Curve {
            name: named(&class.name, class.ap50().unwrap_or(f64::NAN)),
            points: class.recalls().zip(&class.precision).map(|(recall, &precision)| [recall, precision]).collect(),
        }));
        Self { curves }
    }

    /// The figure as the text of an SVG file.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn svg(&self) -> Result<String, Failure> {
        let frame = Frame {
            title: "Precision and recall at IoU 0.5",
            axes: ["recall", "precision"],
            legend: self.curves.iter().map(|curve| curve.name.as_str()).collect(),
            notes: Vec::new(),
        };
        let points: Vec<[f64; 2]> = self.curves.iter().flat_map(|curve| curve.points.iter().copied()).collect();
        let swatch = |area: &Area<'_>, series, (x, y)| draw_line(area, series, vec![(x, y), (x + SWATCH, y)]);
        frame.svg((0.0..1.0, 0.0..1.0), &points, swatch, |area, places| {
            let mut end = places.len();
            // The first on top.
            for (series, curve) in self.curves.iter().enumerate().rev() {
                let start = end - curve.points.len();
                draw_line(area, series, places[start..end].to_vec())?;
                end = start;
            }
            Ok(())
        })
    }
}

/// Draws a line in the style of a series: dashed from the second round of colours on.
fn draw_line(area: &Area<'_>, series: usize, places: Vec<Place>) -> Drawn {
    let style = COLORS[series % COLORS.len()].stroke_width(2 * PIXEL as u32);
    match series / COLORS.len() {
        0 => area.draw(&PathElement::new(places, style)),
        round => area.draw(&DashedPathElement::new(places, 7 * PIXEL, 3 * PIXEL * round as i32, style)),
    }
}
