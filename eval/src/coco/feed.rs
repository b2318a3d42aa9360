//! Images are checked one by one and matched in batches.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use ::coco::StreamingEval;
use annotation_files::coco::Mask;

use super::annotation::Annotation;
use super::detected::{Detected, IouType, Shape};
use super::ground_truth::GroundTruth;
use super::mask::size_for_masks;
use crate::{Error, Place};

/// How many boxes are matched at a time: enough to pay for the engine's set-up and to use every core, in two megabytes.
const BOXES_PER_BATCH: usize = 8192;

/// A mask counts as this many boxes.
const BOXES_PER_MASK: usize = 16;

/// Images that are matched together, with all their annotations and detections.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) images: Vec<::coco::Image>,
    pub(super) annotations: Vec<::coco::Annotation>,
    pub(super) detections: Vec<::coco::Annotation>,
}

/// Matches images.
pub(super) trait Matcher {
    fn match_images(&mut self, batch: Batch) -> Result<(), Error>;
}

impl Matcher for StreamingEval {
    fn match_images(&mut self, Batch { images, annotations, detections }: Batch) -> Result<(), Error> {
        Ok(self.update(images, annotations, detections)?)
    }
}

/// Feeds each image of the ground truth to a matcher once.
pub(super) struct Feed<D, M> {
    pub(super) ground_truth: Arc<GroundTruth>,
    matcher: M,
    added: Vec<bool>,
    batch: Batch,
    /// How many detections of an image and category are evaluated.
    limit: usize,
    detections: usize,
    cut: Cut,
    /// Whether detections have boxes that are not matched, once there is one.
    boxes_beside: Option<bool>,
    shape: PhantomData<fn(D)>,
}

/// The detections beyond the limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cut {
    pub(super) detections: usize,
    pub(super) images: usize,
}

/// What a feed has fed.
pub(super) struct Fed<M> {
    pub(super) matcher: M,
    pub(super) detections: usize,
    pub(super) cut: Cut,
}

impl<D: Detected, M: Matcher> Feed<D, M> {
    pub(super) fn new(ground_truth: Arc<GroundTruth>, matcher: M, limit: usize) -> Result<Feed<D, M>, Error> {
        if D::IOU_TYPE == IouType::Segm && ground_truth.masks().is_none() {
            return Err(Error::WithoutMasks);
        }
        let added = vec![false; ground_truth.images().len()];
        Ok(Feed {
            ground_truth,
            matcher,
            added,
            batch: Batch::default(),
            limit,
            detections: 0,
            cut: Cut::default(),
            boxes_beside: None,
            shape: PhantomData,
        })
    }

    /// Adds all detections of one image.
    pub(super) fn add(&mut self, image_id: u64, detections: &[D]) -> Result<(), Error> {
        let position = self.check(image_id, detections)?;
        self.added[position] = true;
        self.boxes_beside = self.boxes_beside.or_else(|| detections.first().map(Shape::has_box_beside));
        self.detections += detections.len();
        self.count_cut(detections);
        self.enqueue(position, detections)
    }

    fn count_cut(&mut self, detections: &[D]) {
        if detections.len() <= self.limit {
            return;
        }
        let mut of_category: HashMap<u64, usize> = HashMap::new();
        for detection in detections {
            *of_category.entry(detection.category_id()).or_default() += 1;
        }
        let cut: usize = of_category.values().map(|count| count.saturating_sub(self.limit)).sum();
        self.cut.detections += cut;
        self.cut.images += usize::from(cut > 0);
    }

    /// The position of an image that can be added with these detections.
    pub(super) fn check(&self, image_id: u64, detections: &[D]) -> Result<usize, Error> {
        let position = check_image(&self.ground_truth, &self.added, image_id, detections)?;
        // The engine takes the form of all from the first.
        let beside = self.boxes_beside.or_else(|| detections.first().map(Shape::has_box_beside));
        match detections.iter().position(|detection| Some(detection.has_box_beside()) != beside) {
            Some(index) => Err(Error::BoxesBesideSome
                .within(Place::element("detections", index))
                .within(Place::image_id(image_id))),
            None => Ok(position),
        }
    }

    /// The matcher, with every image matched, and what was counted.
    pub(super) fn finish(mut self) -> Result<Fed<M>, Error> {
        for position in 0..self.added.len() {
            if !self.added[position] {
                self.enqueue(position, &[])?;
            }
        }
        self.flush()?;
        Ok(Fed { matcher: self.matcher, detections: self.detections, cut: self.cut })
    }

    fn enqueue(&mut self, position: usize, detections: &[D]) -> Result<(), Error> {
        let listed = &self.ground_truth.images()[position];
        let mut image = ::coco::Image { id: listed.id, ..Default::default() };
        let masks = D::IOU_TYPE == IouType::Segm;
        // An image without masks may have no size.
        if let (true, Some([height, width])) = (masks, size_for_masks(listed)) {
            (image.height, image.width) = (height, width);
        }
        let annotations = self.ground_truth.annotations_of(position).iter();
        let batch = &mut self.batch;
        if masks {
            let masks = self.ground_truth.masks_of(position);
            batch.annotations.extend(annotations.zip(masks).map(|(annotation, mask)| object(annotation, Some(mask))));
        } else {
            batch.annotations.extend(annotations.map(|annotation| object(annotation, None)));
        }
        batch.detections.extend(detections.iter().map(|detection| detection.engine(image.id)));
        batch.images.push(image);
        let boxes = (batch.annotations.len() + batch.detections.len()) * if masks { BOXES_PER_MASK } else { 1 };
        if boxes < BOXES_PER_BATCH { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.matcher.match_images(std::mem::take(&mut self.batch))
    }
}

/// The position of an image that is not `added` yet and can be evaluated with these detections.
pub(super) fn check_image<D: Detected>(
    ground_truth: &GroundTruth,
    added: &[bool],
    image_id: u64,
    detections: &[D],
) -> Result<usize, Error> {
    let position = ground_truth.image_position(image_id)?;
    for (index, detection) in detections.iter().enumerate() {
        let place = |error: Error| error.within(Place::element("detections", index)).within(Place::image_id(image_id));
        check_detection(ground_truth, position, detection).map_err(place)?;
    }
    if added[position] { Err(Error::repeated_image(image_id)) } else { Ok(position) }
}

/// Checks that a detection can be evaluated on the image at a position of the ground truth.
pub(super) fn check_detection<D: Detected>(
    ground_truth: &GroundTruth,
    position: usize,
    detection: &D,
) -> Result<(), Error> {
    let category_id = detection.category_id();
    ground_truth.category_position(category_id).ok_or_else(|| Error::unlisted_category(category_id))?;
    detection.check(&ground_truth.images()[position])
}

/// An annotation as the engine takes it.
pub(super) fn object(annotation: &Annotation, mask: Option<&Mask>) -> ::coco::Annotation {
    ::coco::Annotation {
        image_id: annotation.image_id,
        category_id: annotation.category_id,
        bbox: Some(annotation.bbox),
        segmentation: mask.map(|mask| mask.segmentation().clone()),
        area: Some(annotation.area),
        iscrowd: annotation.crowd,
        ..Default::default()
    }
}
