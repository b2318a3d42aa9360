//! What a detector says, and COCO's results file: a JSON array of `{image_id, category_id, bbox, score}`, or of the same with
//! a `segmentation` in place of the box.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ground_truth::finite;
use super::mask::Mask;
use crate::file::{PendingFile, read_json};
use crate::{Entry, Error};

/// A detection on an image that is known from where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// x, y, width, height in pixels of the image as annotated, not of the network's input.
    pub bbox: [f64; 4],
    /// How sure the detector is; only the order counts.
    pub score: f64,
}

impl Detection {
    pub(super) fn finite(&self, entry: Entry) -> Result<(), Error> {
        finite(entry, "bbox", &self.bbox)?;
        finite(entry, "score", &[self.score])
    }
}

/// An element of a results file: a detection with its image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The image's id in the ground truth.
    pub image_id: u64,
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// x, y, width, height in pixels of the image as annotated.
    pub bbox: [f64; 4],
    /// How sure the detector is; only the order counts.
    pub score: f64,
}

impl Prediction {
    /// The prediction without its image.
    pub fn detection(&self) -> Detection {
        Detection { category_id: self.category_id, bbox: self.bbox, score: self.score }
    }
}

/// A detection with a mask, on an image that is known from where it stands.
#[derive(Debug, Clone)]
pub struct MaskDetection {
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// The object's pixels, on an image as annotated.
    pub mask: Mask,
    /// How sure the detector is; only the order counts.
    pub score: f64,
}

/// An element of a results file with masks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaskPrediction {
    /// The image's id in the ground truth.
    pub image_id: u64,
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// The object's pixels, on an image as annotated.
    #[serde(rename = "segmentation")]
    pub mask: Mask,
    /// How sure the detector is; only the order counts.
    pub score: f64,
}

impl MaskPrediction {
    /// The prediction without its image.
    pub fn detection(self) -> MaskDetection {
        MaskDetection { category_id: self.category_id, mask: self.mask, score: self.score }
    }
}

/// Writes a COCO results file while predictions are made.
///
/// Numbers are written in the shortest form that reads back to the same bits. The file takes its place, synced, only at
/// [`finish`](Self::finish); until then, and when the writer is dropped, the place keeps what it had.
pub struct PredictionWriter {
    file: PendingFile,
    written: usize,
}

impl PredictionWriter {
    /// Opens the file that is to stand at `path`.
    ///
    /// # Errors
    /// A folder that is absent or cannot be written to.
    pub fn create(path: impl AsRef<Path>) -> Result<PredictionWriter, Error> {
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| out.write_all(b"["))?;
        Ok(PredictionWriter { file, written: 0 })
    }

    /// Writes the detections of an image.
    ///
    /// # Errors
    /// A box or score that is not finite, which JSON cannot hold; a file that cannot be written.
    pub fn add(&mut self, image_id: u64, detections: &[Detection]) -> Result<(), Error> {
        for (index, detection) in detections.iter().enumerate() {
            detection.finite(Entry::Detection { image_id, index })?;
            let &Detection { category_id, bbox, score } = detection;
            self.element(&Prediction { image_id, category_id, bbox, score })?;
        }
        Ok(())
    }

    /// Ends the file, syncs it and puts it in its place; returns the number of predictions in it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self) -> Result<usize, Error> {
        self.file.write(|out| out.write_all(b"]\n"))?;
        self.file.commit()?;
        Ok(self.written)
    }

    fn element(&mut self, prediction: &Prediction) -> Result<(), Error> {
        let separator: &[u8] = if self.written == 0 { b"" } else { b",\n" };
        self.file.write(|out| {
            out.write_all(separator)?;
            Ok(serde_json::to_writer(out, prediction)?)
        })?;
        self.written += 1;
        Ok(())
    }
}

/// Writes a COCO results file from predictions at hand; returns how many.
///
/// # Errors
/// As [`PredictionWriter`].
pub fn write_predictions(
    path: impl AsRef<Path>,
    predictions: impl IntoIterator<Item = Prediction>,
) -> Result<usize, Error> {
    let mut writer = PredictionWriter::create(path)?;
    for (index, prediction) in predictions.into_iter().enumerate() {
        prediction.detection().finite(Entry::Prediction { index })?;
        writer.element(&prediction)?;
    }
    writer.finish()
}

/// Reads a COCO results file, this crate's or another's; keys beside the four are passed over.
///
/// # Errors
/// A file that cannot be read, is cut short, or is no array of predictions with boxes and scores, with the place.
pub fn read_predictions(path: impl AsRef<Path>) -> Result<Vec<Prediction>, Error> {
    read_json(path.as_ref(), b'[', "a COCO results file, an array of predictions")
}

/// Reads a COCO results file with masks: run lengths, compressed or not, or polygons; keys beside the four are passed over.
///
/// # Errors
/// A file that cannot be read, is cut short, or is no array of predictions with masks and scores, with the place.
pub fn read_mask_predictions(path: impl AsRef<Path>) -> Result<Vec<MaskPrediction>, Error> {
    read_json(path.as_ref(), b'[', "a COCO results file, an array of predictions")
}
