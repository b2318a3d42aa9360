//! Shears, shifts and rotations at the same size: Pillow's `Image.transform(size, AFFINE, matrix, fillcolor=...)`.

use crate::image::{Affine, Image, Interpolation, source_of};

/// The transformed image, with `fill` beyond the source ([`Image::fill_of`]).
pub(super) fn transform(image: &Image, map: &Affine, interpolation: Interpolation, fill: [u8; 3]) -> Image {
    let mut out = image.blank(image.size(), fill);
    let (width, height) = (image.width as f64, image.height as f64);
    for (index, pixel) in out.data.chunks_exact_mut(image.channels()).enumerate() {
        let (x, y) = source_of(map, index % image.width, index / image.width);
        if x >= 0.0 && x < width && y >= 0.0 && y < height {
            match interpolation {
                Interpolation::Bilinear => bilinear(image, x - 0.5, y - 0.5, pixel),
                Interpolation::Bicubic => bicubic(image, x - 0.5, y - 0.5, pixel),
            }
        }
    }
    out
}

/// The coordinates of the neighbours, clamped to the image, and the fraction between them.
fn neighbours<const COUNT: usize>(at: f64, before: f64, side: usize) -> ([usize; COUNT], f64) {
    let whole = at.floor();
    let neighbour = |step: usize| (whole - before + step as f64).clamp(0.0, (side - 1) as f64) as usize;
    (std::array::from_fn(neighbour), at - whole)
}

fn bilinear(image: &Image, x: f64, y: f64, pixel: &mut [u8]) {
    let (columns, right) = neighbours::<2>(x, 0.0, image.width);
    let (rows, down) = neighbours::<2>(y, 0.0, image.height);
    for (channel, level) in pixel.iter_mut().enumerate() {
        let row = |row: usize| {
            let [first, second] =
                columns.map(|column| f64::from(image.data[(row * image.width + column) * image.channels() + channel]));
            first + (second - first) * right
        };
        let (above, below) = (row(rows[0]), row(rows[1]));
        *level = (above + (below - above) * down) as u8;
    }
}

fn bicubic(image: &Image, x: f64, y: f64, pixel: &mut [u8]) {
    let (columns, right) = neighbours::<4>(x, 1.0, image.width);
    let (rows, down) = neighbours::<4>(y, 1.0, image.height);
    for (channel, level) in pixel.iter_mut().enumerate() {
        let row = |row: usize| {
            let level = |column: usize| image.data[(row * image.width + column) * image.channels() + channel];
            cubic(columns.map(|column| f64::from(level(column))), right)
        };
        *level = cubic(rows.map(row), down).clamp(0.0, 255.0) as u8;
    }
}

/// The cubic through four levels with Pillow's coefficient -1.
fn cubic([a, b, c, d]: [f64; 4], t: f64) -> f64 {
    b + t * ((c - a) + t * ((2.0 * (a - b) + c - d) + t * (b - a - c + d)))
}
