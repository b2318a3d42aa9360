//! Scatter plots: points with labels.

use std::ops::Range;

use plotters::coord::combinators::BindKeyPoints;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::{Area, COLORS, Drawn, PIXEL, Place, draw_text, font, text_width};
use super::frame::{Frame, SIDES};
use crate::failure::Failure;

/// With more points than this all labels are to the right: searching places would take too long and find none.
const MAX_PLACED_LABELS: usize = 300;

/// The cost of a label over another label, and of one outside the frame; over a mark it is 1.
const COST_ON_LABEL: i64 = 4;
const COST_OUTSIDE: i64 = 1000;

const LETTERS: i32 = 11 * PIXEL;
const MARK: i32 = 5 * PIXEL;

/// Values beyond this are not drawn, nor logarithms of values below its inverse.
const LARGEST: f64 = 1e12;

/// How values are placed along the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences have equal distances.
    Linear,
    /// Equal ratios have equal distances; values at or below 0 are not drawn.
    Logarithmic,
}

/// A figure of points, for example of accuracy against latency.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPlot {
    /// The title.
    pub title: &'static str,
    /// What the horizontal and the vertical axis show, with its unit: "latency, ms".
    pub axes: [&'static str; 2],
    /// The scale of both axes.
    pub scale: Scale,
    /// The points, in sets that differ in colour and mark.
    pub series: Vec<PointSeries>,
}

/// Points of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct PointSeries {
    /// The kind, its name in the legend.
    pub name: String,
    /// The points.
    pub points: Vec<Point>,
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The text beside it; may be empty.
    pub label: String,
    /// The value on the horizontal axis.
    pub x: f64,
    /// The value on the vertical axis.
    pub y: f64,
}

impl ScatterPlot {
    /// The figure as the text of an SVG file.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn svg(&self) -> Result<String, Failure> {
        let all =
            self.series.iter().enumerate().flat_map(|(series, of)| of.points.iter().map(move |point| (series, point)));
        let (drawn, refused): (Vec<_>, Vec<_>) =
            all.partition(|(_, point)| self.scale.draws(point.x) && self.scale.draws(point.y));
        let frame = Frame {
            title: self.title,
            axes: self.axes,
            legend: self.series.iter().map(|series| series.name.as_str()).collect(),
            notes: left_out(&refused.iter().map(|(_, point)| point.label.as_str()).collect::<Vec<_>>()),
        };
        let points: Vec<[f64; 2]> = drawn.iter().map(|(_, point)| [point.x, point.y]).collect();
        let [x, y] = [0, 1].map(|axis| self.scale.span(points.iter().map(|point| point[axis])));
        let draw = |area: &Area<'_>, places: &[Place]| -> Drawn {
            let mut labels = Labels::new(places);
            for ((series, point), &at) in drawn.iter().zip(places) {
                draw_mark(area, *series, at)?;
                if !point.label.is_empty() {
                    let place = labels.place(at, text_width(&point.label, 11.0));
                    draw_text(area, &point.label, &font(11.0, HPos::Left), place)?;
                }
            }
            Ok(())
        };
        let swatch = |area: &Area<'_>, series, (x, y)| draw_mark(area, series, (x + 13 * PIXEL, y));
        match self.scale {
            Scale::Linear => frame.svg((x, y), &points, swatch, draw),
            Scale::Logarithmic => {
                let [x, y] = [x, y].map(|span| span.clone().log_scale().with_key_points(ticks(span)));
                frame.svg((x, y), &points, swatch, draw)
            }
        }
    }
}

impl Scale {
    pub(super) fn draws(self, value: f64) -> bool {
        value.abs() <= LARGEST && (self == Scale::Linear || value >= LARGEST.recip())
    }

    /// The part of an axis that shows all values, with margins; none below 0 where all values are above, which would suggest that
    /// they could be negative.
    pub(super) fn span(self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let along = |value: f64| if self == Scale::Linear { value } else { value.log10() };
        let ends = values.map(along).map(|value| [value, value]);
        let Some([low, high]) = ends.reduce(|[low, high], [value, _]| [low.min(value), high.max(value)]) else {
            return 1.0..2.0;
        };
        let margin = ((high - low) * 0.05).max(low.abs().max(high.abs()) * 1e-3).max(1e-3);
        let least = if self == Scale::Linear && low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        let [low, high] = [(low - margin).max(least), high + margin];
        if self == Scale::Linear { low..high } else { 10f64.powf(low)..10f64.powf(high) }
    }
}

/// Ticks of a logarithmic axis: powers of ten; if they are few, also their doubles and halves. `plotters` begins at a power
/// of ten, so that a short axis would have none.
fn ticks(span: Range<f64>) -> Vec<f64> {
    let decades = (span.end / span.start).log10();
    let digits: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = (span.start.log10().floor() as i32..=span.end.log10() as i32).step_by(1 + decades as usize / 8);
    let round = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)));
    let round: Vec<f64> = round.filter(|tick| span.contains(tick)).collect();
    if round.len() > 2 { round } else { RangedCoordf64::from(span).key_points(6) }
}

/// A note on the points that are left out, if there are any.
fn left_out(labels: &[&str]) -> Vec<String> {
    const MAX_LISTED: usize = 8;
    if labels.is_empty() {
        return Vec::new();
    }
    let points = if labels.len() == 1 { "point" } else { "points" };
    let more = labels.len().saturating_sub(MAX_LISTED);
    let listed = labels[..labels.len() - more].join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    vec![
        format!("{} {points} cannot be drawn (not finite, or not above 0 on a logarithmic axis):", labels.len()),
        listed + &more,
    ]
}

/// Draws the mark of a series.
fn draw_mark(area: &Area<'_>, series: usize, at: Place) -> Drawn {
    let color = COLORS[series % COLORS.len()];
    match series % 3 {
        0 => area.draw(&Circle::new(at, 4 * PIXEL, color.filled())),
        1 => area.draw(&TriangleMarker::new(at, 5 * PIXEL, color.filled())),
        _ => area.draw(&Cross::new(at, 4 * PIXEL, color.stroke_width(2 * PIXEL as u32))),
    }
}

/// Finds places for labels beside their points, off the marks and other labels.
struct Labels {
    /// The corners of marks and placed labels, with their costs.
    taken: Vec<([Place; 2], i64)>,
    searches: bool,
}

impl Labels {
    fn new(points: &[Place]) -> Labels {
        let searches = points.len() <= MAX_PLACED_LABELS;
        let mark = |&(x, y): &Place| ([(x - MARK, y - MARK), (x + MARK, y + MARK)], 1);
        Labels { taken: points.iter().filter(|_| searches).map(mark).collect(), searches }
    }

    /// The left end of a point's label, at half its height.
    fn place(&mut self, (x, y): Place, width: i32) -> Place {
        let beside = MARK + 3 * PIXEL;
        let lefts = [x + beside, x - beside - width, x - width / 2];
        let heights = [y, y - MARK - LETTERS, y + MARK + LETTERS];
        if !self.searches {
            return (lefts[0], heights[0]);
        }
        let extent = |(left, middle): Place| [(left, middle - LETTERS / 2), (left + width, middle + LETTERS / 2)];
        let cost = |place: &Place| {
            let label = extent(*place);
            let met: i64 = self.taken.iter().map(|(other, weight)| weight * shared(label, *other)).sum();
            met + COST_OUTSIDE * (shared(label, label) - shared(label, SIDES))
        };
        let places = [(0, 0), (1, 0), (2, 1), (2, 2), (0, 1), (0, 2), (1, 1), (1, 2)];
        let places = places.map(|(left, height)| (lefts[left], heights[height]));
        let best = places.into_iter().min_by_key(cost).unwrap_or(places[0]);
        self.taken.push((extent(best), COST_ON_LABEL));
        best
    }
}

/// The area that two rectangles share.
fn shared([a, b]: [Place; 2], [c, d]: [Place; 2]) -> i64 {
    let along = |low: i32, high: i32| i64::from((high - low).max(0));
    along(a.0.max(c.0), b.0.min(d.0)) * along(a.1.max(c.1), b.1.min(d.1))
}
