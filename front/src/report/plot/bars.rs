//! Horizontal bars.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::{COLORS, INK, PIXEL, draw_text, font, svg, text_width};
use crate::failure::Failure;

/// A figure of values by name, for example of what each kind of error costs.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// The title.
    pub title: String,
    /// Names and values. A value that is not finite has no bar, one below 0 an empty one.
    pub bars: Vec<(String, f64)>,
    /// Lines below the figure.
    pub notes: Vec<String>,
}

const TOP: i32 = 40 * PIXEL;
const ROW: i32 = 24 * PIXEL;
const GAP: i32 = 10 * PIXEL;
/// The longest bar.
const LENGTH: i32 = 400 * PIXEL;

impl BarChart {
    /// The figure as the text of an SVG file.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn svg(&self) -> Result<String, Failure> {
        let names = self.bars.iter().map(|(name, _)| text_width(name, 11.0)).max().unwrap_or(0);
        let left = names + 2 * GAP;
        let most = self.bars.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).fold(0.0, f64::max);
        let size = (left + LENGTH + 7 * GAP, TOP + ROW * self.bars.len().max(1) as i32 + GAP);
        let mut notes = self.notes.clone();
        if self.bars.is_empty() {
            notes.push("no data".to_owned());
        }
        svg(&self.title, &notes, size, |area| {
            for (row, (name, value)) in self.bars.iter().enumerate() {
                let middle = TOP + ROW * row as i32 + ROW / 2;
                draw_text(area, name, &font(11.0, HPos::Right), (left - GAP / 2, middle))?;
                let share = if most > 0.0 && value.is_finite() { (value / most).max(0.0) } else { 0.0 };
                let right = left + (share * f64::from(LENGTH)) as i32;
                let corners = [(left, middle - ROW / 3), (right, middle + ROW / 3)];
                area.draw(&Rectangle::new(corners, COLORS[0].filled()))?;
                let written = if value.is_finite() { format!("{value:.4}") } else { "-".to_owned() };
                draw_text(area, &written, &font(11.0, HPos::Left), (right + GAP / 2, middle))?;
            }
            let axis = vec![(left, TOP), (left, TOP + ROW * self.bars.len() as i32)];
            area.draw(&PathElement::new(axis, INK.stroke_width(PIXEL as u32)))
        })
    }
}
