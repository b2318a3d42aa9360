//! Rectangles in an image, and maps of coordinates from one image to another.

use super::{Image, Size};

/// A rectangle in an image's pixels, which may reach beyond the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelWindow {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Mirroring after the window is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flip {
    /// Left becomes right.
    pub(crate) horizontal: bool,
    /// Top becomes bottom.
    pub(crate) vertical: bool,
}

/// From a place in the result to one in the source: `x' = a x + b y + c`, `y' = d x + e y + f`. Pixel `i` covers `i..i + 1`.
pub(crate) type Affine = [f64; 6];

/// Counter-clockwise around the centre of an image of `size`.
pub(crate) fn rotation(degrees: f64, size: Size) -> Affine {
    let (sine, cosine) = (-degrees.to_radians()).sin_cos();
    let (x, y) = (size.width as f64 / 2.0, size.height as f64 / 2.0);
    [cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y]
}

/// Where the centre of the pixel in this column and row comes from.
pub(crate) fn source_of([a, b, c, d, e, f]: &Affine, column: usize, row: usize) -> (f64, f64) {
    let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
    (a * x + b * y + c, d * x + e * y + f)
}

impl Window {
    pub(crate) fn whole(size: Size) -> Window {
        Window { left: 0.0, top: 0.0, width: size.width as f64, height: size.height as f64 }
    }

    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// The same part of an image that is `x` times as wide and `y` times as high.
    pub(crate) fn scaled(&self, x: f64, y: f64) -> Window {
        Window { left: self.left * x, top: self.top * y, width: self.width * x, height: self.height * y }
    }

    /// Pixels of the window per pixel of a result of `size`, on the axis with fewer.
    pub(crate) fn scale(&self, size: Size) -> f64 {
        (self.width / size.width as f64).min(self.height / size.height as f64)
    }

    pub(super) fn lies_in(&self, size: Size) -> bool {
        self.left >= 0.0 && self.top >= 0.0 && self.right() <= size.width as f64 && self.bottom() <= size.height as f64
    }

    /// Whether the centre of the box is strictly inside.
    pub(crate) fn holds_centre(&self, corners: &[f64; 4]) -> bool {
        let (x, y) = (0.5 * (corners[0] + corners[2]), 0.5 * (corners[1] + corners[3]));
        self.left < x && x < self.right() && self.top < y && y < self.bottom()
    }

    /// The corners of a box, moved into the window.
    pub(crate) fn clip(&self, [left, top, right, bottom]: [f64; 4]) -> [f64; 4] {
        let (x, y) = (|x: f64| x.clamp(self.left, self.right()), |y: f64| y.clamp(self.top, self.bottom()));
        [x(left), y(top), x(right), y(bottom)]
    }

    /// Intersection over union with a box.
    pub(crate) fn iou(&self, corners: &[f64; 4]) -> f64 {
        let width = corners[2].min(self.right()) - corners[0].max(self.left);
        let height = corners[3].min(self.bottom()) - corners[1].max(self.top);
        let intersection = width.max(0.0) * height.max(0.0);
        let area = (corners[2] - corners[0]) * (corners[3] - corners[1]);
        intersection / (self.width * self.height + area - intersection)
    }
}

impl PixelWindow {
    pub(crate) fn whole(size: Size) -> PixelWindow {
        PixelWindow { left: 0, top: 0, width: size.width, height: size.height }
    }
}

impl Image {
    /// The pixels of a window row by row, without the part beyond the image.
    pub(crate) fn rows_mut(&mut self, window: PixelWindow) -> impl Iterator<Item = &mut [u8]> {
        let right = (window.left + window.width).min(self.width);
        let columns = window.left.min(right) * self.channels..right * self.channels;
        let rows = self.data.chunks_exact_mut((self.width * self.channels).max(1));
        rows.skip(window.top).take(window.height).map(move |row| &mut row[columns.clone()])
    }

    /// The image on a canvas of `size`, its first pixel at `left`, `top`, with `fill` around it ([`Image::fill_of`]); what does
    /// not fit is cut off.
    pub(crate) fn on_canvas(self, size: Size, left: usize, top: usize, fill: [u8; 3]) -> Image {
        if self.size() == size {
            return self;
        }
        let row = (self.width * self.channels).max(1);
        let mut canvas = self.blank(size, fill);
        let window = PixelWindow { left, top, width: self.width, height: self.height };
        for (to, from) in canvas.rows_mut(window).zip(self.data.chunks_exact(row)) {
            to.copy_from_slice(&from[..to.len()]);
        }
        canvas
    }

    pub(crate) fn flip(&mut self, flip: Flip) {
        let channels = self.channels.max(1);
        let row = (self.width * channels).max(1);
        if flip.horizontal {
            for row in self.data.chunks_exact_mut(row) {
                row.reverse();
                row.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
            }
        }
        if flip.vertical {
            let (upper, lower) = self.data.split_at_mut(self.height / 2 * row);
            let pairs = upper.chunks_exact_mut(row).zip(lower.chunks_exact_mut(row).rev());
            pairs.for_each(|(one, other)| one.swap_with_slice(other));
        }
    }
}
