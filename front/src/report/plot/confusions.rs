//! A confusion matrix as a heat map.

use std::cmp::Reverse;

use eval::ConfusionMatrix;
use eval::coco::ConfusionReport;
use plotters::prelude::*;
use plotters::style::colors::colormaps::DerivedColorMap;
use plotters::style::text_anchor::HPos;

use super::figure::{Area, Drawn, PIXEL, Place, draw_text, font, outline, svg, text_width};
use crate::failure::Failure;

/// The side of the matrix.
const SIDE: i32 = 520 * PIXEL;
const MAX_CELL: i32 = 44 * PIXEL;
const TOP: i32 = 40 * PIXEL;
const GAP: i32 = 10 * PIXEL;
const UNDEFINED: RGBColor = RGBColor(0xd9, 0xd9, 0xd9);

/// Light to dark, also in grey.
const SHADES: [RGBColor; 3] = [RGBColor(247, 251, 255), RGBColor(107, 174, 214), RGBColor(8, 48, 107)];

/// Numbers on light cells, which are light on a dark page too.
const DARK: RGBColor = RGBColor(0x22, 0x22, 0x22);

/// Confusions as shares of the true class: rows are the truth, columns the prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMap {
    /// The title.
    pub title: &'static str,
    /// Names of the rows and columns.
    pub classes: Vec<String>,
    /// `[truth][prediction]`; a share that is not finite is drawn as a cell without a value.
    pub shares: Vec<Vec<f64>>,
    /// Lines below the figure.
    pub notes: Vec<String>,
}

impl ConfusionMap {
    /// The map of a matrix.
    ///
    /// Of more than `limit` classes those with the most confusions are shown, as truth or as prediction, in the order of
    /// the classes; shares are always of all cases of a class. A class that never occurs has a row without values.
    pub fn new(title: &'static str, matrix: &ConfusionMatrix, class_names: &[String], limit: usize) -> Self {
        let mut totals = vec![0; class_names.len()];
        let mut confusions = vec![0; class_names.len()];
        for (truth, predicted, count) in matrix.cells() {
            let count_at = |counts: &mut Vec<u64>, class: usize| {
                if let Some(counted) = counts.get_mut(class) {
                    *counted += count;
                }
            };
            count_at(&mut totals, truth);
            if truth != predicted {
                count_at(&mut confusions, truth);
                count_at(&mut confusions, predicted);
            }
        }
        let mut shown: Vec<usize> = (0..class_names.len()).collect();
        shown.sort_by_key(|&class| (Reverse(confusions[class]), class));
        shown.truncate(limit);
        shown.sort_unstable();
        let share = |truth: usize, predicted: usize| match totals[truth] {
            0 => f64::NAN,
            total => matrix.get(truth, predicted) as f64 / total as f64,
        };
        let mut notes = vec!["Shares of the true class.".to_owned()];
        if shown.len() < class_names.len() {
            let (shown, all) = (shown.len(), class_names.len());
            notes.push(format!("The {shown} classes with the most confusions of {all}."));
        }
        Self {
            title,
            classes: shown.iter().map(|&class| class_names[class].clone()).collect(),
            shares: shown
                .iter()
                .map(|&truth| shown.iter().map(|&predicted| share(truth, predicted)).collect())
                .collect(),
            notes,
        }
    }

    /// Confusions of a detector, with background as the last class.
    pub fn with_background(confusion: &ConfusionReport, limit: usize) -> Self {
        let mut map = Self::new("Confusions, with background", &confusion.matrix, &confusion.classes, limit);
        map.notes.push("The row of background: shares of the detections without an object.".to_owned());
        map.notes.push(format!("Counted {}.", confusion.rule));
        map
    }

    /// The figure as the text of an SVG file.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn svg(&self) -> Result<String, Failure> {
        let count = self.classes.len() as i32;
        let cell = (SIDE / count.max(1)).min(MAX_CELL);
        let letters = (f64::from(cell / PIXEL) * 0.9).min(11.0);
        let names = self.classes.iter().map(|name| text_width(name, letters)).max().unwrap_or(0) + GAP;
        let (left, side) = (3 * GAP + names, cell * count);
        let (right, bottom) = (left + side, TOP + side.max(16 * GAP));
        let height = TOP + (side + names).max(16 * GAP) + 3 * GAP;
        let mut notes = self.notes.clone();
        if self.classes.is_empty() {
            notes.push("no data".to_owned());
        }
        svg(self.title, &notes, (right + 8 * GAP, height + GAP), |area| {
            let name_style = font(letters, HPos::Right);
            for (row, name) in self.classes.iter().enumerate() {
                let middle = cell * row as i32 + cell / 2;
                draw_text(area, name, &name_style, (left - GAP / 2, TOP + middle))?;
                let upright = name_style.transform(FontTransform::Rotate270);
                draw_text(area, name, &upright, (left + middle, TOP + side + GAP / 2))?;
                for column in 0..self.classes.len() {
                    let share = self.shares.get(row).and_then(|row| row.get(column)).copied();
                    let corner = (left + cell * column as i32, TOP + cell * row as i32);
                    draw_cell(area, share.filter(|share| share.is_finite()), corner, cell)?;
                }
            }
            area.draw(&outline((left, TOP), (right, TOP + side)))?;
            let axis = font(12.0, HPos::Center);
            draw_text(area, "prediction", &axis, (left + side / 2, height - GAP))?;
            draw_text(area, "truth", &axis.transform(FontTransform::Rotate270), (GAP + GAP / 2, TOP + side / 2))?;
            draw_bar(area, (right + 2 * GAP, bottom))
        })
    }
}

/// The colour of a share from 0 to 1.
fn shade(share: f64) -> RGBColor {
    DerivedColorMap::new(&SHADES).get_color(share)
}

fn draw_cell(area: &Area<'_>, share: Option<f64>, (x, y): Place, side: i32) -> Drawn {
    let color = share.map_or(UNDEFINED, shade);
    area.draw(&Rectangle::new([(x, y), (x + side, y + side)], color.filled()))?;
    let Some(share) = share else { return Ok(()) };
    let written = if share > 0.0 && share < 1.0 { format!("{share:.2}") } else { share.to_string() };
    let style = font((f64::from(side / PIXEL) * 0.4).min(10.0), HPos::Center);
    let ink = if share > 0.5 { &WHITE } else { &DARK };
    draw_text(area, &written, &style.color(ink), (x + side / 2, y + side / 2))
}

/// Draws the shades and their values, up from a corner.
fn draw_bar(area: &Area<'_>, (x, bottom): Place) -> Drawn {
    const STEPS: i32 = 40;
    const STEP: i32 = 4 * PIXEL;
    for step in 0..STEPS {
        let corners = [(x, bottom - STEP * (step + 1)), (x + 14 * PIXEL, bottom - STEP * step)];
        area.draw(&Rectangle::new(corners, shade(f64::from(step) / f64::from(STEPS)).filled()))?;
    }
    for fifth in 0..=5 {
        let at = (x + 19 * PIXEL, bottom - STEP * STEPS * fifth / 5);
        draw_text(area, &format!("{:.1}", f64::from(fifth) / 5.0), &font(11.0, HPos::Left), at)?;
    }
    Ok(())
}
