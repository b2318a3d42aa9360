//! One resampling from a window of an image to its final size.

use opencv::core::{self, Mat, Rect, Scalar, Vec3b};
use opencv::imgproc;

use super::{Image, Size, extent};
use crate::Error;

/// A rectangle in an image's pixels, which may reach beyond the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Mirroring after the window is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flip {
    /// Left becomes right.
    pub(crate) horizontal: bool,
    /// Top becomes bottom.
    pub(crate) vertical: bool,
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

    pub(crate) fn divided(&self, factor: f64) -> Window {
        Window {
            left: self.left / factor,
            top: self.top / factor,
            width: self.width / factor,
            height: self.height / factor,
        }
    }

    fn lies_in(&self, size: Size) -> bool {
        self.left >= 0.0 && self.top >= 0.0 && self.right() <= size.width as f64 && self.bottom() <= size.height as f64
    }

    /// The window as whole pixels, where it is such and lies inside the image.
    fn whole_pixels_in(&self, size: Size) -> Option<Rect> {
        let sides = [self.left, self.top, self.width, self.height];
        (self.lies_in(size) && sides.iter().all(|side| side.fract() == 0.0 && *side <= f64::from(i32::MAX)))
            .then(|| Rect::new(sides[0] as i32, sides[1] as i32, sides[2] as i32, sides[3] as i32))
    }
}

impl Image {
    /// The window at another size, then mirrored; where it reaches beyond the image, `fill` shows.
    ///
    /// A window of whole pixels inside the image is `cv2.resize(INTER_LINEAR)` of the crop; any other is
    /// `cv2.warpAffine(INTER_LINEAR)`, which places it exactly and weighs with five bits.
    pub(crate) fn render(&self, window: &Window, flip: Flip, size: Size, fill: [u8; 3]) -> Result<Image, Error> {
        let failed = self.failure("resize");
        let mut out = Image::filled(size, fill);
        let source = self.matrix().map_err(&failed)?;
        let mut target = out.matrix_mut().map_err(&failed)?;
        let dsize = core::Size::new(extent(size.width).map_err(&failed)?, extent(size.height).map_err(&failed)?);
        match window.whole_pixels_in(self.size()) {
            Some(rect) => {
                let crop = Mat::roi(&source, rect).map_err(&failed)?;
                match flip.code() {
                    None => imgproc::resize(&crop, &mut target, dsize, 0.0, 0.0, imgproc::INTER_LINEAR),
                    Some(code) => {
                        let mut resized = Mat::default();
                        imgproc::resize(&crop, &mut resized, dsize, 0.0, 0.0, imgproc::INTER_LINEAR)
                            .and_then(|()| core::flip(&resized, &mut target, code))
                    }
                }
            }
            None => {
                let border = if window.lies_in(self.size()) { core::BORDER_REPLICATE } else { core::BORDER_CONSTANT };
                let fill = Vec3b::from(fill).0.map(f64::from);
                let matrix = inverse_map(window, flip, size);
                Mat::new_rows_cols_with_data(2, 3, &matrix).and_then(|matrix| {
                    let flags = imgproc::INTER_LINEAR | imgproc::WARP_INVERSE_MAP;
                    let fill = Scalar::new(fill[0], fill[1], fill[2], 0.0);
                    imgproc::warp_affine(&source, &mut target, &matrix, dsize, flags, border, fill)
                })
            }
        }
        .map_err(&failed)?;
        drop(target);
        Ok(out)
    }
}

impl Flip {
    fn code(self) -> Option<i32> {
        match (self.horizontal, self.vertical) {
            (false, false) => None,
            (true, false) => Some(1),
            (false, true) => Some(0),
            (true, true) => Some(-1),
        }
    }
}

/// From target pixel to source pixel, both by their centres: `source = matrix * (x, y, 1)`.
fn inverse_map(window: &Window, flip: Flip, size: Size) -> [f64; 6] {
    let axis = |start: f64, length: f64, target: usize, flipped: bool| {
        let step = length / target as f64;
        if flipped { (-step, start + length - 0.5 * step - 0.5) } else { (step, start + 0.5 * step - 0.5) }
    };
    let (step_x, first_x) = axis(window.left, window.width, size.width, flip.horizontal);
    let (step_y, first_y) = axis(window.top, window.height, size.height, flip.vertical);
    [step_x, 0.0, first_x, 0.0, step_y, first_y]
}
