//! One resampling from a part of an image to its final size, by OpenCV.

use opencv::core::{self, Mat, Rect, Scalar};
use opencv::imgproc;

use super::{Affine, Flip, Image, Size, Window, extent};
use crate::Error;

impl Image {
    /// The window at another size, then mirrored; where it reaches beyond the image, `fill` shows.
    ///
    /// A window of whole pixels inside the image is `cv2.resize(INTER_LINEAR)` of the crop; any other is
    /// `cv2.warpAffine(INTER_LINEAR)`, which places it exactly and weighs with five bits.
    pub(crate) fn render(&self, window: &Window, flip: Flip, size: Size, fill: [u8; 3]) -> Result<Image, Error> {
        match window.whole_pixels_in(self.size()) {
            Some(rect) => {
                self.by_groups("resize", |group| group.resize_part(rect, flip, size).map_err(self.failure("resize")))
            }
            None => {
                let border = if window.lies_in(self.size()) { core::BORDER_REPLICATE } else { core::BORDER_CONSTANT };
                self.warp("resize", &source_map(window, flip, size), size, border, fill)
            }
        }
    }

    fn resize_part(&self, part: Rect, flip: Flip, size: Size) -> opencv::Result<Image> {
        let mut out = Image::black(size, self.channels);
        let source = self.matrix()?;
        let mut target = out.matrix_mut()?;
        let crop = Mat::roi(&source, part)?;
        imgproc::resize(&crop, &mut target, extents(size)?, 0.0, 0.0, imgproc::INTER_LINEAR)?;
        drop(target);
        out.flip(flip);
        Ok(out)
    }

    /// `cv2.warpAffine(INTER_LINEAR)`: each pixel of the result from the place that `map` gives, beyond the image by OpenCV's
    /// rule `border`, of which the constant one shows `fill` ([`Image::fill_of`]). An error names the `operation`.
    pub(crate) fn warp(
        &self,
        operation: &'static str,
        map: &Affine,
        size: Size,
        border: i32,
        fill: [u8; 3],
    ) -> Result<Image, Error> {
        let fill = self.fill_of(fill);
        self.by_groups(operation, |group| group.warp_group(map, size, border, fill).map_err(self.failure(operation)))
    }

    fn warp_group(&self, map: &Affine, size: Size, border: i32, fill: [u8; 3]) -> opencv::Result<Image> {
        let mut out = Image::black(size, self.channels);
        let [a, b, c, d, e, f] = *map;
        // OpenCV counts places from the centre of the first pixel.
        let from_centre = |x: f64, y: f64, shift: f64| 0.5 * (x + y) + shift - 0.5;
        let matrix = [a, b, from_centre(a, b, c), d, e, from_centre(d, e, f)];
        let matrix = Mat::new_rows_cols_with_data(2, 3, &matrix)?;
        let source = self.matrix()?;
        let mut target = out.matrix_mut()?;
        let flags = imgproc::INTER_LINEAR | imgproc::WARP_INVERSE_MAP;
        let [red, green, blue] = fill.map(f64::from);
        let fill = Scalar::new(red, green, blue, 0.0);
        imgproc::warp_affine(&source, &mut target, &matrix, extents(size)?, flags, border, fill)?;
        drop(target);
        Ok(out)
    }
}

impl Window {
    /// The window as whole pixels, where it has only whole pixels and lies inside the image.
    fn whole_pixels_in(&self, size: Size) -> Option<Rect> {
        let sides = [self.left, self.top, self.width, self.height];
        (self.lies_in(size) && sides.iter().all(|side| side.fract() == 0.0 && *side <= f64::from(i32::MAX)))
            .then(|| Rect::new(sides[0] as i32, sides[1] as i32, sides[2] as i32, sides[3] as i32))
    }
}

fn extents(size: Size) -> opencv::Result<core::Size> {
    Ok(core::Size::new(extent(size.width)?, extent(size.height)?))
}

fn source_map(window: &Window, flip: Flip, size: Size) -> Affine {
    let axis = |start: f64, length: f64, target: usize, flipped: bool| {
        let step = length / target as f64;
        if flipped { (-step, start + length) } else { (step, start) }
    };
    let (step_x, first_x) = axis(window.left, window.width, size.width, flip.horizontal);
    let (step_y, first_y) = axis(window.top, window.height, size.height, flip.vertical);
    [step_x, 0.0, first_x, 0.0, step_y, first_y]
}
