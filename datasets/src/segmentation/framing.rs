//! From the stored image to a training sample: a change of scale, a rotation, a crop and a mirroring, as one map of
//! coordinates for image and mask.

use opencv::core::BORDER_CONSTANT;

use crate::Error;
use crate::image::{Affine, Flip, Image, Interpolation, PixelWindow, Size, Window, rotation, source_of};
use crate::mask::Mask;

/// Which part of the scaled image is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Framing {
    /// The stored image's size.
    pub(super) source: Size,
    /// The image's size after the change of scale.
    pub(super) scaled: Size,
    /// First column of the crop in the scaled image.
    pub(super) left: usize,
    /// First row of the crop in the scaled image.
    pub(super) top: usize,
    /// The crop's size, which may reach beyond the scaled image at the right and the bottom.
    pub(super) size: Size,
    /// Degrees, counter-clockwise around the centre of the part of the crop with the image in it, so that a small image stays
    /// visible.
    pub(super) degrees: f64,
    /// Whether left and right are exchanged at the end.
    pub(super) mirrored: bool,
}

impl Framing {
    /// Stored pixels per scaled pixel, across and down.
    fn steps(&self) -> (f64, f64) {
        let ratio = |source: usize, scaled: usize| source as f64 / scaled as f64;
        (ratio(self.source.width, self.scaled.width), ratio(self.source.height, self.scaled.height))
    }

    /// From a place in the sample to one in the scaled image.
    fn to_scaled(self) -> Affine {
        let [a, b, c, d, e, f] = rotation(self.degrees, self.covered());
        let (c, f, width) = (c + self.left as f64, f + self.top as f64, self.size.width as f64);
        match self.mirrored {
            true => [-a, b, c + a * width, -d, e, f + d * width],
            false => [a, b, c, d, e, f],
        }
    }

    /// The nearest stored pixel's class at every pixel; `ignore` beyond the image.
    pub(super) fn mask(&self, stored: &Mask, ignore: u8) -> Mask {
        let mut out = Mask::filled(self.size, ignore);
        let (step_x, step_y) = self.steps();
        let map = self.to_scaled();
        let (width, height) = (self.scaled.width as f64, self.scaled.height as f64);
        for (row, line) in out.data.chunks_exact_mut(self.size.width.max(1)).enumerate() {
            for (column, class) in line.iter_mut().enumerate() {
                let (x, y) = source_of(&map, column, row);
                if x >= 0.0 && x < width && y >= 0.0 && y < height {
                    let from_x = ((x * step_x) as usize).min(stored.width - 1);
                    let from_y = ((y * step_y) as usize).min(stored.height - 1);
                    *class = stored.data[from_y * stored.width + from_x];
                }
            }
        }
        out
    }

    /// The image, which was decoded at `1 / reduction` of its size, with `fill` beyond it. Shrinking averages.
    pub(super) fn image(&self, image: &Image, reduction: usize, fill: [u8; 3]) -> Result<Image, Error> {
        if self.degrees != 0.0 {
            let scaled = image.resize_antialiased(self.scaled, Interpolation::Bilinear)?;
            return scaled.warp("rotate", &self.to_scaled(), self.size, BORDER_CONSTANT, fill);
        }
        let (step_x, step_y) = self.steps();
        let (covered, share) = (self.covered(), 1.0 / reduction as f64);
        let window = Window { left: self.left as f64, top: self.top as f64, ..Window::whole(covered) };
        let window = window.scaled(step_x, step_y).scaled(share, share);
        let shown = image.resample(&window, covered, Interpolation::Bilinear)?;
        let mut out = shown.on_canvas(self.size, 0, 0, fill);
        out.flip(Flip { horizontal: self.mirrored, vertical: false });
        Ok(out)
    }

    /// The size of the part of the crop with the image in it.
    fn covered(&self) -> Size {
        Size {
            height: self.size.height.min(self.scaled.height - self.top),
            width: self.size.width.min(self.scaled.width - self.left),
        }
    }

    /// The pixels that show the image; all of them where it is rotated.
    pub(super) fn visible(&self) -> PixelWindow {
        if self.degrees != 0.0 {
            return PixelWindow::whole(self.size);
        }
        let covered = PixelWindow::whole(self.covered());
        PixelWindow { left: if self.mirrored { self.size.width - covered.width } else { 0 }, ..covered }
    }
}
