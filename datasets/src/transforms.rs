//! Augmentation for detection: photometric distortion, zoom-out, IoU crop, scale jitter, flips, and the resize to a fixed
//! size, with the meaning and the defaults of torchvision's `transforms.v2` (SSD, <https://arxiv.org/abs/1512.02325>).
//!
//! The geometry is decided first, from numbers alone, as one window of the source image and a mirroring; then the pixels are
//! resampled once, to the final size. The differences from torchvision's sequence of images are:
//!
//! - photometric distortion works on the resized image, and only on the part that shows the source: the border of `zoom_out`
//!   keeps its colour, as in torchvision. The mean that contrast refers to is that of the visible part.
//! - resizing interpolates linearly without averaging (`cv2.resize`); torchvision averages while shrinking. Where the
//!   window shrinks twofold or more, a JPEG is decoded at half, quarter or eighth size, which averages.
//! - at the border of a crop with fractional edges, the neighbouring source pixels contribute.

mod framing;
mod iou_crop;
mod photometric;
mod scale_jitter;
mod zoom_out;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::annotations::Target;
use crate::image::{Flip, Image, Size, Window};
use crate::random::SampleRng;
use crate::settings::{check, check_colour, check_probability};

pub(crate) use framing::Framing;
pub use iou_crop::IouCrop;
pub(crate) use photometric::Distortion;
pub use photometric::PhotometricDistort;
pub use scale_jitter::ScaleJitter;
pub use zoom_out::ZoomOut;

/// The steps of a training sample's augmentation, in the order in which they apply; `None` or probability 0 leaves one
/// out. The default is torchvision's preset `ssd`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Brightness, contrast, saturation, hue, channel order.
    pub photometric: Option<PhotometricDistort>,
    /// Placing the image on a larger canvas.
    pub zoom_out: Option<ZoomOut>,
    /// A crop that overlaps an object by a chosen amount.
    pub iou_crop: Option<IouCrop>,
    /// A change of scale that keeps the proportions, in place of zoom-out and crop. Not part of SSD's recipe, so off.
    pub scale_jitter: Option<ScaleJitter>,
    /// Probability of mirroring left and right.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub horizontal_flip: f64,
    /// Probability of mirroring top and bottom: for images without an upright position, as in microscopy.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub vertical_flip: f64,
    /// Colour where the view reaches beyond the image, red, green, blue: the data's mean. Images of other channels have the mean of
    /// the three in every channel.
    pub fill: [u8; 3],
    /// Boxes with a side shorter than this many pixels, before the resize, are dropped (`SanitizeBoundingBoxes`).
    #[schemars(range(min = 0.0))]
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

/// A target in an augmented image.
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

    /// The first setting that changes colours, and so cannot be used with images of other channels than red, green and blue.
    pub fn needs_colour(&self) -> Option<&'static str> {
        self.photometric.as_ref().and_then(PhotometricDistort::needs_colour)
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`Error::Setting`] with the key and what was expected.
    pub fn validate(&self) -> Result<(), Error> {
        check_probability("horizontal_flip", self.horizontal_flip)?;
        check_probability("vertical_flip", self.vertical_flip)?;
        let side = self.min_box_side;
        check(side.is_finite() && side >= 0.0, "min_box_side", side, "a length in pixels, 0 or more")?;
        self.photometric.iter().try_for_each(PhotometricDistort::validate)?;
        self.zoom_out.iter().try_for_each(ZoomOut::validate)?;
        self.iou_crop.iter().try_for_each(IouCrop::validate)?;
        self.scale_jitter.iter().try_for_each(ScaleJitter::validate)
    }

    /// Augments one image to `size`, with its targets; everything random comes from `rng`.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the image's buffer does not fit its size, or a size has no pixels; [`Error::Setting`] where a setting
    /// needs colours that the image does not have.
    pub fn apply(
        &self,
        image: &Image,
        targets: &[Target],
        size: Size,
        rng: &mut SampleRng,
    ) -> Result<(Image, Vec<Placed>), Error> {
        check_colour(self.needs_colour(), image.channels())?;
        let plan = self.plan((image.size(), image.channels()), targets, size, rng);
        let augmented = plan.render(image, 1, size)?;
        Ok((augmented, plan.placed))
    }

    /// For an image of the size and the number of channels `source`.
    pub(crate) fn plan(
        &self,
        (source, channels): (Size, usize),
        targets: &[Target],
        size: Size,
        rng: &mut SampleRng,
    ) -> Plan {
        let distortion =
            self.photometric.as_ref().map(|photometric| photometric.sample(channels, rng)).unwrap_or_default();
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
        let placed = scene.boxes.iter().filter(|placed| long_enough(&placed.corners));
        let placed = placed.map(|placed| Placed { corners: framing.place(placed.corners, size), ..*placed }).collect();
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

    /// Draws the planned image from one that was decoded at `1 / reduction` of its size.
    pub(crate) fn render(&self, image: &Image, reduction: usize, size: Size) -> Result<Image, Error> {
        let share = 1.0 / reduction as f64;
        let window = self.framing.window.scaled(share, share);
        let mut out = image.render(&window, self.framing.flip, size, self.fill)?;
        self.distortion.apply(&mut out, self.framing.visible(image.size(), reduction, size));
        Ok(out)
    }
}

/// What the geometric steps pass on: the current window and the boxes left in it, in the source image's pixels.
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
        self.boxes.retain(|placed| window.holds_centre(&placed.corners));
        self.boxes.iter_mut().for_each(|placed| placed.corners = window.clip(placed.corners));
    }

    /// A window of this size at a random place in the view, or around it where it is larger.
    fn random_window(&self, width: f64, height: f64, rng: &mut SampleRng) -> Window {
        let left = self.window.left + ((self.window.width - width) * rng.unit()).floor();
        let top = self.window.top + ((self.window.height - height) * rng.unit()).floor();
        Window { left, top, width, height }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
