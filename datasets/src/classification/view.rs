//! The part of an image that evaluation uses: timm's `create_transform(..., is_training=False)` with `crop_mode="center"`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::{Image, Interpolation, Size, Window};
use crate::settings::{check, check_size};

/// The shorter side is resized to `floor(size / crop_ratio)`, and the centre cut out. Decoding is never reduced, so that
/// results are comparable with timm's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationView {
    /// The size of the result.
    pub size: Size,
    /// The side of the crop as a share of the resized image's shorter side; timm's `crop_pct`. Above 1 the image has a black
    /// border.
    pub crop_ratio: f64,
    /// How the image is resized.
    pub interpolation: Interpolation,
}

/// The settings of an [`EvaluationView`] other than the size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ViewOptions {
    /// The side of the crop relative to the shorter side of the resized image; timm's `crop_pct`. Above 1 the image is
    /// surrounded with black.
    #[schemars(range(min = 0.1, max = 4.0))]
    pub crop_ratio: f64,
    /// How the image is resized.
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
        check((0.1..=4.0).contains(&self.crop_ratio), "crop_ratio", self.crop_ratio, "a ratio from 0.1 to 4")
    }

    /// The view of one image, `[H, W]` as [`EvaluationView::size`].
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
        let kept = Size { height: y.length, width: x.length };
        let window = Window { left: x.start as f64, top: y.start as f64, ..Window::whole(kept) }.scaled(step_x, step_y);
        let resized = image.resample(&window, kept, self.interpolation)?;
        Ok(resized.on_canvas(self.size, x.before, y.before, [0; 3]))
    }

    /// The image's size before the crop: torchvision's `Resize(int)` for a square, timm's `ResizeKeepRatio`
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

/// One axis of torchvision's `CenterCrop`: the part of the resized image, and the black pixels before it.
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
