//! Default boxes of SSD (section 2.2 of <https://arxiv.org/abs/1512.02325>), equal to torchvision's `DefaultBoxGenerator` with
//! its defaults: clipped sizes, steps from the grid.

/// A box as corners `x1, y1, x2, y2` in pixels of the input.
pub type Corners = [f32; 4];

/// The default boxes of all levels for one input size: level by level, row by row, cell by cell, shape by shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchors {
    size: [i64; 2],
    boxes: Vec<Corners>,
}

impl Anchors {
    /// Boxes for an input of `size` (`[H, W]` pixels) whose level `k` has `grids[k]` (`[rows, columns]`) cells.
    ///
    /// Each cell of level `k` has a square of side `scales[k]`, one of side `sqrt(scales[k] * scales[k + 1])`, and for each
    /// ratio a wide and a high box. Sides are fractions of the image, at most 1; boxes may extend beyond its edge.
    ///
    /// `scales` has one entry more than `grids`, `aspect_ratios` the same number.
    pub fn new(size: [i64; 2], grids: &[[i64; 2]], scales: &[f64], aspect_ratios: &[Vec<f64>]) -> Self {
        let mut boxes = Vec::new();
        for (level, &[rows, columns]) in grids.iter().enumerate() {
            let shapes = shapes(scales[level], scales[level + 1], &aspect_ratios[level]);
            for row in 0..rows {
                let y = (row as f32 + 0.5) / rows as f32;
                for column in 0..columns {
                    let x = (column as f32 + 0.5) / columns as f32;
                    boxes.extend(shapes.iter().map(|&shape| corners([x, y], shape, size)));
                }
            }
        }
        Self { size, boxes }
    }

    /// The input size `[H, W]` in pixels.
    pub fn size(&self) -> [i64; 2] {
        self.size
    }

    /// The boxes.
    pub fn boxes(&self) -> &[Corners] {
        &self.boxes
    }

    /// Number of boxes, the `A` of `[N, A, 4]`.
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Whether there are no boxes.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }
}

/// Width and height of the boxes of a cell, as fractions of the image.
fn shapes(scale: f64, next_scale: f64, aspect_ratios: &[f64]) -> Vec<[f32; 2]> {
    let between = (scale * next_scale).sqrt();
    let mut shapes = vec![[scale, scale], [between, between]];
    for ratio in aspect_ratios {
        let (long, short) = (scale * ratio.sqrt(), scale / ratio.sqrt());
        shapes.extend([[long, short], [short, long]]);
    }
    shapes.into_iter().map(|shape| shape.map(|side| (side as f32).min(1.0))).collect()
}

fn corners([x, y]: [f32; 2], [width, height]: [f32; 2], [rows, columns]: [i64; 2]) -> Corners {
    let (rows, columns) = (rows as f32, columns as f32);
    [(x - 0.5 * width) * columns, (y - 0.5 * height) * rows, (x + 0.5 * width) * columns, (y + 0.5 * height) * rows]
}
