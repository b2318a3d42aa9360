//! Figures for reports, as SVG text: [`ScatterPlot`], [`LineChart`] and [`HeatMap`].
//!
//! ```
//! use eval::plot::{Axis, Point, PointSeries, ScatterPlot};
//!
//! let point = |label: &str, x, y| Point { label: label.into(), x, y };
//! let plot = ScatterPlot {
//!     title: "Accuracy against latency".into(),
//!     x: Axis::logarithmic("latency, ms"),
//!     y: Axis::linear("top-1, %"),
//!     series: vec![PointSeries {
//!         name: "deploy form".into(),
//!         points: vec![point("s0", 5.2, 71.4), point("s1", 9.1, 75.9)],
//!     }],
//! };
//! assert!(plot.svg().starts_with("<svg "));
//! ```
//!
//! A figure is always made: what cannot be drawn (not finite, or not above 0 on a logarithmic axis) is left out and named
//! below the figure, and a figure without data says so. The same data give the same bytes. Text is escaped and needs no
//! font file; colours are told apart with any colour vision (Okabe and Ito), and series by their marks and dashes too.

// Written out by hand: the SVG backend of `plotters` rounds every coordinate to a whole pixel, and a curve becomes stairs.

mod axis;
mod confusions;
mod frame;
mod heat_map;
mod line_chart;
mod palette;
mod scatter;
mod svg;
mod ticks;

pub use axis::{Axis, Scale};
pub use heat_map::HeatMap;
pub use line_chart::{Line, LineChart};
pub use scatter::{Point, PointSeries, ScatterPlot};
