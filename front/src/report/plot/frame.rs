//! The common parts of figures with two axes: frame, axes, grid and legend.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::data::float::pretty_print_float;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::figure::{Area, Drawn, INK, PIXEL, Place, draw_text, font, outline, svg, text_width};
use crate::failure::Failure;

/// The upper left corner of the frame, and its size.
const LEFT: i32 = 70 * PIXEL;
const TOP: i32 = 40 * PIXEL;
const WIDTH: i32 = 560 * PIXEL;
const HEIGHT: i32 = 340 * PIXEL;

const LABELS: i32 = 60 * PIXEL;
/// The room right of the frame: half of the last number below it.
const MARGIN: i32 = 20 * PIXEL;
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
const LEGEND_ROW: i32 = 18 * PIXEL;

/// The width of a line in the legend.
pub(super) const SWATCH: i32 = 26 * PIXEL;

/// The corners of every frame.
pub(super) const SIDES: [Place; 2] = [(LEFT, TOP), (LEFT + WIDTH, TOP + HEIGHT)];

/// A figure of two axes without its data.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// The titles of the axes.
    pub(super) axes: [&'a str; 2],
    pub(super) legend: Vec<&'a str>,
    pub(super) notes: Vec<String>,
}

impl Frame<'_> {
    /// The figure of points within the coordinates; `draw` draws them at their places, `swatch` draws the sign of a series.
    pub(super) fn svg<X, Y>(
        &self,
        (x, y): (X, Y),
        points: &[[f64; 2]],
        swatch: impl Fn(&Area<'_>, usize, Place) -> Drawn,
        draw: impl FnOnce(&Area<'_>, &[Place]) -> Drawn,
    ) -> Result<String, Failure>
    where
        X: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>>,
        Y: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>>,
    {
        let [_, (right, bottom)] = SIDES;
        let (legend, widest, height) = self.legend_places();
        let size = (widest.max(right) + MARGIN, bottom + LABELS + height);
        svg(self.title, &self.notes, size, |root| {
            let number = |value: &f64| pretty_print_float(*value, false);
            let area = root.clone().shrink((0, TOP), (right, HEIGHT + LABELS));
            let labels = LABELS - 20 * PIXEL;
            let mut chart = ChartBuilder::on(&area)
                .margin_bottom(20 * PIXEL)
                .x_label_area_size(labels)
                .y_label_area_size(LEFT)
                .build_cartesian_2d(x, y)?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(GRID.stroke_width(PIXEL as u32))
                .axis_style(INK.stroke_width(PIXEL as u32))
                .set_all_tick_mark_size(4 * PIXEL)
                .label_style(font(11.0, HPos::Center))
                .axis_desc_style(font(12.0, HPos::Center))
                .x_labels(8)
                .y_labels(8)
                .x_label_formatter(&number)
                .y_label_formatter(&number)
                .x_desc(self.axes[0])
                .y_desc(self.axes[1])
                .draw()?;
            root.draw(&outline(SIDES[0], SIDES[1]))?;
            if points.is_empty() {
                let middle = (LEFT + WIDTH / 2, TOP + HEIGHT / 2);
                draw_text(root, "no data", &font(15.0, HPos::Center), middle)?;
            }
            let places: Vec<Place> = points.iter().map(|&[x, y]| chart.backend_coord(&(x, y))).collect();
            draw(root, &places)?;
            for (series, (name, at)) in self.legend.iter().zip(legend).enumerate() {
                swatch(root, series, at)?;
                draw_text(root, name, &font(11.0, HPos::Left), (at.0 + SWATCH + 5 * PIXEL, at.1))?;
            }
            Ok(())
        })
    }

    /// Where the entries of the legend stand, row by row below the frame, with the right end of the longest row and the height of
    /// all: beside the frame long names would make it small where figures share their width.
    fn legend_places(&self) -> (Vec<Place>, i32, i32) {
        let [(left, _), (right, bottom)] = SIDES;
        let (mut x, mut row, mut widest) = (left, 0, 0);
        let place = |name: &&str| {
            let width = SWATCH + 5 * PIXEL + text_width(name, 11.0);
            if x > left && x + width > right {
                (x, row) = (left, row + 1);
            }
            let place = (x, bottom + LABELS - 5 * PIXEL + LEGEND_ROW * row);
            widest = widest.max(x + width);
            x += width + 20 * PIXEL;
            place
        };
        let places = self.legend.iter().map(place).collect();
        (places, widest, LEGEND_ROW * row)
    }
}
