//! Resizing as Pillow does it: the filter widens while shrinking, so that every source pixel contributes.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Image, Size, Window};
use crate::Error;

/// How pixels are interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Pillow's `BILINEAR`.
    #[default]
    Bilinear,
    /// Pillow's `BICUBIC` (Catmull and Rom).
    Bicubic,
}

impl Interpolation {
    /// How far the filter reaches to either side, in pixels, where nothing shrinks.
    fn reach(self) -> f64 {
        match self {
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
        }
    }

    fn filter(self) -> FilterType {
        match self {
            Interpolation::Bilinear => FilterType::Bilinear,
            Interpolation::Bicubic => FilterType::CatmullRom,
        }
    }
}

impl Image {
    /// The image at another size, not keeping its proportions, averaged while shrinking: equals Pillow's
    /// `Image.resize(size, resample)` to one grey level.
    ///
    /// # Errors
    /// [`Error::Pixels`] where a size has no pixels, or the buffer does not fit.
    pub fn resize_antialiased(&self, size: Size, interpolation: Interpolation) -> Result<Image, Error> {
        self.resample(&Window::whole(self.size()), size, interpolation)
    }

    /// A window of the image at another size: Pillow's `Image.resize(size, resample, box)`. The window is inside the image,
    /// its edges may have fractions, and the filter also reads the pixels around it.
    pub(crate) fn resample(&self, window: &Window, size: Size, interpolation: Interpolation) -> Result<Image, Error> {
        self.by_groups("resize", |group| group.resample_group(window, size, interpolation))
    }

    fn resample_group(&self, window: &Window, size: Size, interpolation: Interpolation) -> Result<Image, Error> {
        let x = Span::inside(window.left, window.width, self.width as f64);
        let y = Span::inside(window.top, window.height, self.height as f64);
        // Pillow rounds to bytes between a horizontal and a vertical pass; the crate does it in the other order.
        let rows = y.read_for(size.height, interpolation, self.height);
        let wide = Size { height: rows.length as usize, width: size.width };
        let across = self.convolve(x, rows, wide, interpolation)?;
        let down = Span::inside(y.start - rows.start, y.length, rows.length);
        across.convolve(Span::whole(size.width), down, size, interpolation)
    }

    fn convolve(&self, x: Span, y: Span, size: Size, interpolation: Interpolation) -> Result<Image, Error> {
        // `resize` would be compiled for every kind of pixel, which takes minutes.
        match self.channels {
            1 => self.convolve_pixels::<U8>(x, y, size, interpolation),
            _ => self.convolve_pixels::<U8x3>(x, y, size, interpolation),
        }
    }

    fn convolve_pixels<P: PixelTrait>(
        &self,
        x: Span,
        y: Span,
        size: Size,
        interpolation: Interpolation,
    ) -> Result<Image, Error> {
        let failed = |reason: String| Error::Pixels { operation: "resize", size: self.size(), reason };
        if self.size().pixels() == 0 || size.pixels() == 0 {
            return Err(failed(format!("{size} pixels were requested")));
        }
        let side = |side: usize| u32::try_from(side).map_err(|_| failed(format!("a side of {side} pixels")));
        let source = TypedImageRef::<P>::from_buffer(side(self.width)?, side(self.height)?, &self.data)
            .map_err(|error| failed(error.to_string()))?;
        let mut out = Image::black(size, self.channels);
        let mut target = TypedImage::<P>::from_buffer(side(size.width)?, side(size.height)?, &mut out.data)
            .map_err(|error| failed(error.to_string()))?;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(interpolation.filter()))
            .crop(x.start, y.start, x.length, y.length)
            .use_alpha(false);
        Resizer::new().resize_typed(&source, &mut target, &options).map_err(|error| failed(error.to_string()))?;
        Ok(out)
    }
}

/// One axis of a window.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: f64,
    length: f64,
}

impl Span {
    fn whole(side: usize) -> Span {
        Span { start: 0.0, length: side as f64 }
    }

    /// The span, moved back into the image where a rounding error moved it out.
    fn inside(start: f64, length: f64, side: f64) -> Span {
        let start = start.max(0.0);
        let length = length.min(side - start);
        let over = start + length > side;
        Span { start, length: if over { length - 1e-12 * side } else { length } }
    }

    /// The whole pixels that the filter reads to make `target` pixels of this span.
    fn read_for(&self, target: usize, interpolation: Interpolation, side: usize) -> Span {
        let reach = interpolation.reach() * (self.length / target.max(1) as f64).max(1.0) + 1.0;
        let start = (self.start - reach).floor().max(0.0);
        let end = (self.start + self.length + reach).ceil().min(side as f64);
        Span { start, length: (end - start).max(0.0) }
    }
}
