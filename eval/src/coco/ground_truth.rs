//! The objects to find, checked and grouped by image.

use std::collections::HashMap;

use annotation_files::coco::{FileIds, Mask};

use super::annotation::{Annotation, Category, Image};
use super::finding::Finding;
use super::mask;
use crate::checks::{finite, positions};
use crate::{Error, Place};

/// Images, categories and annotations, checked and grouped by image.
#[derive(Debug, Clone)]
pub struct GroundTruth {
    images: Vec<Image>,
    categories: Vec<Category>,
    /// By image, and in the given order within an image, which decides ties.
    annotations: Vec<Annotation>,
    /// The masks of the annotations, in their order; `None` where boxes are evaluated.
    masks: Option<Vec<Mask>>,
    /// The annotations of image `i` are `annotations[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
    image_positions: HashMap<u64, usize>,
    category_positions: HashMap<u64, usize>,
    ids: FileIds,
    pub(super) findings: Vec<Finding>,
}

impl GroundTruth {
    /// Ground truth from parts.
    ///
    /// # Errors
    /// Image or category ids repeat; an annotation refers to an image or category that is not listed, or its box or area is
    /// not finite.
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
    /// As [`from_parts`](Self::from_parts); a mask is not one of its image, an image with masks has no size.
    pub fn from_parts_with_masks(
        images: Vec<Image>,
        categories: Vec<Category>,
        annotations: Vec<(Annotation, Mask)>,
    ) -> Result<GroundTruth, Error> {
        let listed: HashMap<u64, &Image> = images.iter().map(|image| (image.id, image)).collect();
        for (index, (annotation, mask)) in annotations.iter().enumerate() {
            // Annotations of unlisted images are refused below.
            if let Some(image) = listed.get(&annotation.image_id) {
                mask::check(mask, image).map_err(|error| error.within(Place::element("annotations", index)))?;
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
        let image_positions = positions("image", images.iter().map(|image| image.id))?;
        let category_positions = positions("category", categories.iter().map(|category| category.id))?;

        let mut starts = vec![0; images.len() + 1];
        for (index, annotation) in annotations.iter().enumerate() {
            let &Annotation { image_id, category_id, bbox, area, crowd: _ } = annotation;
            let checked = || {
                let image = *image_positions.get(&image_id).ok_or_else(|| Error::unlisted_image(image_id))?;
                category_positions.get(&category_id).ok_or_else(|| Error::unlisted_category(category_id))?;
                finite("bbox", &bbox)?;
                finite("area", &[area])?;
                Ok(image)
            };
            let image: usize = checked().map_err(|error: Error| error.within(Place::element("annotations", index)))?;
            starts[image + 1] += 1;
        }
        for image in 0..images.len() {
            starts[image + 1] += starts[image];
        }
        let position = |annotation: &Annotation| image_positions.get(&annotation.image_id).copied();
        let masks = masks.map(|masks| {
            let mut ordered: Vec<_> = annotations.iter().map(position).zip(masks).collect();
            ordered.sort_by_key(|(position, _)| *position);
            ordered.into_iter().map(|(_, mask)| mask).collect()
        });
        annotations.sort_by_key(position);
        let findings = Vec::new();
        Ok(GroundTruth {
            images,
            categories,
            annotations,
            masks,
            starts,
            image_positions,
            category_positions,
            ids: FileIds::default(),
            findings,
        })
    }

    /// The same objects, written with these ids in place of their numbers.
    #[must_use]
    pub fn with_ids(self, ids: FileIds) -> GroundTruth {
        GroundTruth { ids, ..self }
    }

    /// How files write the ids of images and categories that are no plain numbers.
    pub fn ids(&self) -> &FileIds {
        &self.ids
    }

    /// The images, in the given order.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The categories, in the given order.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The annotations by image, images in their order.
    pub fn annotations(&self) -> &[Annotation] {
        &self.annotations
    }

    /// What reading the file found; empty for ground truth from parts.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The position of an image in [`images`](Self::images).
    pub(super) fn image_position(&self, image_id: u64) -> Result<usize, Error> {
        self.image_positions.get(&image_id).copied().ok_or_else(|| Error::unlisted_image(image_id))
    }

    pub(super) fn category_position(&self, category_id: u64) -> Option<usize> {
        self.category_positions.get(&category_id).copied()
    }

    /// The annotations of the image at a position.
    pub(super) fn annotations_of(&self, position: usize) -> &[Annotation] {
        &self.annotations[self.starts[position]..self.starts[position + 1]]
    }

    /// The masks of [`annotations`](Self::annotations), in their order; `None` if only boxes were read.
    pub fn masks(&self) -> Option<&[Mask]> {
        self.masks.as_deref()
    }

    /// The masks of the image at a position, in the order of [`annotations_of`](Self::annotations_of).
    pub(super) fn masks_of(&self, position: usize) -> &[Mask] {
        self.masks().map_or(&[], |masks| &masks[self.starts[position]..self.starts[position + 1]])
    }

    /// The categories for the engine, which prints a warning about empty names: the names are the ids.
    pub(super) fn engine_categories(&self) -> Vec<::coco::Category> {
        let category = |id: u64| ::coco::Category { id, name: id.to_string(), ..Default::default() };
        self.categories.iter().map(|listed| category(listed.id)).collect()
    }
}
