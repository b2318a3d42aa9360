//! Curves.

use std::ops::Range;

use plotters::element::DashedPathElement;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::figure::{Area, COLORS, Drawn, PIXEL, Place};
use super::frame::{Frame, SWATCH};
use super::scatter::Scale;
use crate::failure::Failure;

/// A figure of curves, for example of precision over recall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineChart {
    /// The title.
    pub title: String,
    /// What the horizontal and the vertical axis show.
    pub axes: [String; 2],
    /// Where each axis begins and ends; it shows all points where that is not given.
    pub ranges: [Option<[f64; 2]>; 2],
    /// The curves; those that have no point are left out.
    pub curves: Vec<Curve>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// `[x, y]` of its points, in the order in which they are joined. Those that are not finite are not drawn.
    pub points: Vec<[f64; 2]>,
}

/// The range of shares.
pub const SHARES: Option<[f64; 2]> = Some([0.0, 1.0]);

/// Curves of no more points than this have a mark at each.
const MAX_MARKED: usize = 30;

impl LineChart {
    /// The figure as the text of an SVG file.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn svg(&self) -> Result<String, Failure> {
        let drawn = |point: &[f64; 2]| point.iter().all(|&value| Scale::Linear.draws(value));
        let curves: Vec<(&str, Vec<[f64; 2]>)> = self
            .curves
            .iter()
            .map(|curve| (curve.name.as_str(), curve.points.iter().copied().filter(drawn).collect()))
            .filter(|(_, points): &(_, Vec<_>)| !points.is_empty())
            .collect();
        let frame = Frame {
            title: &self.title,
            axes: [&self.axes[0], &self.axes[1]],
            legend: curves.iter().map(|(name, _)| *name).collect(),
            notes: Vec::new(),
        };
        let points: Vec<[f64; 2]> = curves.iter().flat_map(|(_, points)| points.iter().copied()).collect();
        let [x, y] = [0, 1].map(|axis| self.span(axis, &points));
        let swatch = |area: &Area<'_>, series, (x, y)| draw_line(area, series, vec![(x, y), (x + SWATCH, y)]);
        frame.svg((x, y), &points, swatch, |area, places| {
            let mut end = places.len();
            // The first on top.
            for (series, (_, points)) in curves.iter().enumerate().rev() {
                let start = end - points.len();
                let of_curve = &places[start..end];
                draw_line(area, series, of_curve.to_vec())?;
                if of_curve.len() <= MAX_MARKED {
                    let style = COLORS[series % COLORS.len()].filled();
                    of_curve.iter().try_for_each(|&at| area.draw(&Circle::new(at, 3 * PIXEL, style)))?;
                }
                end = start;
            }
            Ok(())
        })
    }

    fn span(&self, axis: usize, points: &[[f64; 2]]) -> Range<f64> {
        match self.ranges[axis] {
            Some([from, to]) => from..to,
            None => Scale::Linear.span(points.iter().map(|point| point[axis])),
        }
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
