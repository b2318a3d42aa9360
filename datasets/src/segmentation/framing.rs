//! From the stored image to a training sample: a change of scale, a turn, a crop and a mirroring, as one map of coordinates
//! that image and mask share.

use opencv::core::{self, Mat, Scalar};
use opencv::imgproc;

use crate::Error;
use crate::image::{Image, Interpolation, Size, Window};
use crate::mask::Mask;
use crate::transforms::Region;

/// What of the scaled image is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Framing {
    /// The stored image's size.
    pub(super) source: Size,
    /// The whole image's size after the change of scale.
    pub(super) scaled: Size,
    /// First column of the crop in the scaled image.
    pub(super) left: usize,
    /// First row of the crop in the scaled image.
    pub(super) top: usize,
    /// The crop's size, which may reach beyond the scaled image at the right and the bottom.
    pub(super) size: Size,
    /// Degrees, counter-clockwise around the middle of what the crop shows: a small image does not turn out of sight.
    pub(super) turn: f64,
    /// Whether left and right are exchanged, last of all.
    pub(super) mirrored: bool,
}

impl Framing {
    /// Stored pixels for one of the sample, on the axis where they are fewer.
    pub(super) fn scale(&self) -> f64 {
        let (x, y) = self.steps();
        x.min(y)
    }

    fn steps(&self) -> (f64, f64) {
        let ratio = |source: usize, scaled: usize| source as f64 / scaled as f64;
        (ratio(self.source.width, self.scaled.width), ratio(self.source.height, self.scaled.height))
    }

    /// From a place in the sample to one in the scaled image: `x' = a x + b y + c`, `y' = d x + e y + f`.
    fn to_scaled(self) -> [f64; 6] {
        let (sine, cosine) = (-self.turn.to_radians()).sin_cos();
        let (seen, width) = (self.seen(), self.size.width as f64);
        let (x, y) = (seen.width as f64 / 2.0, seen.height as f64 / 2.0);
        let [a, b, c] = [cosine, sine, x - cosine * x - sine * y + self.left as f64];
        let [d, e, f] = [-sine, cosine, y + sine * x - cosine * y + self.top as f64];
        match self.mirrored {
            true => [-a, b, c + a * width, -d, e, f + d * width],
            false => [a, b, c, d, e, f],
        }
    }

    /// The nearest stored pixel's class at every pixel; `ignore` beyond the image.
    pub(super) fn mask(&self, stored: &Mask, ignore: u8) -> Mask {
        let mut out = Mask::filled(self.size, ignore);
        let (step_x, step_y) = self.steps();
        let [a, b, c, d, e, f] = self.to_scaled();
        let (width, height) = (self.scaled.width as f64, self.scaled.height as f64);
        for (row, line) in out.data.chunks_exact_mut(self.size.width.max(1)).enumerate() {
            let y = row as f64 + 0.5;
            for (column, class) in line.iter_mut().enumerate() {
                let x = column as f64 + 0.5;
                let (at_x, at_y) = (a * x + b * y + c, d * x + e * y + f);
                if at_x >= 0.0 && at_x < width && at_y >= 0.0 && at_y < height {
                    let from_x = ((at_x * step_x) as usize).min(stored.width - 1);
                    let from_y = ((at_y * step_y) as usize).min(stored.height - 1);
                    *class = stored.data[from_y * stored.width + from_x];
                }
            }
        }
        out
    }

    /// The image, of which `image` is a `reduction`-th, with `fill` beyond it. Shrinking averages.
    pub(super) fn image(&self, image: &Image, reduction: usize, fill: [u8; 3]) -> Result<Image, Error> {
        if self.turn != 0.0 {
            let scaled = image.resize_antialiased(self.scaled, Interpolation::Bilinear)?;
            return self.turned(&scaled, fill);
        }
        let (step_x, step_y) = self.steps();
        let seen = self.seen();
        let window = Window {
            left: self.left as f64 * step_x,
            top: self.top as f64 * step_y,
            width: seen.width as f64 * step_x,
            height: seen.height as f64 * step_y,
        };
        let shown = image.resample(&window.divided(reduction as f64), seen, Interpolation::Bilinear)?;
        let mut out = Image::filled(self.size, fill);
        let stride = self.size.width * 3;
        for (to, from) in out.data.chunks_exact_mut(stride).zip(shown.data.chunks_exact(seen.width * 3)) {
            to[..from.len()].copy_from_slice(from);
        }
        if self.mirrored {
            out.mirror();
        }
        Ok(out)
    }

    fn turned(&self, scaled: &Image, fill: [u8; 3]) -> Result<Image, Error> {
        let failed = scaled.failure("turn");
        let mut out = Image::filled(self.size, fill);
        let [a, b, c, d, e, f] = self.to_scaled();
        // OpenCV counts places from the middle of the first pixel.
        let middle = |x: f64, y: f64, shift: f64| 0.5 * (x + y) + shift - 0.5;
        let matrix = [a, b, middle(a, b, c), d, e, middle(d, e, f)];
        let source = scaled.matrix().map_err(&failed)?;
        let mut target = out.matrix_mut().map_err(&failed)?;
        let side = |side: usize| i32::try_from(side).unwrap_or(i32::MAX);
        let dsize = core::Size::new(side(self.size.width), side(self.size.height));
        let flags = imgproc::INTER_LINEAR | imgproc::WARP_INVERSE_MAP;
        let [red, green, blue] = fill.map(f64::from);
        let fill = Scalar::new(red, green, blue, 0.0);
        Mat::new_rows_cols_with_data(2, 3, &matrix)
            .and_then(|matrix| {
                imgproc::warp_affine(&source, &mut target, &matrix, dsize, flags, core::BORDER_CONSTANT, fill)
            })
            .map_err(&failed)?;
        drop(target);
        Ok(out)
    }

    /// How much of the crop the scaled image fills.
    fn seen(&self) -> Size {
        Size {
            height: self.size.height.min(self.scaled.height - self.top),
            width: self.size.width.min(self.scaled.width - self.left),
        }
    }

    /// The pixels that show the image; all, where it is turned.
    pub(super) fn visible(&self) -> Region {
        if self.turn != 0.0 {
            return Region { left: 0, top: 0, right: self.size.width, bottom: self.size.height };
        }
        let seen = self.seen();
        let left = if self.mirrored { self.size.width - seen.width } else { 0 };
        Region { left, top: 0, right: left + seen.width, bottom: seen.height }
    }
}
