//! Heat maps: a matrix in shades.

use super::frame::{draw_notes, draw_title};
use super::palette::{ink, shade};
use super::svg::{Anchor, Svg, Text, Value, text_width};
use super::ticks::{has_range, linear, short};

/// Up to this many rows and columns the values are written into the cells.
const MAX_WRITTEN: usize = 12;

/// Side of the matrix, and of a cell, in pixels.
const SIDE: f64 = 520.0;
const CELL: std::ops::RangeInclusive<f64> = 8.0..=44.0;

const GAP: f64 = 10.0;
const UNDEFINED: &str = "#d9d9d9";
const BAR: f64 = 14.0;

/// Without smoothed edges, between which the background would show.
const CRISP: (&str, Value<'static>) = ("shape-rendering", Value::Word("crispEdges"));

/// A figure of a matrix, for example of confusions.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// The title.
    pub title: String,
    /// What the rows are.
    pub row_axis: String,
    /// What the columns are.
    pub column_axis: String,
    /// Names of the rows, from the top.
    pub rows: Vec<String>,
    /// Names of the columns, from the left.
    pub columns: Vec<String>,
    /// `[rows][columns]`; a value that is missing or not finite is drawn as a cell without a value.
    pub values: Vec<Vec<f64>>,
    /// The values of the lightest and of the darkest shade; by default the lowest and the highest value.
    pub range: Option<[f64; 2]>,
    /// Paragraphs below the figure.
    pub notes: Vec<String>,
}

impl HeatMap {
    /// The figure as the text of an SVG file.
    pub fn svg(&self) -> String {
        let mut svg = Svg::default();
        let count = self.rows.len().max(self.columns.len()).max(1);
        let cell = (SIDE / count as f64).clamp(*CELL.start(), *CELL.end());
        let letters = (cell * 0.9).min(11.0);
        let widest = |names: &[String]| names.iter().map(|name| text_width(name, letters)).fold(0.0, f64::max);
        let left = GAP + 20.0 + widest(&self.rows) + GAP;
        let matrix = [cell * self.columns.len() as f64, cell * self.rows.len() as f64];
        let width = matrix[0].max(220.0);
        let top = draw_title(&mut svg, &self.title, GAP, left + width);
        let bottom = top + matrix[1];
        let (low, high) = self.ends();

        for (row, name) in self.rows.iter().enumerate() {
            let at = [left - GAP / 2.0, top + cell * (row as f64 + 0.5) + letters * 0.35];
            svg.text(&Text { anchor: Anchor::End, size: letters, ..Text::new("row", at, name) });
            for column in 0..self.columns.len() {
                let at = [left + cell * column as f64, top + cell * row as f64];
                self.draw_cell(&mut svg, [row, column], at, cell, [low, high]);
            }
        }
        for (column, name) in self.columns.iter().enumerate() {
            let at = [left + cell * (column as f64 + 0.5) + letters * 0.35, bottom + GAP / 2.0];
            let text = Text::new("column", at, name);
            svg.text(&Text { anchor: Anchor::End, size: letters, turned: -90.0, ..text });
        }
        let frame = [left.into(), top.into(), matrix[0].into(), matrix[1].into()];
        let sides = ["x", "y", "width", "height"].into_iter().zip(frame);
        let look = [("class", "frame".into()), ("fill", "none".into()), ("stroke", "#333333".into())];
        svg.shape("rect", &look.into_iter().chain(sides).collect::<Vec<_>>(), None);

        let names_end = bottom + GAP + widest(&self.columns);
        let at = [left + matrix[0] / 2.0, names_end + 12.0];
        svg.text(&Text { anchor: Anchor::Middle, size: 12.0, ..Text::new("axis x", at, &self.column_axis) });
        let at = [GAP + 12.0, top + matrix[1] / 2.0];
        svg.text(&Text {
            anchor: Anchor::Middle,
            size: 12.0,
            turned: -90.0,
            ..Text::new("axis y", at, &self.row_axis)
        });
        let mut notes = self.notes.clone();
        if self.rows.is_empty() || self.columns.is_empty() {
            notes.push("no data".to_owned());
        }
        let bar_end = draw_bar(&mut svg, [left + matrix[0] + GAP * 2.0, top], [low, high]);
        let below = draw_notes(&mut svg, &notes, [GAP, names_end + 20.0], left + width);
        svg.finish(&self.title, [left + width + 100.0, below.max(bar_end) + GAP])
    }

    fn draw_cell(&self, svg: &mut Svg, [row, column]: [usize; 2], [x, y]: [f64; 2], cell: f64, ends: [f64; 2]) {
        let value = self.values.get(row).and_then(|row| row.get(column)).copied().filter(|value| value.is_finite());
        let share = value.map(|value| share(value, ends));
        let fill = share.map_or_else(|| UNDEFINED.to_owned(), shade);
        let shown = value.map_or_else(|| "no value".to_owned(), short);
        let title = format!("{} / {}: {shown}", self.rows[row], self.columns[column]);
        let look = [
            ("class", if value.is_some() { "cell" } else { "cell undefined" }.into()),
            ("x", x.into()),
            ("y", y.into()),
            ("width", cell.into()),
            ("height", cell.into()),
            ("fill", (&fill).into()),
            CRISP,
        ];
        svg.shape("rect", &look, Some(&title));
        if let (Some(value), Some(share)) = (value, share)
            && self.rows.len().max(self.columns.len()) <= MAX_WRITTEN
        {
            let at = [x + cell / 2.0, y + cell / 2.0 + 3.5];
            let words = rounded(value);
            svg.text(&Text { anchor: Anchor::Middle, size: 10.0, color: ink(share), ..Text::new("value", at, &words) });
        }
    }

    /// The values of the lightest and the darkest shade.
    fn ends(&self) -> (f64, f64) {
        if let Some([low, high]) = self.range
            && low.is_finite()
            && high.is_finite()
        {
            return (low.min(high), low.max(high));
        }
        let finite = self.values.iter().flatten().copied().filter(|value| value.is_finite());
        let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        });
        ends.unwrap_or((0.0, 1.0))
    }
}

/// The position of a value between the ends, from 0 to 1.
fn share(value: f64, [low, high]: [f64; 2]) -> f64 {
    // The difference of halves does not overflow.
    let range = high / 2.0 - low / 2.0;
    if range > 0.0 { ((value / 2.0 - low / 2.0) / range).clamp(0.0, 1.0) } else { 0.0 }
}

/// A value as it is written in a cell: a share with two digits, another number in full.
fn rounded(value: f64) -> String {
    if value != 0.0 && value.abs() < 1.0 { format!("{value:.2}") } else { short((value * 100.0).round() / 100.0) }
}

/// Draws the shades and their values; returns their lower end.
fn draw_bar(svg: &mut Svg, [x, top]: [f64; 2], [low, high]: [f64; 2]) -> f64 {
    const STEPS: usize = 40;
    const STEP: f64 = 4.0;
    let bottom = top + STEP * STEPS as f64;
    for step in 0..STEPS {
        let fill = shade((step as f64 + 0.5) / STEPS as f64);
        let y = bottom - STEP * (step + 1) as f64;
        let sides = [("x", x.into()), ("y", y.into()), ("width", BAR.into()), ("height", STEP.into())];
        svg.shape("rect", &[("fill", (&fill).into()), CRISP].into_iter().chain(sides).collect::<Vec<_>>(), None);
    }
    let ends = if has_range(low, high) {
        linear(low, high).into_iter().map(|tick| (share(tick.value, [low, high]), tick.label)).collect()
    } else {
        vec![(0.0, short(low))]
    };
    for (share, label) in ends {
        let at = [x + BAR + GAP / 2.0, bottom - share * (bottom - top) + 3.5];
        svg.text(&Text::new("tick", at, &label));
    }
    bottom
}
