//! The results file: a list of predictions.

use std::cell::Cell;
use std::path::Path;

use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use super::document::{self, Error};
use super::field::{Scalar, bbox};
use super::file::{Geometry, Records, problem};
use super::id::Id;
use super::mask::Mask;
use super::problem::{Problem, RecordKind};

const EXPECTED: &str = "a COCO results file, an array of predictions";
const PREDICTION: [&str; 5] = ["image_id", "category_id", "bbox", "segmentation", "score"];

/// What pycocotools takes the predictions of a file for, by the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Boxes, with or without masks: a prediction's area is its box's.
    Boxes,
    /// Masks: a prediction's box and area are its mask's.
    Masks,
}

/// The predictions of a file.
#[derive(Debug, Clone)]
pub struct Results {
    /// Boxes or masks; boxes for a file without predictions.
    pub kind: Kind,
    /// The predictions, in the file's order.
    pub predictions: Vec<Prediction>,
}

/// A prediction.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The image's id.
    pub image_id: Id,
    /// The category's id.
    pub category_id: Id,
    /// x, y, width, height in pixels, all finite; `None` in a file of masks only.
    pub bbox: Option<[f64; 4]>,
    /// Read with [`Geometry::Masks`], and from a file of masks.
    pub mask: Option<Box<Mask>>,
    /// Finite.
    pub score: f64,
}

/// A file, and the first of its predictions that cannot be used.
pub type Read = Result<Results, Problem>;

impl Results {
    /// Reads a file. With [`Geometry::Masks`] the masks beside boxes are read too.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Json`] where it is malformed or cut short, [`Error::Format`] where it is no
    /// JSON array. In the inner result the first prediction that cannot be used: a metric of the others would be another one.
    pub fn read(path: &Path, geometry: Geometry) -> Result<Read, Error> {
        document::read(path, EXPECTED, b'[', |text| {
            let mut parser = serde_json::Deserializer::from_str(text);
            let kind = Cell::new(None);
            let mut records = Records::new("predictions", RecordKind::Prediction);
            records
                .reader(&PREDICTION, |index, fields| prediction(index, fields, geometry, &kind))
                .deserialize(&mut parser)?;
            parser.end()?;
            let (predictions, problems) = records.finish::<serde_json::Error>()?;
            let kind = kind.get().unwrap_or(Kind::Boxes);
            Ok(problems.into_iter().next().map_or(Ok(Results { kind, predictions }), Err))
        })
    }
}

fn prediction(
    index: usize,
    fields: &[Option<&RawValue>; 5],
    geometry: Geometry,
    kind: &Cell<Option<Kind>>,
) -> Result<Prediction, Problem> {
    let [image_id, category_id, raw_bbox, segmentation, score] = *fields;
    let image = Id::read(&Scalar::of(image_id));
    let known = image.as_ref().ok().cloned();
    let wrong =
        |field, reason| Problem { image: known.clone(), ..problem(RecordKind::Prediction, index, field, reason) };
    let image_id = image.map_err(|reason| wrong("image_id", reason))?;
    let category_id = Id::read(&Scalar::of(category_id)).map_err(|reason| wrong("category_id", reason))?;
    let kind = kind.get().unwrap_or_else(|| {
        let of_first = if has_box(raw_bbox) || segmentation.is_none() { Kind::Boxes } else { Kind::Masks };
        kind.set(Some(of_first));
        of_first
    });
    let bbox = match kind {
        Kind::Boxes => Some(bbox(raw_bbox).map_err(|reason| wrong("bbox", reason))?),
        Kind::Masks => None,
    };
    let mask = match (kind, geometry) {
        (Kind::Boxes, Geometry::Boxes) => None,
        _ => Mask::read(segmentation).map_err(|reason| wrong("segmentation", reason))?,
    };
    if kind == Kind::Masks && mask.is_none() {
        let found = Scalar::of(segmentation);
        let empty = matches!(found, Scalar::List);
        return Err(wrong("segmentation", if empty { "is empty".to_owned() } else { found.describe() }));
    }
    let found = Scalar::of(score);
    match found.float() {
        Ok(Some(score)) if score.is_finite() => {
            Ok(Prediction { image_id, category_id, bbox, mask: mask.map(Box::new), score })
        }
        _ => Err(wrong("score", found.describe())),
    }
}

fn has_box(raw: Option<&RawValue>) -> bool {
    match Scalar::of(raw) {
        Scalar::Missing | Scalar::Null => false,
        Scalar::List => raw.is_some_and(|raw| raw.get()[1..].trim_start() != "]"),
        _ => true,
    }
}
