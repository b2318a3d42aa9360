//! What there is to find: images, categories and annotations, checked and grouped by image.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::annotation_file::Finding;
use super::mask::Mask;
use crate::ids::positions;
use crate::{Entry, Error};

/// An image that is evaluated, with or without objects on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id, by which detections name it.
    pub id: u64,
    /// Width in pixels; read where masks are evaluated.
    #[serde(default)]
    pub width: usize,
    /// Height in pixels; read where masks are evaluated.
    #[serde(default)]
    pub height: usize,
    /// The image file's name; not read by the evaluation.
    #[serde(default)]
    pub file_name: String,
}

/// A class of objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its id, by which annotations and detections name it; ids may have gaps.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// An object on an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Annotation {
    /// The image.
    pub image_id: u64,
    /// The category.
    pub category_id: u64,
    /// x, y, width, height in pixels.
    pub bbox: [f64; 4],
    /// Area in square pixels, COCO's the mask's, which decides between small (to 32²), medium (to 96²) and large.
    pub area: f64,
    /// A region of many objects: it is no object to find, and detections inside it count neither way.
    pub crowd: bool,
}

/// Images, categories and annotations, checked and grouped by image.
#[derive(Debug, Clone)]
pub struct GroundTruth {
    images: Vec<Image>,
    categories: Vec<Category>,
    /// By image, and in the given order within an image, which decides ties.
    annotations: Vec<Annotation>,
    /// The masks of the annotations, in their order; none at all where boxes are evaluated.
    masks: Option<Vec<Mask>>,
    /// The annotations of image `i` are `annotations[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
    image_positions: HashMap<u64, usize>,
    category_positions: HashMap<u64, usize>,
    pub(super) findings: Vec<Finding>,
}

impl GroundTruth {
    /// Ground truth from parts.
    ///
    /// # Errors
    /// Repeated image or category ids, annotations that name an image or category not among them, and boxes or areas that
    /// are not finite.
    pub fn from_parts(
        images: Vec<Image>,
        categories: Vec<Category>,
        annotations: Vec<Annotation>,
    ) -> Result<GroundTruth, Error> {
        GroundTruth::new(images, categories, annotations, None)
    }

    /// Ground truth from parts, for the evaluation of masks.
    ///
    /// # Errors
    /// As [`from_parts`](Self::from_parts); images without a size that have masks, masks that are none of their image.
    pub fn from_parts_with_masks(
        images: Vec<Image>,
        categories: Vec<Category>,
        annotations: Vec<(Annotation, Mask)>,
    ) -> Result<GroundTruth, Error> {
        let listed: HashMap<u64, &Image> = images.iter().map(|image| (image.id, image)).collect();
        for (index, (annotation, mask)) in annotations.iter().enumerate() {
            // An annotation of no listed image is refused below.
            if let Some(image) = listed.get(&annotation.image_id) {
                mask.check(Entry::Annotation { index }, image)?;
            }
        }
        let (annotations, masks) = annotations.into_iter().unzip();
        GroundTruth::new(images, categories, annotations, Some(masks))
    }

    pub(super) fn new(
        images: Vec<Image>,
        categories: Vec<Category>,
        mut annotations: Vec<Annotation>,
        masks: Option<Vec<Mask>>,
    ) -> Result<GroundTruth, Error> {
        let image_positions = positions(images.iter().map(|image| image.id), |id| Error::RepeatedImage { id })?;
        let category_positions =
            positions(categories.iter().map(|category| category.id), |id| Error::RepeatedCategory { id })?;

        let mut starts = vec![0; images.len() + 1];
        for (index, annotation) in annotations.iter().enumerate() {
            let entry = Entry::Annotation { index };
            let &Annotation { image_id, category_id, bbox, area, crowd: _ } = annotation;
            let image = *image_positions.get(&image_id).ok_or(Error::UnknownImage { entry, image_id })?;
            if !category_positions.contains_key(&category_id) {
                return Err(Error::UnknownCategory { entry, category_id });
            }
            finite(entry, "bbox", &bbox)?;
            finite(entry, "area", &[area])?;
            starts[image + 1] += 1;
        }
        for image in 0..images.len() {
            starts[image + 1] += starts[image];
        }
        let place = |annotation: &Annotation| image_positions.get(&annotation.image_id).copied();
        let masks = masks.map(|masks| {
            let mut placed: Vec<_> = annotations.iter().map(place).zip(masks).collect();
            placed.sort_by_key(|(place, _)| *place);
            placed.into_iter().map(|(_, mask)| mask).collect()
        });
        annotations.sort_by_key(place);
        Ok(GroundTruth {
            images,
            categories,
            annotations,
            masks,
            starts,
            image_positions,
            category_positions,
            findings: Vec::new(),
        })
    }

    /// The images, in the given order.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The categories, in the given order.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The annotations, those of an image together, images in their order.
    pub fn annotations(&self) -> &[Annotation] {
        &self.annotations
    }

    /// What reading the file found; empty for ground truth from parts.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub(super) fn image_position(&self, image_id: u64) -> Option<usize> {
        self.image_positions.get(&image_id).copied()
    }

    pub(super) fn category_position(&self, category_id: u64) -> Option<usize> {
        self.category_positions.get(&category_id).copied()
    }

    /// The annotations of the image at a position in [`images`](Self::images).
    pub(super) fn annotations_of(&self, position: usize) -> &[Annotation] {
        &self.annotations[self.starts[position]..self.starts[position + 1]]
    }

    /// The masks of [`annotations`](Self::annotations), in their order; none where only boxes were read.
    pub fn masks(&self) -> Option<&[Mask]> {
        self.masks.as_deref()
    }

    /// The masks of the image at a position, beside [`annotations_of`](Self::annotations_of).
    pub(super) fn masks_of(&self, position: usize) -> &[Mask] {
        self.masks().map_or(&[], |masks| &masks[self.starts[position]..self.starts[position + 1]])
    }
}

/// The first of `values` that is not finite, as an error.
pub(super) fn finite(entry: Entry, field: &'static str, values: &[f64]) -> Result<(), Error> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(&value) => Err(Error::NotFinite { entry, field, value }),
        None => Ok(()),
    }
}
