//! Augmentation for detection: photometric distortion, zoom-out, IoU crop, scale jitter, flips, and the resize to a fixed
//! size, with the meaning and the defaults of torchvision's `transforms.v2` (SSD, <https://arxiv.org/abs/1512.02325>).
//!
//! The geometry is settled first, as one window of the source image and a mirroring, from numbers alone; then the pixels
//! are touched once, at the final size. Differences to torchvision's sequence of images that follow:
//!
//! - photometric distortion works on the resized image, and only on the part that shows the source: `zoom_out`'s border
//!   keeps its colour, as in torchvision. The mean that contrast refers to is that of the visible part, not of the whole.
//! - resizing interpolates linearly without averaging (`cv2.resize`); torchvision averages while shrinking. Where the
//!   window shrinks twofold or more, a JPEG is decoded at half, quarter or eighth size, which averages.
//! - at the border of a crop that is not resized by whole pixels, the neighbouring source pixels take part.

mod framing;
mod iou_crop;
mod photometric;
mod scale_jitter;
mod zoom_out;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::annotations::Target;
use crate::image::{Flip, Image, Size, Window};
use crate::random::SampleRng;

pub(crate) use framing::Framing;
pub use iou_crop::IouCrop;
pub use photometric::PhotometricDistort;
pub(crate) use photometric::{Distortion, Region};
pub use scale_jitter::ScaleJitter;
pub use zoom_out::ZoomOut;

/// The steps of a training sample's augmentation, in the order in which they apply; `None` or probability 0 leaves one
/// out. The default is torchvision's preset `ssd`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Brightness, contrast, saturation, hue, channel order.
    pub photometric: Option<PhotometricDistort>,
    /// The image on a larger canvas.
    pub zoom_out: Option<ZoomOut>,
    /// A crop that overlaps an object by a chosen amount.
    pub iou_crop: Option<IouCrop>,
    /// A change of scale that keeps the proportions, in place of zoom-out and crop. Not part of SSD's recipe, so off.
    pub scale_jitter: Option<ScaleJitter>,
    /// Probability of mirroring left and right.
    pub horizontal_flip: f64,
    /// Probability of mirroring top and bottom: for images without an up, such as microscopy.
    pub vertical_flip: f64,
    /// Colour where the view reaches beyond the image, red, green, blue: the data's mean.
    pub fill: [u8; 3],
    /// Boxes with a side shorter than this many pixels, before the resize, are dropped (`SanitizeBoundingBoxes`).
    pub min_box_side: f64,
}

impl Default for Augmentation {
    fn default() -> Augmentation {
        Augmentation {
            photometric: Some(PhotometricDistort::default()),
            zoom_out: Some(ZoomOut::default()),
            iou_crop: Some(IouCrop::default()),
            scale_jitter: None,
            horizontal_flip: 0.5,
            vertical_flip: 0.0,
            fill: [123, 117, 104],
            min_box_side: 1.0,
        }
    }
}

/// A target that is seen in an augmented image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Index into the targets given.
    pub target: usize,
    /// Left, top, right, bottom in pixels of the augmented image.
    pub corners: [f64; 4],
}

/// What one sample's augmentation will do, decided before any pixel is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) framing: Framing,
    pub(crate) placed: Vec<Placed>,
    distortion: Distortion,
    fill: [u8; 3],
}

impl Augmentation {
    /// Mirroring left and right only; torchvision's preset `hflip`.
    pub fn flip_only() -> Augmentation {
        Augmentation { photometric: None, zoom_out: None, iou_crop: None, ..Augmentation::default() }
    }

    /// IoU crop and mirroring; torchvision's preset `ssdlite`.
    pub fn ssdlite() -> Augmentation {
        Augmentation { photometric: None, zoom_out: None, ..Augmentation::default() }
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        check_probability("horizontal_flip", self.horizontal_flip)?;
        check_probability("vertical_flip", self.vertical_flip)?;
        if !(self.min_box_side.is_finite() && self.min_box_side >= 0.0) {
            let value = self.min_box_side.to_string();
            return Err(Error::Setting { key: "min_box_side", value, expected: "a length in pixels, 0 or more" });
        }
        self.photometric.iter().try_for_each(PhotometricDistort::validate)?;
        self.zoom_out.iter().try_for_each(ZoomOut::validate)?;
        self.iou_crop.iter().try_for_each(IouCrop::validate)?;
        self.scale_jitter.iter().try_for_each(ScaleJitter::validate)
    }

    /// Augments one image to `size`, with its targets; everything random comes from `rng`.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the image's buffer does not fit its size, or a size has no pixels.
    pub fn apply(
        &self,
        image: &Image,
        targets: &[Target],
        size: Size,
        rng: &mut SampleRng,
    ) -> Result<(Image, Vec<Placed>), Error> {
        let plan = self.plan(image.size(), targets, size, rng);
        let augmented = plan.render(image, 1, size)?;
        Ok((augmented, plan.placed))
    }

    pub(crate) fn plan(&self, source: Size, targets: &[Target], size: Size, rng: &mut SampleRng) -> Plan {
        let distortion = self.photometric.as_ref().map(|photometric| photometric.sample(rng)).unwrap_or_default();
        let mut scene = Scene::new(source, targets);
        match self.scale_jitter.as_ref().and_then(|jitter| jitter.sample(&scene, rng)) {
            Some(window) => scene.crop(window),
            None => {
                if let Some(zoom_out) = &self.zoom_out {
                    scene.window = zoom_out.sample(scene.window, rng);
                }
                if let Some(window) = self.iou_crop.as_ref().and_then(|iou_crop| iou_crop.sample(&scene, rng)) {
                    scene.crop(window);
                }
            }
        }
        let flip = Flip { horizontal: rng.chance(self.horizontal_flip), vertical: rng.chance(self.vertical_flip) };
        let framing = Framing { window: scene.window, flip };
        let long_enough =
            |corners: &[f64; 4]| (corners[2] - corners[0]).min(corners[3] - corners[1]) >= self.min_box_side;
        let placed = scene.boxes.iter().filter(|seen| long_enough(&seen.corners));
        let placed =
            placed.map(|seen| Placed { target: seen.target, corners: framing.place(seen.corners, size) }).collect();
        Plan { framing, placed, distortion, fill: self.fill }
    }
}

impl Plan {
    /// The plain resize that evaluation uses.
    pub(crate) fn plain(source: Size, targets: &[Target], size: Size) -> Plan {
        let framing = Framing { window: Window::whole(source), flip: Flip::default() };
        let corners = targets.iter().map(|target| framing.place(target.corners, size));
        let placed = corners.enumerate().map(|(target, corners)| Placed { target, corners }).collect();
        Plan { framing, placed, distortion: Distortion::default(), fill: [0; 3] }
    }

    /// Draws the planned image from one that was decoded at a `reduction`-th of its size.
    pub(crate) fn render(&self, image: &Image, reduction: usize, size: Size) -> Result<Image, Error> {
        let window = self.framing.window.divided(reduction as f64);
        let mut out = image.render(&window, self.framing.flip, size, self.fill)?;
        self.distortion.apply(&mut out, self.framing.visible(image.size(), reduction, size));
        Ok(out)
    }
}

/// What the geometric steps pass on: the window seen so far and the boxes left in it, in the source image's pixels.
pub(crate) struct Scene {
    window: Window,
    boxes: Vec<Placed>,
}

impl Scene {
    fn new(source: Size, targets: &[Target]) -> Scene {
        let boxes = targets.iter().enumerate().map(|(target, t)| Placed { target, corners: t.corners }).collect();
        Scene { window: Window::whole(source), boxes }
    }

    /// Narrows the view; a box stays if its centre does, and is clipped.
    fn crop(&mut self, window: Window) {
        self.window = window;
        self.boxes.retain(|seen| window.holds_centre(&seen.corners));
        for seen in &mut self.boxes {
            seen.corners = window.clip(seen.corners);
        }
    }
}

impl Window {
    /// Whether the box's centre lies strictly inside.
    fn holds_centre(&self, corners: &[f64; 4]) -> bool {
        let (x, y) = (0.5 * (corners[0] + corners[2]), 0.5 * (corners[1] + corners[3]));
        self.left < x && x < self.right() && self.top < y && y < self.bottom()
    }

    fn clip(&self, corners: [f64; 4]) -> [f64; 4] {
        let (right, bottom) = (self.right(), self.bottom());
        [
            corners[0].clamp(self.left, right),
            corners[1].clamp(self.top, bottom),
            corners[2].clamp(self.left, right),
            corners[3].clamp(self.top, bottom),
        ]
    }
}

pub(crate) fn check_probability(key: &'static str, value: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error::Setting { key, value: value.to_string(), expected: "a probability from 0 to 1" })
    }
}

pub(crate) fn check_range(
    key: &'static str,
    range: [f64; 2],
    within: [f64; 2],
    expected: &'static str,
) -> Result<(), Error> {
    let [low, high] = range;
    if within[0] <= low && low <= high && high <= within[1] {
        Ok(())
    } else {
        Err(Error::Setting { key, value: format!("[{low}, {high}]"), expected })
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
