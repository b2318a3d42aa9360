//! `RandomIoUCrop` of torchvision: a crop that overlaps at least one object by a randomly chosen amount.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scene;
use crate::Error;
use crate::image::Window;
use crate::random::SampleRng;
use crate::settings::{check, check_range};

/// How many overlaps are drawn before the view is left as it is. torchvision never ends where no crop can succeed and
/// `overlaps` has no 1.
const MAX_DRAWS: usize = 50;

/// Settings of the crop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IouCrop {
    /// Least side of the crop, as a share of the view's.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub min_scale: f64,
    /// Greatest side of the crop, as a share of the view's.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub max_scale: f64,
    /// Least and greatest width divided by height.
    #[schemars(inner(range(min = 0.01, max = 100.0)))]
    pub aspect_ratio: [f64; 2],
    /// The overlaps to choose from: the least IoU of the crop and some object. 1 or more leaves the view as it is.
    #[schemars(length(min = 1), inner(range(min = 0.0)))]
    pub overlaps: Vec<f64>,
    /// Crops to try for each chosen overlap.
    pub trials: usize,
}

impl Default for IouCrop {
    fn default() -> IouCrop {
        IouCrop {
            min_scale: 0.3,
            max_scale: 1.0,
            aspect_ratio: [0.5, 2.0],
            overlaps: vec![0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0],
            trials: 40,
        }
    }
}

impl IouCrop {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let (scales, expected) = ([self.min_scale, self.max_scale], "two factors from 0.01 to 1, the smaller first");
        check_range("iou_crop.min_scale, max_scale", scales, [0.01, 1.0], expected)?;
        check_range("iou_crop.aspect_ratio", self.aspect_ratio, [0.01, 100.0], "two ratios, the smaller first")?;
        let is_valid = !self.overlaps.is_empty() && self.overlaps.iter().all(|overlap| *overlap >= 0.0);
        let value = format!("{:?}", self.overlaps);
        check(is_valid, "iou_crop.overlaps", value, "overlaps of 0 or more, at least one")
    }

    /// The crop; `None` leaves the view as it is. Without boxes no crop can succeed, so nothing is drawn.
    pub(super) fn sample(&self, scene: &Scene, rng: &mut SampleRng) -> Option<Window> {
        if scene.boxes.is_empty() {
            return None;
        }
        for _ in 0..MAX_DRAWS {
            let overlap = self.overlaps[rng.below(self.overlaps.len())];
            if overlap >= 1.0 {
                return None;
            }
            let crop = (0..self.trials).find_map(|_| self.trial(scene, overlap, rng));
            if crop.is_some() {
                return crop;
            }
        }
        None
    }

    fn trial(&self, scene: &Scene, overlap: f64, rng: &mut SampleRng) -> Option<Window> {
        let view = scene.window;
        let width = (view.width * rng.uniform(self.min_scale..=self.max_scale)).floor();
        let height = (view.height * rng.uniform(self.min_scale..=self.max_scale)).floor();
        let ratio = width / height;
        if width < 1.0 || height < 1.0 || ratio < self.aspect_ratio[0] || ratio > self.aspect_ratio[1] {
            return None;
        }
        let crop = scene.random_window(width, height, rng);
        let mut held = scene.boxes.iter().filter(|placed| crop.holds_centre(&placed.corners));
        held.any(|placed| crop.iou(&placed.corners) >= overlap).then_some(crop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Size;
    use crate::transforms::Target;

    const SOURCE: Size = Size { height: 240, width: 320 };

    #[test]
    fn a_crop_overlaps_some_box_by_the_chosen_amount_and_keeps_whole_pixels() {
        let target = Target { class: 0, corners: [60.0, 40.0, 200.0, 180.0] };
        let scene = Scene::new(SOURCE, &[target]);
        for overlap in [0.1, 0.5, 0.7] {
            let crop = IouCrop { overlaps: vec![overlap], ..IouCrop::default() };
            for index in 0..200 {
                let window = crop.sample(&scene, &mut SampleRng::for_sample(1, 0, index)).expect("a crop exists");
                assert!(window.iou(&target.corners) >= overlap);
                assert!(window.holds_centre(&target.corners));
                assert!((0.5..=2.0).contains(&(window.width / window.height)));
                assert!(window.width >= 96.0 && window.height >= 72.0);
                assert!(window.left >= 0.0 && window.right() <= 320.0 && window.bottom() <= 240.0);
                assert_eq!((window.left.fract(), window.height.fract()), (0.0, 0.0));
            }
        }
    }

    #[test]
    fn an_overlap_that_no_crop_reaches_leaves_the_view() {
        let scene = Scene::new(SOURCE, &[Target { class: 0, corners: [0.0, 0.0, 2.0, 2.0] }]);
        let crop = IouCrop { overlaps: vec![0.9], ..IouCrop::default() };
        assert_eq!(crop.sample(&scene, &mut SampleRng::for_sample(0, 0, 0)), None);
    }

    #[test]
    fn an_image_without_boxes_is_never_cropped() {
        let scene = Scene::new(SOURCE, &[]);
        assert_eq!(IouCrop::default().sample(&scene, &mut SampleRng::for_sample(0, 0, 0)), None);
    }
}
