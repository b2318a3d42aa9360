//! Figures as SVG text: [`ScatterPlot`], [`PrecisionRecall`] and [`ConfusionMap`].
//!
//! A figure is always drawn: points that cannot be drawn (not finite, or not above 0 on a logarithmic axis) are left out and
//! listed below it, and a figure without data says so. The same data give the same bytes. Text is escaped and needs no font
//! file; the colours are safe for every colour vision (Okabe and Ito), and series also differ in marks and dashes.

mod confusions;
mod figure;
mod frame;
mod precision_recall;
mod scatter;
#[cfg(test)]
mod tests;

pub use confusions::ConfusionMap;
pub use precision_recall::{Curve, PrecisionRecall};
pub use scatter::{Point, PointSeries, Scale, ScatterPlot};
