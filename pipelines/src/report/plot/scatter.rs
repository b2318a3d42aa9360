//! Scatter plots: points with labels.

use super::axis::Axis;
use super::frame::{Entry, Frame, left_out};
use super::palette::Style;
use super::svg::{Svg, Text, text_width};
use super::ticks::short;

/// With more points than this all labels are to the right: searching places would take too long and find none.
const MAX_PLACED_LABELS: usize = 300;

/// The cost of a label over another label, and of one outside the frame; over a mark it is 1.
const COST_ON_LABEL: f64 = 4.0;
const COST_OUTSIDE: f64 = 1000.0;

const LETTERS: f64 = 11.0;
const MARK: f64 = 5.0;

/// A figure of points, for example of accuracy against latency.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPlot {
    /// The title.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The points, in sets that differ in colour and mark.
    pub series: Vec<PointSeries>,
}

/// Points of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct PointSeries {
    /// The kind, its name in the legend; an empty one is left out.
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
    pub fn svg(&self) -> String {
        let all =
            self.series.iter().enumerate().flat_map(|(series, of)| of.points.iter().map(move |point| (series, point)));
        let (drawn, refused): (Vec<_>, Vec<_>) =
            all.partition(|(_, point)| self.x.draws(point.x) && self.y.draws(point.y));
        let mut svg = Svg::default();
        let values: Vec<[f64; 2]> = drawn.iter().map(|(_, point)| [point.x, point.y]).collect();
        let frame = Frame::draw(&mut svg, &self.title, [&self.x, &self.y], &values);
        let mut labels = Labels::new(frame.sides(), values.iter().map(|&value| frame.at(value)).collect());
        for (series, point) in drawn {
            let style = Style::of(series);
            let at = frame.at([point.x, point.y]);
            let place = format!("translate({:.2} {:.2})", at[0], at[1]);
            let shown = format!("{} {}: {}, {}", self.series[series].name, point.label, short(point.x), short(point.y));
            svg.shape(
                "path",
                &[
                    ("class", "point".into()),
                    ("d", style.mark.into()),
                    ("transform", (&place).into()),
                    ("fill", style.color.into()),
                    ("stroke", "#ffffff".into()),
                    ("stroke-width", 0.8.into()),
                ],
                Some(shown.trim()),
            );
            if !point.label.is_empty() {
                let place = labels.place(at, text_width(&point.label, LETTERS));
                svg.text(&Text::new("label", place, &point.label));
            }
        }
        let names: Vec<String> = refused
            .iter()
            .map(|(_, point)| match point.label.as_str() {
                "" => format!("({}, {})", point.x, point.y),
                label => label.to_owned(),
            })
            .collect();
        let named = self.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty());
        let legend: Vec<Entry<'_>> =
            named.map(|(place, series)| Entry { name: &series.name, style: Style::of(place), mark: true }).collect();
        frame.finish(svg, &legend, left_out(&names).as_slice())
    }
}

/// Finds places for labels beside their points, off the marks and other labels.
struct Labels {
    /// Left, top, right and bottom of the frame.
    sides: [f64; 4],
    /// The extents of marks and placed labels, in the same form, with their costs.
    taken: Vec<([f64; 4], f64)>,
    searches: bool,
}

impl Labels {
    fn new(sides: [f64; 4], points: Vec<[f64; 2]>) -> Labels {
        let searches = points.len() <= MAX_PLACED_LABELS;
        let taken =
            points.iter().filter(|_| searches).map(|[x, y]| ([x - MARK, y - MARK, x + MARK, y + MARK], 1.0)).collect();
        Labels { sides, taken, searches }
    }

    /// The start of a point's label, on its base line.
    fn place(&mut self, [x, y]: [f64; 2], width: f64) -> [f64; 2] {
        let (beside, off) = (MARK + 3.0, MARK + 4.0);
        let lefts = [x + beside, x - beside - width, x - width / 2.0];
        let bases = [y + LETTERS * 0.35, y - off, y + off + LETTERS * 0.75];
        let places = [(0, 0), (1, 0), (2, 1), (2, 2), (0, 1), (0, 2), (1, 1), (1, 2)];
        if !self.searches {
            return [lefts[0], bases[0]];
        }
        let extent = |[left, base]: [f64; 2]| [left, base - LETTERS * 0.8, left + width, base + LETTERS * 0.2];
        let cost = |place: &[f64; 2]| {
            let label = extent(*place);
            let inside = shared(label, self.sides);
            let met = self.taken.iter().map(|(other, weight)| weight * shared(label, *other)).sum::<f64>();
            // Rounded, so that the first place without a cost is the best.
            (met + COST_OUTSIDE * (width * LETTERS - inside)).round()
        };
        let places = places.map(|(left, base)| [lefts[left], bases[base]]);
        let best = places.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(places[0]);
        self.taken.push((extent(best), COST_ON_LABEL));
        best
    }
}

/// The area that two extents share.
fn shared(a: [f64; 4], b: [f64; 4]) -> f64 {
    let along = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    along(0) * along(1)
}
