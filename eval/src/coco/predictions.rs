//! Detections, and COCO's results file: a JSON array of `{image_id, category_id, bbox, score}`, or with a `segmentation` in
//! place of the box.

use std::io::Write;
use std::path::Path;

use annotation_files::coco::{FileIds, Geometry, Id, Mask, Results};
use serde::{Deserialize, Serialize};

use crate::checks::finite;
use crate::file::{PendingFile, unreadable};
use crate::{Error, Place};

/// A detection on a known image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// x, y, width, height in pixels of the annotated image, not of the network's input.
    pub bbox: [f64; 4],
    /// The detector's confidence; only the order counts.
    pub score: f64,
}

impl Detection {
    pub(super) fn check_finite(&self) -> Result<(), Error> {
        finite("bbox", &self.bbox)?;
        finite("score", &[self.score])
    }
}

/// An element of a results file: a detection with its image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prediction {
    /// The image's id in the ground truth.
    pub image_id: u64,
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// x, y, width, height in pixels of the annotated image.
    pub bbox: [f64; 4],
    /// The detector's confidence; only the order counts.
    pub score: f64,
}

impl Prediction {
    /// The prediction without its image.
    pub fn detection(&self) -> Detection {
        Detection { category_id: self.category_id, bbox: self.bbox, score: self.score }
    }
}

/// A detection with a mask, on a known image.
#[derive(Debug, Clone)]
pub struct MaskDetection {
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// The object's pixels on the annotated image.
    pub mask: Mask,
    /// A box whose area is the detection's, as pycocotools takes it from a file with boxes beside masks; the mask's area without.
    pub bbox: Option<[f64; 4]>,
    /// The detector's confidence; only the order counts.
    pub score: f64,
}

/// Writes a COCO results file while predictions are made.
///
/// Written numbers read back to the same bits. The file gets its name, synced, only at [`finish`](Self::finish); a file that
/// was there before stays until then, and stays when the writer is dropped.
pub struct PredictionWriter {
    file: PendingFile,
    ids: FileIds,
    written: usize,
}

/// A prediction as it is written.
#[derive(Serialize)]
struct Written {
    image_id: Id,
    category_id: Id,
    bbox: [f64; 4],
    score: f64,
}

impl PredictionWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub fn create(path: impl AsRef<Path>) -> Result<PredictionWriter, Error> {
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| out.write_all(b"["))?;
        Ok(PredictionWriter { file, ids: FileIds::default(), written: 0 })
    }

    /// The same file, with these ids in place of their numbers.
    #[must_use]
    pub fn with_ids(self, ids: FileIds) -> PredictionWriter {
        PredictionWriter { ids, ..self }
    }

    /// Writes the detections of an image.
    ///
    /// # Errors
    /// A box or score is not finite, which JSON cannot represent; the file cannot be written.
    pub fn add(&mut self, image_id: u64, detections: &[Detection]) -> Result<(), Error> {
        for (index, detection) in detections.iter().enumerate() {
            let place =
                |error: Error| error.within(Place::element("detections", index)).within(Place::image_id(image_id));
            detection.check_finite().map_err(place)?;
            let &Detection { category_id, bbox, score } = detection;
            self.write(&Prediction { image_id, category_id, bbox, score })?;
        }
        Ok(())
    }

    /// Ends the file, syncs it and gives it its name; returns the number of predictions in it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<usize, Error> {
        self.file.write(|out| out.write_all(b"]\n"))?;
        self.file.commit()?;
        Ok(self.written)
    }

    fn write(&mut self, prediction: &Prediction) -> Result<(), Error> {
        let separator: &[u8] = if self.written == 0 { b"" } else { b",\n" };
        let &Prediction { image_id, category_id, bbox, score } = prediction;
        let (image_id, category_id) = (self.ids.images.id(image_id), self.ids.categories.id(category_id));
        self.file.write(|out| {
            out.write_all(separator)?;
            Ok(serde_json::to_writer(out, &Written { image_id, category_id, bbox, score })?)
        })?;
        self.written += 1;
        Ok(())
    }
}

/// Writes a COCO results file; returns the number of predictions.
///
/// # Errors
/// As [`PredictionWriter`].
pub fn write_predictions(
    path: impl AsRef<Path>,
    predictions: impl IntoIterator<Item = Prediction>,
) -> Result<usize, Error> {
    let mut writer = PredictionWriter::create(path)?;
    for (index, prediction) in predictions.into_iter().enumerate() {
        prediction.detection().check_finite().map_err(|error| error.within(Place::element("predictions", index)))?;
        writer.write(&prediction)?;
    }
    writer.finish()
}

/// Reads a COCO results file whose image and category ids are numbers from 0; other keys than the four are ignored.
///
/// # Errors
/// The file cannot be read, is cut short, or is not an array of predictions with boxes and scores, with the place.
pub fn read_predictions(path: impl AsRef<Path>) -> Result<Vec<Prediction>, Error> {
    let path = path.as_ref();
    let number = |index, what: &str, id: &Id| {
        let refused = || Error::value(what, id, "a number from 0").within(Place::element("predictions", index));
        id.number().ok_or_else(|| refused().within(Place::file(path)))
    };
    let predictions = read_results(path, Geometry::Boxes)?.predictions.into_iter().enumerate();
    let read = predictions.map(|(index, prediction)| {
        let image_id = number(index, "image_id", &prediction.image_id)?;
        let category_id = number(index, "category_id", &prediction.category_id)?;
        let no_box = || Error::read(Place::file(path), "it has masks instead of boxes");
        let bbox = prediction.bbox.ok_or_else(no_box)?;
        Ok(Prediction { image_id, category_id, bbox, score: prediction.score })
    });
    read.collect()
}

/// The predictions of a file, each of which can be used.
pub(crate) fn read_results(path: &Path, geometry: Geometry) -> Result<Results, Error> {
    let results = Results::read(path, geometry).map_err(|error| unreadable(path, error))?;
    results.map_err(|problem| Error::read(Place::file(path), problem.to_string()))
}
