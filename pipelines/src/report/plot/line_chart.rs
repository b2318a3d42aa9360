//! Line charts.

use super::axis::Axis;
use super::frame::{Entry, Frame, left_out};
use super::palette::Style;
use super::svg::{Svg, pixels};

/// A figure of curves, for example of losses over epochs or of precision over recall.
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart {
    /// The title.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The curves, the first on top.
    pub lines: Vec<Line>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the legend; an empty one is left out.
    pub name: String,
    /// `[x, y]` of its points, in the order in which they are joined. The curve has a gap at a point that cannot be drawn.
    pub points: Vec<[f64; 2]>,
}

impl LineChart {
    /// The figure as the text of an SVG file.
    pub fn svg(&self) -> String {
        let draws = |point: &[f64; 2]| self.x.draws(point[0]) && self.y.draws(point[1]);
        let mut svg = Svg::default();
        let values: Vec<[f64; 2]> = self.lines.iter().flat_map(|line| &line.points).copied().filter(draws).collect();
        let frame = Frame::draw(&mut svg, &self.title, [&self.x, &self.y], &values);
        for (place, line) in self.lines.iter().enumerate().rev() {
            let style = Style::of(place);
            let parts = line.points.chunk_by(|a, b| draws(a) == draws(b)).filter(|part| draws(&part[0]));
            for part in parts {
                let places: Vec<[f64; 2]> = part.iter().map(|&point| frame.at(point)).collect();
                draw(&mut svg, &line.name, style, &thinned(places));
            }
        }
        let refused: Vec<String> = self
            .lines
            .iter()
            .flat_map(|line| {
                let name = |[x, y]: &[f64; 2]| format!("{} ({x}, {y})", line.name).trim_start().to_owned();
                line.points.iter().filter(|point| !draws(point)).map(name)
            })
            .collect();
        let named = self.lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
        let legend: Vec<Entry<'_>> =
            named.map(|(place, line)| Entry { name: &line.name, style: Style::of(place), mark: false }).collect();
        frame.finish(svg, &legend, left_out(&refused).as_slice())
    }
}

/// Draws a curve without gaps, or a mark for a single point.
fn draw(svg: &mut Svg, name: &str, style: Style, places: &[[f64; 2]]) {
    if let [[x, y]] = places {
        let place = format!("translate({x:.2} {y:.2})");
        let look = [("d", style.mark.into()), ("fill", style.color.into()), ("transform", (&place).into())];
        let look: Vec<_> = [("class", "point".into())].into_iter().chain(look).collect();
        return svg.shape("path", &look, Some(name));
    }
    let points: Vec<String> = places.iter().map(|[x, y]| format!("{},{}", pixels(*x), pixels(*y))).collect();
    let points = points.join(" ");
    let mut look = vec![
        ("class", "line".into()),
        ("points", (&points).into()),
        ("fill", "none".into()),
        ("stroke", style.color.into()),
        ("stroke-width", 1.8.into()),
        ("stroke-linejoin", "round".into()),
    ];
    if !style.dash.is_empty() {
        look.push(("stroke-dasharray", style.dash.into()));
    }
    svg.shape("polyline", &look, Some(name));
}

/// The points that are visible: of neighbours in one column of pixels the first, the lowest, the highest and the last.
fn thinned(places: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let mut kept = Vec::new();
    for column in places.chunk_by(|a, b| a[0].floor() == b[0].floor()) {
        let by_height = |a: &usize, b: &usize| column[*a][1].total_cmp(&column[*b][1]);
        let last = column.len() - 1;
        let ends = [(0..=last).min_by(by_height), (0..=last).max_by(by_height)];
        let mut shown = vec![0, last];
        shown.extend(ends.into_iter().flatten());
        shown.sort_unstable();
        shown.dedup();
        kept.extend(shown.into_iter().map(|place| column[place]));
    }
    kept
}
