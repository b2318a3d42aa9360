//! Colours, dashes and marks.

/// Okabe and Ito's colours without the yellow, which is faint on white: <https://jfly.uni-koeln.de/color/>.
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];

/// Dashes, one after another when all colours are used.
const DASHES: [&str; 4] = ["", "7 3", "2 2", "9 3 2 3"];

/// Circle, square, diamond, triangle, around the origin.
const MARKS: [&str; 4] = [
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "M-3.6 -3.6h7.2v7.2h-7.2z",
    "M0 -5l5 5l-5 5l-5 -5z",
    "M0 -4.8l4.6 8.2h-9.2z",
];

/// Light to dark, also in grey.
const RAMP: [[f64; 3]; 3] = [[247.0, 251.0, 255.0], [107.0, 174.0, 214.0], [8.0, 48.0, 107.0]];

/// The look of a series.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) color: &'static str,
    /// Lengths of line and gap; empty for a line without gaps.
    pub(super) dash: &'static str,
    /// The path of a mark around the origin.
    pub(super) mark: &'static str,
}

impl Style {
    /// The style of a series by its index.
    pub(super) fn of(place: usize) -> Style {
        let round = place / COLORS.len();
        Style {
            color: COLORS[place % COLORS.len()],
            dash: DASHES[round % DASHES.len()],
            mark: MARKS[(place + round) % MARKS.len()],
        }
    }
}

/// The colour of a share from 0 to 1, light to dark.
pub(super) fn shade(share: f64) -> String {
    let place = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let below = (place as usize).min(RAMP.len() - 2);
    let part = |channel: usize| {
        let (from, to) = (RAMP[below][channel], RAMP[below + 1][channel]);
        (from + (to - from) * (place - below as f64)).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", part(0), part(1), part(2))
}

/// A text colour that can be read on [`shade`].
pub(super) fn ink(share: f64) -> &'static str {
    if share > 0.5 { "#ffffff" } else { "#1a1a1a" }
}
