//! The sizes of images and boxes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::annotations::Object;
use crate::image::Size;

/// COCO's limits of small and medium objects, in pixels of area.
const SMALL: f64 = 32.0 * 32.0;
const MEDIUM: f64 = 96.0 * 96.0;

/// Boxes by size; crowd regions and boxes without area are left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxSizes {
    /// With an area below 32² pixels; as in COCO the annotated area, which is the mask's where there are masks.
    pub small: usize,
    /// With an area below 96² pixels.
    pub medium: usize,
    /// With a greater area.
    pub large: usize,
    /// The box's area as a share of the image's: least, nine deciles, greatest.
    pub relative_area: [f64; 11],
}

/// Images by size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSizes {
    /// The image with the fewest pixels.
    pub smallest: Size,
    /// The image with the most pixels.
    pub largest: Size,
    /// Images by their longer side, in ranges from one power of two to the next, without empty ranges.
    pub longer_side: Vec<SideBin>,
}

/// Images whose longer side is in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideBin {
    /// The start of the range, in pixels.
    pub from: usize,
    /// The end of the range, excluded.
    pub below: usize,
    /// How many there are.
    pub images: usize,
}

#[derive(Debug, Default)]
pub(super) struct Boxes {
    sizes: BoxSizes,
    relative: Vec<f32>,
}

impl Boxes {
    pub(super) fn add(&mut self, object: &Object, frame: Size) {
        let [_, _, width, height] = object.bbox;
        if object.crowd || !(width > 0.0 && height > 0.0) {
            return;
        }
        match object.area {
            area if area < SMALL => self.sizes.small += 1,
            area if area < MEDIUM => self.sizes.medium += 1,
            _ => self.sizes.large += 1,
        }
        self.relative.push((width / frame.width as f64 * (height / frame.height as f64)) as f32);
    }

    pub(super) fn finish(&self) -> Option<BoxSizes> {
        let mut relative = self.relative.clone();
        relative.sort_unstable_by(f32::total_cmp);
        let last = relative.len().checked_sub(1)?;
        let decile = |tenths: usize| f64::from(relative[last * tenths / 10]);
        Some(BoxSizes { relative_area: std::array::from_fn(decile), ..self.sizes.clone() })
    }
}

#[derive(Debug, Default)]
pub(super) struct Images {
    extremes: Option<(Size, Size)>,
    /// By the number of bits of the longer side.
    bins: BTreeMap<u32, usize>,
}

impl Images {
    pub(super) fn add(&mut self, size: Size) {
        let (smallest, largest) = self.extremes.get_or_insert((size, size));
        if size.pixels() < smallest.pixels() {
            *smallest = size;
        }
        if size.pixels() > largest.pixels() {
            *largest = size;
        }
        let side = size.height.max(size.width);
        *self.bins.entry(usize::BITS - side.leading_zeros()).or_default() += 1;
    }

    pub(super) fn finish(&self) -> Option<ImageSizes> {
        let (smallest, largest) = self.extremes?;
        let power = |bits: u32| 1usize.checked_shl(bits).unwrap_or(usize::MAX);
        let bin = |(&bits, &images): (&u32, &usize)| SideBin { from: power(bits) / 2, below: power(bits), images };
        let longer_side = self.bins.iter().map(bin).collect();
        Some(ImageSizes { smallest, largest, longer_side })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_counted_as_coco_counts_them() {
        let mut boxes = Boxes::default();
        let frame = Size { height: 100, width: 200 };
        let object = |width: f64, area: f64, crowd| Object {
            class: 0,
            bbox: [0.0, 0.0, width, 10.0],
            area,
            crowd,
            difficult: false,
        };
        for (width, area) in [(20.0, 1023.9), (40.0, 1024.0), (60.0, 9215.0), (200.0, 9216.0)] {
            boxes.add(&object(width, area, false), frame);
        }
        boxes.add(&object(100.0, 5.0, true), frame);
        boxes.add(&object(0.0, 0.0, false), frame);
        let sizes = boxes.finish().expect("boxes");
        assert_eq!((sizes.small, sizes.medium, sizes.large), (1, 2, 1));
        assert!((sizes.relative_area[0] - 0.01).abs() < 1e-7 && (sizes.relative_area[10] - 0.1).abs() < 1e-7);
        assert!(Boxes::default().finish().is_none());
    }

    #[test]
    fn images_are_counted_by_powers_of_two_of_their_longer_side() {
        let mut images = Images::default();
        for (height, width) in [(64, 10), (127, 127), (5, 128), (300, 200)] {
            images.add(Size { height, width });
        }
        let sizes = images.finish().expect("images");
        let bins: Vec<_> = sizes.longer_side.iter().map(|bin| (bin.from, bin.below, bin.images)).collect();
        assert_eq!(bins, [(64, 128, 2), (128, 256, 1), (256, 512, 1)]);
        assert_eq!((sizes.smallest.pixels(), sizes.largest.pixels()), (640, 60_000));
    }
}
