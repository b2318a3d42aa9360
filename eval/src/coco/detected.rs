//! What a detector may say of where an object is: a box or a mask.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ground_truth::Image;
use super::predictions::{Detection, MaskDetection, read_mask_predictions, read_predictions};
use crate::{Entry, Error};

/// What overlaps are taken of; pycocotools' `iouType`.
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

/// What the evaluation needs to know of either; the module is private, which leaves no third.
pub trait Shape: Clone {
    const IOU_TYPE: IouType;

    fn category_id(&self) -> u64;

    /// Whether it can be evaluated on its image.
    fn check(&self, entry: Entry, image: &Image) -> Result<(), Error>;

    /// The detection as the engine takes it.
    fn engine(&self, image_id: u64) -> ::coco::Annotation;

    /// The detections of a results file, each with its image.
    fn read(path: &Path) -> Result<Vec<(u64, Self)>, Error>;
}

impl Shape for Detection {
    const IOU_TYPE: IouType = IouType::Bbox;

    fn category_id(&self) -> u64 {
        self.category_id
    }

    fn check(&self, entry: Entry, _: &Image) -> Result<(), Error> {
        self.finite(entry)
    }

    fn engine(&self, image_id: u64) -> ::coco::Annotation {
        ::coco::Annotation {
            image_id,
            category_id: self.category_id,
            bbox: Some(self.bbox),
            score: Some(self.score),
            ..Default::default()
        }
    }

    fn read(path: &Path) -> Result<Vec<(u64, Detection)>, Error> {
        let predictions = read_predictions(path)?;
        Ok(predictions.into_iter().map(|prediction| (prediction.image_id, prediction.detection())).collect())
    }
}

impl Shape for MaskDetection {
    const IOU_TYPE: IouType = IouType::Segm;

    fn category_id(&self) -> u64 {
        self.category_id
    }

    fn check(&self, entry: Entry, image: &Image) -> Result<(), Error> {
        if !self.score.is_finite() {
            return Err(Error::NotFinite { entry, field: "score", value: self.score });
        }
        self.mask.check(entry, image)
    }

    fn engine(&self, image_id: u64) -> ::coco::Annotation {
        ::coco::Annotation {
            image_id,
            category_id: self.category_id,
            segmentation: Some(self.mask.0.clone()),
            score: Some(self.score),
            ..Default::default()
        }
    }

    fn read(path: &Path) -> Result<Vec<(u64, MaskDetection)>, Error> {
        let predictions = read_mask_predictions(path)?;
        Ok(predictions.into_iter().map(|prediction| (prediction.image_id, prediction.detection())).collect())
    }
}
