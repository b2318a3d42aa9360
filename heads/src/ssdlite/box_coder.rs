//! Boxes as offsets from anchors (appendix C of <https://arxiv.org/abs/1311.2524>), equal to torchvision's `BoxCoder`.

use crate::ssdlite::anchors::Corners;

/// Limit of the decoded logarithm of a ratio of sides: boxes grow at most by 1000 / 16.
pub(super) const MAX_LOG_RATIO: f64 = 4.135_166_556_742_356;

/// Converts boxes to offsets from their anchors and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxCoder {
    weights: [f32; 4],
}

impl BoxCoder {
    /// A coder that multiplies the offsets (centre x, centre y, log width, log height) by `weights`.
    pub fn new(weights: [f32; 4]) -> Self {
        Self { weights }
    }

    /// Centre x, centre y, width, height.
    pub fn weights(&self) -> [f32; 4] {
        self.weights
    }

    /// The offsets of `bbox` from `anchor`. Both need a positive width and height.
    pub fn encode(&self, bbox: &Corners, anchor: &Corners) -> [f32; 4] {
        let [wx, wy, ww, wh] = self.weights;
        let target = Extent::from(bbox);
        let from = Extent::from(anchor);
        [
            wx * (target.x - from.x) / from.width,
            wy * (target.y - from.y) / from.height,
            ww * (target.width / from.width).ln(),
            wh * (target.height / from.height).ln(),
        ]
    }

    /// The box with the offsets `deltas` from `anchor`.
    pub fn decode(&self, deltas: &[f32; 4], anchor: &Corners) -> Corners {
        let [wx, wy, ww, wh] = self.weights;
        let [dx, dy, dw, dh] = *deltas;
        let from = Extent::from(anchor);
        let x = dx / wx * from.width + from.x;
        let y = dy / wy * from.height + from.y;
        let half_width = 0.5 * (at_most_max_log_ratio(dw / ww).exp() * from.width);
        let half_height = 0.5 * (at_most_max_log_ratio(dh / wh).exp() * from.height);
        [x - half_width, y - half_height, x + half_width, y + half_height]
    }
}

/// Keeps NaN, unlike `f32::min`.
fn at_most_max_log_ratio(value: f32) -> f32 {
    if value > MAX_LOG_RATIO as f32 { MAX_LOG_RATIO as f32 } else { value }
}

/// A box as centre and sides.
struct Extent {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl From<&Corners> for Extent {
    fn from(&[x1, y1, x2, y2]: &Corners) -> Self {
        let (width, height) = (x2 - x1, y2 - y1);
        Self { x: x1 + 0.5 * width, y: y1 + 0.5 * height, width, height }
    }
}
