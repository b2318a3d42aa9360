//! Axes: their titles, their ends, and the position of a value on them.

use super::ticks::{Tick, has_range, linear, logarithmic};

/// Values beyond these sizes are not drawn: the arithmetic of an axis would overflow.
const LARGEST: f64 = 1e300;
const SMALLEST: f64 = 1e-300;

/// The margin between the data and the end of an axis, as a share of the data's range.
const MARGIN: f64 = 0.05;

/// How values are placed along an axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences have equal distances.
    #[default]
    Linear,
    /// Equal ratios have equal distances; values at or below 0 are not drawn.
    Logarithmic,
}

/// An axis of a figure. It spans the data and the range of [`showing`](Self::showing).
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The quantity and its unit: "latency, ms".
    pub title: String,
    /// How values are placed along it.
    pub scale: Scale,
    /// A range that is shown even without data; ignored if its ends cannot be drawn.
    pub shown: Option<[f64; 2]>,
}

impl Axis {
    /// A linear axis.
    pub fn linear(title: impl Into<String>) -> Axis {
        Axis { title: title.into(), scale: Scale::Linear, shown: None }
    }

    /// A logarithmic axis.
    pub fn logarithmic(title: impl Into<String>) -> Axis {
        Axis { title: title.into(), scale: Scale::Logarithmic, shown: None }
    }

    /// The axis, which also shows the range from `low` to `high`.
    pub fn showing(self, low: f64, high: f64) -> Axis {
        Axis { shown: Some([low, high]), ..self }
    }

    /// Whether a value can be drawn on the axis.
    pub(super) fn draws(&self, value: f64) -> bool {
        match self.scale {
            Scale::Linear => value.abs() <= LARGEST,
            Scale::Logarithmic => (SMALLEST..=LARGEST).contains(&value),
        }
    }

    /// The part of the axis that shows all values, each of which can be drawn.
    pub(super) fn span(&self, values: impl Iterator<Item = f64>) -> Span {
        let along = |value| along(self.scale, value);
        let shown = self.shown.filter(|ends| ends.iter().all(|&end| self.draws(end)));
        let shown = shown.map(|[a, b]| [along(a.min(b)), along(a.max(b))]);
        let data = values.map(along).fold(shown, |range, value| match range {
            None => Some([value, value]),
            Some([low, high]) => Some([low.min(value), high.max(value)]),
        });
        let Some([low, high]) = data else { return Span { scale: self.scale, low: 0.0, high: 1.0 } };
        let size = low.abs().max(high.abs());
        if !has_range(low, high) {
            let around = match self.scale {
                Scale::Logarithmic => 0.15,
                Scale::Linear if size <= SMALLEST => 0.5,
                Scale::Linear => size * MARGIN,
            };
            return Span { scale: self.scale, low: low - around, high: high + around };
        }
        let margin = (high - low) * MARGIN;
        // A requested end has no margin, unless there are data beyond it.
        let requested = |end: usize, value: f64| shown.is_some_and(|ends| ends[end] == value);
        Span {
            scale: self.scale,
            low: if requested(0, low) { low } else { low - margin },
            high: if requested(1, high) { high } else { high + margin },
        }
    }
}

/// A part of an axis, in values of a linear axis and in decimal logarithms of a logarithmic one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Span {
    /// The position of a value, from 0 to 1 within the span.
    pub(super) fn place(&self, value: f64) -> f64 {
        (along(self.scale, value) - self.low) / (self.high - self.low)
    }

    pub(super) fn ticks(&self) -> Vec<Tick> {
        let ticks = match self.scale {
            Scale::Linear => linear(self.low, self.high),
            Scale::Logarithmic => logarithmic(self.low, self.high),
        };
        let inside = |tick: &Tick| (-1e-9..=1.0 + 1e-9).contains(&self.place(tick.value));
        ticks.into_iter().filter(inside).collect()
    }
}

fn along(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Logarithmic => value.log10(),
    }
}
