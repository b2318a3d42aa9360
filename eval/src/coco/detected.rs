//! The two kinds of detections: with boxes and with masks.

use std::fmt;

use annotation_files::coco::{self as file, Geometry, Mask};
use serde::{Deserialize, Serialize};

use super::annotation::Image;
use super::mask::{self, size_for_masks};
use super::predictions::{Detection, MaskDetection};
use crate::Error;
use crate::checks::finite;

/// Whether overlaps are those of boxes or of masks; pycocotools' `iouType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IouType {
    /// Boxes.
    Bbox,
    /// Masks.
    Segm,
}

impl fmt::Display for IouType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IouType::Bbox => "bbox",
            IouType::Segm => "segm",
        })
    }
}

impl IouType {
    /// What of a file is read.
    pub(super) fn geometry(self) -> Geometry {
        match self {
            IouType::Bbox => Geometry::Boxes,
            IouType::Segm => Geometry::Masks,
        }
    }

    pub(super) fn engine(self) -> ::coco::IouType {
        match self {
            IouType::Bbox => ::coco::IouType::Bbox,
            IouType::Segm => ::coco::IouType::Segm,
        }
    }
}

/// A detection that can be evaluated: a [`Detection`] with a box, or a [`MaskDetection`] with a mask.
pub trait Detected: Shape {}

impl Detected for Detection {}
impl Detected for MaskDetection {}

/// What the evaluation needs of either kind; the module is private, so that there is no third.
pub trait Shape: Clone {
    const IOU_TYPE: IouType;

    fn category_id(&self) -> u64;

    /// Checks that it can be evaluated on its image.
    fn check(&self, image: &Image) -> Result<(), Error>;

    /// The detection as the engine takes it.
    fn engine(&self, image_id: u64) -> ::coco::Annotation;

    /// Whether it has a box that is not what is matched.
    fn has_box_beside(&self) -> bool;

    /// A prediction of a file, in the category with this number.
    fn of_file(prediction: file::Prediction, category_id: u64, image: &Image) -> Result<Self, Error>;
}

impl Shape for Detection {
    const IOU_TYPE: IouType = IouType::Bbox;

    fn category_id(&self) -> u64 {
        self.category_id
    }

    fn check(&self, _: &Image) -> Result<(), Error> {
        self.check_finite()
    }

    fn engine(&self, image_id: u64) -> ::coco::Annotation {
        let &Detection { category_id, bbox, score } = self;
        ::coco::Annotation { image_id, category_id, bbox: Some(bbox), score: Some(score), ..Default::default() }
    }

    fn has_box_beside(&self) -> bool {
        false
    }

    fn of_file(prediction: file::Prediction, category_id: u64, image: &Image) -> Result<Detection, Error> {
        let score = prediction.score;
        if let Some(bbox) = prediction.bbox {
            return Ok(Detection { category_id, bbox, score });
        }
        let mask = prediction.mask.ok_or_else(|| Error::Mask { problem: "there is none".to_owned() })?;
        mask::check(&mask, image)?;
        let size = size_for_masks(image).unwrap_or_default();
        let bbox = mask.bounds(size).map_err(|problem| Error::Mask { problem })?;
        Ok(Detection { category_id, bbox, score })
    }
}

impl Shape for MaskDetection {
    const IOU_TYPE: IouType = IouType::Segm;

    fn category_id(&self) -> u64 {
        self.category_id
    }

    fn check(&self, image: &Image) -> Result<(), Error> {
        finite("score", &[self.score])?;
        finite("bbox", self.bbox.as_ref().map_or(&[], |bbox| &bbox[..]))?;
        mask::check(&self.mask, image)
    }

    fn engine(&self, image_id: u64) -> ::coco::Annotation {
        ::coco::Annotation {
            image_id,
            category_id: self.category_id,
            bbox: self.bbox,
            segmentation: Some(self.mask.segmentation().clone()),
            score: Some(self.score),
            ..Default::default()
        }
    }

    fn has_box_beside(&self) -> bool {
        self.bbox.is_some()
    }

    fn of_file(prediction: file::Prediction, category_id: u64, _: &Image) -> Result<MaskDetection, Error> {
        let file::Prediction { bbox, mask, score, .. } = prediction;
        // As pycocotools' `loadRes`: a box without a mask is a mask too.
        let mask = mask.map(|mask| *mask).or_else(|| bbox.map(Mask::of_box));
        let mask = mask.ok_or_else(|| Error::Mask { problem: "there is none".to_owned() })?;
        Ok(MaskDetection { category_id, mask, bbox, score })
    }
}
