//! The two kinds of detections: with boxes and with masks.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::annotation::Image;
use super::predictions::{Detection, MaskDetection, read_mask_predictions, read_predictions};
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

    /// The detections of a results file, each with its image.
    fn read(path: &Path) -> Result<Vec<(u64, Self)>, Error>;
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

    fn check(&self, image: &Image) -> Result<(), Error> {
        finite("score", &[self.score])?;
        self.mask.check(image)
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
