//! Figures as SVG text: [`LineChart`], [`BarChart`], [`ScatterPlot`] and [`ConfusionMap`].
//!
//! A figure is always drawn: points that cannot be drawn (not finite, or not above 0 on a logarithmic axis) are left out, those of
//! a scatter plot are listed below it, and a figure without data says so. The same data give the same bytes. Text is escaped and
//! needs no font file; the colours are safe for every colour vision (Okabe and Ito), and series also differ in marks and dashes.

mod bars;
mod confusions;
mod figure;
mod frame;
mod lines;
mod scatter;
#[cfg(test)]
mod tests;

use crate::failure::Failure;

pub use bars::BarChart;
pub use confusions::ConfusionMap;
pub use lines::{Curve, LineChart, SHARES};
pub use scatter::{Point, PointSeries, Scale, ScatterPlot};

/// A figure of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// Curves.
    Lines(LineChart),
    /// Bars.
    Bars(BarChart),
    /// Points.
    Scatter(ScatterPlot),
    /// A confusion matrix.
    Confusions(ConfusionMap),
}

impl Figure {
    /// The figure as the text of an SVG file.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn svg(&self) -> Result<String, Failure> {
        match self {
            Self::Lines(chart) => chart.svg(),
            Self::Bars(chart) => chart.svg(),
            Self::Scatter(plot) => plot.svg(),
            Self::Confusions(map) => map.svg(),
        }
    }

    /// What the figure shows.
    pub fn title(&self) -> &str {
        match self {
            Self::Lines(chart) => &chart.title,
            Self::Bars(chart) => &chart.title,
            Self::Scatter(plot) => plot.title,
            Self::Confusions(map) => map.title,
        }
    }
}
