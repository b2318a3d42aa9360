//! The objects to find, checked and grouped by image.

use std::collections::HashMap;

use crate::checks::{Names, class_index, finite, unique_names};
use crate::{Error, Place};

/// An object on an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The image's name.
    pub image: String,
    /// The index of the class among the class names.
    pub class: usize,
    /// xmin, ymin, xmax, ymax in pixels; the box includes the last ones.
    pub bbox: [f64; 4],
    /// Need not be found, and finding it is not wrong.
    pub difficult: bool,
}

/// An object on a known image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) class: usize,
    pub(super) bbox: [f64; 4],
    pub(super) difficult: bool,
}

/// Images, classes and objects, checked and grouped by image.
#[derive(Debug, Clone)]
pub struct GroundTruth {
    pub(super) names: Names,
    images: Vec<String>,
    positions: HashMap<String, usize>,
    /// By image, and in the given order within an image, which decides ties of overlaps.
    targets: Vec<Vec<Target>>,
}

impl GroundTruth {
    /// Ground truth from parts; images without objects are listed like any other.
    ///
    /// # Errors
    /// An image is listed twice; there is no class, two classes have one name; an object is on an image or of a class that
    /// is not listed, or its box is not finite.
    pub fn from_parts(
        images: Vec<String>,
        class_names: impl IntoIterator<Item = impl Into<String>>,
        objects: Vec<Object>,
    ) -> Result<GroundTruth, Error> {
        let names = unique_names(class_names)?;
        let mut positions = HashMap::with_capacity(images.len());
        for (position, image) in images.iter().enumerate() {
            if positions.insert(image.clone(), position).is_some() {
                return Err(Error::repeated_image(format!("{image:?}")));
            }
        }
        let mut targets = vec![Vec::new(); images.len()];
        for (index, Object { image, class, bbox, difficult }) in objects.into_iter().enumerate() {
            let checked = class_index(class, names.len()).and_then(|()| finite("bbox", &bbox));
            let position = checked.and_then(|()| position_in(&positions, &image));
            let position = position.map_err(|error| error.within(Place::element("objects", index)))?;
            targets[position].push(Target { class, bbox, difficult });
        }
        Ok(GroundTruth { names, images, positions, targets })
    }

    /// The images, in the given order.
    pub fn images(&self) -> &[String] {
        &self.images
    }

    /// The class names, in the given order.
    pub fn class_names(&self) -> &[String] {
        &self.names
    }

    /// The position of an image in [`images`](Self::images).
    pub(super) fn position(&self, image: &str) -> Result<usize, Error> {
        position_in(&self.positions, image)
    }

    /// The objects of the image at a position.
    pub(super) fn targets(&self, position: usize) -> &[Target] {
        &self.targets[position]
    }

    /// For each class, the numbers of objects to find and of difficult ones.
    pub(super) fn counts(&self) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); self.names.len()];
        for target in self.targets.iter().flatten() {
            let (objects, difficult) = &mut counts[target.class];
            *if target.difficult { difficult } else { objects } += 1;
        }
        counts
    }
}

fn position_in(positions: &HashMap<String, usize>, image: &str) -> Result<usize, Error> {
    positions.get(image).copied().ok_or_else(|| Error::unlisted_image(format!("{image:?}")))
}
