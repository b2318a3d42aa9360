//! What evaluation sees of a picture: timm's `create_transform(..., is_training=False)` with `crop_mode="center"`.

use serde::{Deserialize, Serialize};

use super::check_size;
use crate::Error;
use crate::image::{Image, Interpolation, Size, Window};

/// The shorter side is resized to `floor(size / crop_ratio)`, and the middle cut out. Decoding is never reduced, so that
/// figures compare with timm's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationView {
    /// The size of the result.
    pub size: Size,
    /// The side of the crop in shorter sides of the resized picture; timm's `crop_pct`. Above 1 the picture is surrounded
    /// with black.
    pub crop_ratio: f64,
    /// How the picture is resized.
    pub interpolation: Interpolation,
}

/// The part of a configuration that decides on an [`EvaluationView`], beside the size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ViewOptions {
    /// See [`EvaluationView::crop_ratio`].
    pub crop_ratio: f64,
    /// See [`EvaluationView::interpolation`].
    pub interpolation: Interpolation,
}

impl Default for ViewOptions {
    fn default() -> ViewOptions {
        ViewOptions { crop_ratio: 0.875, interpolation: Interpolation::Bilinear }
    }
}

impl EvaluationView {
    /// The view of ImageNet's usual evaluation at this size.
    pub fn new(size: Size) -> EvaluationView {
        EvaluationView::with(size, ViewOptions::default())
    }

    /// The view with these options.
    pub fn with(size: Size, options: ViewOptions) -> EvaluationView {
        EvaluationView { size, crop_ratio: options.crop_ratio, interpolation: options.interpolation }
    }

    /// Checks the settings' ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        check_size("size", self.size)?;
        if (0.1..=4.0).contains(&self.crop_ratio) {
            Ok(())
        } else {
            let value = self.crop_ratio.to_string();
            Err(Error::Setting { key: "crop_ratio", value, expected: "a ratio from 0.1 to 4" })
        }
    }

    /// The view of one picture, `[H, W]` as [`EvaluationView::size`].
    ///
    /// # Errors
    /// [`Error::Pixels`] where the image's buffer does not fit its size.
    pub fn apply(&self, image: &Image) -> Result<Image, Error> {
        let source = image.size();
        if source.pixels() == 0 {
            return image.resize_antialiased(self.size, self.interpolation);
        }
        let resized = self.resized(source);
        let (x, y) = (Cut::new(resized.width, self.size.width), Cut::new(resized.height, self.size.height));
        let (step_x, step_y) =
            (source.width as f64 / resized.width as f64, source.height as f64 / resized.height as f64);
        // Resizing only what the crop keeps gives the same pixels: each depends on its own neighbourhood alone.
        let window = Window {
            left: x.start as f64 * step_x,
            top: y.start as f64 * step_y,
            width: x.length as f64 * step_x,
            height: y.length as f64 * step_y,
        };
        let seen = image.resample(&window, Size { height: y.length, width: x.length }, self.interpolation)?;
        if seen.size() == self.size {
            return Ok(seen);
        }
        let mut out = Image::filled(self.size, [0; 3]);
        for (row, pixels) in seen.data.chunks_exact(x.length * 3).enumerate() {
            let at = ((y.before + row) * self.size.width + x.before) * 3;
            out.data[at..at + pixels.len()].copy_from_slice(pixels);
        }
        Ok(out)
    }

    /// The whole picture's size before the crop: torchvision's `Resize(int)` for a square, timm's `ResizeKeepRatio`
    /// otherwise.
    fn resized(&self, source: Size) -> Size {
        let scaled = |side: usize| (side as f64 / self.crop_ratio).floor().max(1.0);
        let (height, width) = (scaled(self.size.height), scaled(self.size.width));
        let (from_height, from_width) = (source.height as f64, source.width as f64);
        let side = |pixels: f64| (pixels as usize).max(1);
        if self.size.height == self.size.width {
            let short = from_height.min(from_width);
            let long = |side: f64| height * side / short;
            let (height, width) =
                if from_width <= from_height { (long(from_height), height) } else { (height, long(from_width)) };
            return Size { height: side(height), width: side(width) };
        }
        let ratio = (from_height / height).min(from_width / width);
        let rounded = |from: f64| side((from / ratio).round_ties_even());
        Size { height: rounded(from_height), width: rounded(from_width) }
    }
}

/// One axis of torchvision's `CenterCrop`: what is taken of the resized picture, and the black before it.
struct Cut {
    start: usize,
    length: usize,
    before: usize,
}

impl Cut {
    fn new(resized: usize, wanted: usize) -> Cut {
        if wanted > resized {
            return Cut { start: 0, length: resized, before: (wanted - resized) / 2 };
        }
        let start = ((resized - wanted) as f64 / 2.0).round_ties_even() as usize;
        Cut { start, length: wanted, before: 0 }
    }
}
