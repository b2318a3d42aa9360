//! Figures as SVG text: [`ScatterPlot`], [`LineChart`] and [`HeatMap`].
//!
//! A figure is always drawn: values that cannot be drawn (not finite, or not above 0 on a logarithmic axis) are left out and
//! listed below it, and a figure without data says so. The same data give the same bytes. Text is escaped and needs no font
//! file; the colours are safe for every colour vision (Okabe and Ito), and series also differ in marks and dashes.

// Written by hand: the SVG backend of `plotters` rounds every coordinate to a pixel, and turns curves into stairs.

mod axis;
mod confusions;
mod frame;
mod heat_map;
mod line_chart;
mod palette;
mod precision_recall;
mod scatter;
mod svg;
#[cfg(test)]
mod tests;
mod ticks;

pub use axis::{Axis, Scale};
pub use heat_map::HeatMap;
pub use line_chart::{Line, LineChart};
pub use scatter::{Point, PointSeries, ScatterPlot};
