//! What there is to find: images and objects, checked and grouped by image.

use std::collections::HashMap;

use crate::names::{Names, distinct};
use crate::{Entry, Error};

/// An object on an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The image's name.
    pub image: String,
    /// The class, by its place among the class names.
    pub class: usize,
    /// xmin, ymin, xmax, ymax in pixels, the last ones part of the box.
    pub bbox: [f64; 4],
    /// Not to be found, and not wrong to find.
    pub difficult: bool,
}

/// An object, where its image is known.
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
    /// By image, and in the given order within an image, which decides between equal overlaps.
    targets: Vec<Vec<Target>>,
}

impl GroundTruth {
    /// Ground truth from parts; images without objects are listed like any other.
    ///
    /// # Errors
    /// An image listed twice, no class, two of one name; an object on an image or of a class that is not listed, or whose
    /// box is not finite.
    pub fn from_parts(
        images: Vec<String>,
        class_names: impl IntoIterator<Item = impl Into<String>>,
        objects: Vec<Object>,
    ) -> Result<GroundTruth, Error> {
        let names = distinct(class_names, usize::MAX)?;
        let mut positions = HashMap::with_capacity(images.len());
        for (position, image) in images.iter().enumerate() {
            if positions.insert(image.clone(), position).is_some() {
                return Err(Error::ListedTwice.of_image(image));
            }
        }
        let mut targets = vec![Vec::new(); images.len()];
        for (index, Object { image, class, bbox, difficult }) in objects.into_iter().enumerate() {
            let entry = Entry::Object { index };
            let position = *positions.get(&image).ok_or_else(|| Error::NotListed.of_image(&image))?;
            check(entry, class, names.len(), &bbox)?;
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

    pub(super) fn position(&self, image: &str) -> Option<usize> {
        self.positions.get(image).copied()
    }

    /// The objects of the image at a position in [`images`](Self::images).
    pub(super) fn targets(&self, position: usize) -> &[Target] {
        &self.targets[position]
    }

    /// For each class, how many objects are to be found, and how many are difficult.
    pub(super) fn counts(&self) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); self.names.len()];
        for target in self.targets.iter().flatten() {
            let (objects, difficult) = &mut counts[target.class];
            *if target.difficult { difficult } else { objects } += 1;
        }
        counts
    }
}

/// Whether a box can be evaluated.
pub(super) fn check(entry: Entry, class: usize, classes: usize, bbox: &[f64; 4]) -> Result<(), Error> {
    if class >= classes {
        return Err(Error::ClassOutside { entry, class, classes });
    }
    match bbox.iter().find(|value| !value.is_finite()) {
        Some(&value) => Err(Error::NotFinite { entry, field: "bbox", value }),
        None => Ok(()),
    }
}
