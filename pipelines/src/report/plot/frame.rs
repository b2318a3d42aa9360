//! The common parts of scatter plots and line charts: frame, axes, grid, legend and notes.

use super::axis::{Axis, Span};
use super::palette::Style;
use super::svg::{Anchor, Svg, Text, text_width, wrapped};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const GAP: f64 = 10.0;
const TITLE: f64 = 15.0;
const LETTERS: f64 = 11.0;
const LEGEND_ROW: f64 = 18.0;
const SWATCH: f64 = 26.0;
const INK: &str = "#333333";
const GRID: &str = "#e4e4e4";

/// Draws a figure's title; returns its lower end.
pub(super) fn draw_title(svg: &mut Svg, title: &str, left: f64, width: f64) -> f64 {
    let mut y = GAP;
    for line in wrapped(title, TITLE, width) {
        y += TITLE * 1.3;
        svg.text(&Text { size: TITLE, color: "#000000", ..Text::new("title", [left, y], &line) });
    }
    y + GAP
}

/// Draws notes below a figure; returns their lower end.
pub(super) fn draw_notes(svg: &mut Svg, notes: &[String], [left, top]: [f64; 2], width: f64) -> f64 {
    let mut y = top;
    for line in notes.iter().flat_map(|note| wrapped(note, LETTERS, width)) {
        y += LETTERS * 1.4;
        svg.text(&Text::new("note", [left, y], &line));
    }
    y
}

/// Everything in a figure of two axes except the data.
pub(super) struct Frame<'a> {
    title: &'a str,
    axes: [&'a Axis; 2],
    spans: [Span; 2],
    left: f64,
    top: f64,
}

/// A line of the legend.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) style: Style,
    pub(super) mark: bool,
}

impl<'a> Frame<'a> {
    /// Draws a frame around all points, which can be drawn on both axes.
    pub(super) fn draw(svg: &mut Svg, title: &'a str, axes: [&'a Axis; 2], points: &[[f64; 2]]) -> Frame<'a> {
        let spans = [0, 1].map(|axis| axes[axis].span(points.iter().map(|point| point[axis])));
        let labels = spans[1].ticks();
        let widest = labels.iter().map(|tick| text_width(&tick.label, LETTERS)).fold(0.0, f64::max);
        let left = GAP + LETTERS * 1.6 + widest + GAP;
        let top = draw_title(svg, title, left, WIDTH);
        let frame = Frame { title, axes, spans, left, top };
        frame.draw_axes(svg);
        if points.is_empty() {
            let middle = [left + WIDTH / 2.0, top + HEIGHT / 2.0];
            svg.text(&Text { anchor: Anchor::Middle, size: TITLE, ..Text::new("note", middle, "no data") });
        }
        frame
    }

    /// Left, top, right and bottom of the frame.
    pub(super) fn sides(&self) -> [f64; 4] {
        [self.left, self.top, self.left + WIDTH, self.top + HEIGHT]
    }

    /// The position of a point in the figure.
    pub(super) fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [left, _, _, bottom] = self.sides();
        [left + self.spans[0].place(x) * WIDTH, bottom - self.spans[1].place(y) * HEIGHT]
    }

    fn draw_axes(&self, svg: &mut Svg) {
        let [left, top, right, bottom] = self.sides();
        for tick in self.spans[0].ticks() {
            let x = left + self.spans[0].place(tick.value) * WIDTH;
            svg.line("grid", [x, top], [x, bottom], GRID);
            let at = [x, bottom + LETTERS * 1.5];
            svg.text(&Text { anchor: Anchor::Middle, ..Text::new("tick x", at, &tick.label) });
        }
        for tick in self.spans[1].ticks() {
            let y = bottom - self.spans[1].place(tick.value) * HEIGHT;
            svg.line("grid", [left, y], [right, y], GRID);
            let at = [left - GAP / 2.0, y + LETTERS * 0.35];
            svg.text(&Text { anchor: Anchor::End, ..Text::new("tick y", at, &tick.label) });
        }
        let sides = [("x", left.into()), ("y", top.into()), ("width", WIDTH.into()), ("height", HEIGHT.into())];
        let style = [("class", "frame".into()), ("fill", "none".into()), ("stroke", INK.into())];
        svg.shape("rect", &style.into_iter().chain(sides).collect::<Vec<_>>(), None);
        let middle = [(left + right) / 2.0, bottom + LETTERS * 3.3];
        let [x, y] = self.axes.map(|axis| axis.title.as_str());
        svg.text(&Text { anchor: Anchor::Middle, size: 12.0, ..Text::new("axis x", middle, x) });
        let middle = [GAP + LETTERS, (top + bottom) / 2.0];
        svg.text(&Text { anchor: Anchor::Middle, size: 12.0, turned: -90.0, ..Text::new("axis y", middle, y) });
    }

    /// Draws the legend and the notes, and ends the figure.
    pub(super) fn finish(&self, mut svg: Svg, legend: &[Entry<'_>], notes: &[String]) -> String {
        let [left, top, right, bottom] = self.sides();
        let mut y = top + GAP;
        let mut widest = 0.0f64;
        for Entry { name, style, mark } in legend {
            let x = right + GAP * 1.5;
            if *mark {
                let place = format!("translate({:.2} {:.2})", x + SWATCH / 2.0, y);
                let look = [("d", style.mark.into()), ("fill", style.color.into()), ("transform", (&place).into())];
                svg.shape("path", &look, None);
            } else {
                let ends = format!("M{x:.2} {y:.2}h{SWATCH}");
                svg.shape(
                    "path",
                    &[("d", (&ends).into()), ("stroke", style.color.into()), ("stroke-width", 2.0.into())]
                        .into_iter()
                        .chain((!style.dash.is_empty()).then(|| ("stroke-dasharray", style.dash.into())))
                        .collect::<Vec<_>>(),
                    None,
                );
            }
            svg.text(&Text::new("legend", [x + SWATCH + GAP / 2.0, y + LETTERS * 0.35], name));
            widest = widest.max(GAP * 2.0 + SWATCH + text_width(name, LETTERS));
            y += LEGEND_ROW;
        }
        let below = draw_notes(&mut svg, notes, [left, bottom + LETTERS * 4.0], WIDTH);
        svg.finish(self.title, [right + widest + GAP, below.max(y) + GAP])
    }
}

/// A note with the names of the points that are left out, if there are any.
pub(super) fn left_out(names: &[String]) -> Option<String> {
    const MAX_LISTED_NAMES: usize = 8;
    let more = names.len().saturating_sub(MAX_LISTED_NAMES);
    let named = names[..names.len() - more].join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let points = if names.len() == 1 { "point" } else { "points" };
    (!names.is_empty()).then(|| {
        format!(
            "{} {points} cannot be drawn (not finite, or not above 0 on a logarithmic axis): {named}{more}",
            names.len()
        )
    })
}
