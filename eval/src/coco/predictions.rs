//! Detections, and COCO's results file: a JSON array of `{image_id, category_id, bbox, score}`, or with a `segmentation` in
//! place of the box.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::mask::Mask;
use crate::checks::finite;
use crate::file::{PendingFile, read_json};
use crate::{Error, Place};

const EXPECTED: &str = "a COCO results file, an array of predictions";

/// A detection on a known image.
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    /// The detector's confidence; only the order counts.
    pub score: f64,
}

/// An element of a results file with masks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaskPrediction {
    /// The image's id in the ground truth.
    pub image_id: u64,
    /// The category's id in the ground truth.
    pub category_id: u64,
    /// The object's pixels on the annotated image.
    #[serde(rename = "segmentation")]
    pub mask: Mask,
    /// The detector's confidence; only the order counts.
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
/// Written numbers read back to the same bits. The file gets its name, synced, only at [`finish`](Self::finish); a file that
/// was there before stays until then, and stays when the writer is dropped.
pub struct PredictionWriter {
    file: PendingFile,
    written: usize,
}

impl PredictionWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub fn create(path: impl AsRef<Path>) -> Result<PredictionWriter, Error> {
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| out.write_all(b"["))?;
        Ok(PredictionWriter { file, written: 0 })
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
        self.file.write(|out| {
            out.write_all(separator)?;
            Ok(serde_json::to_writer(out, prediction)?)
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

/// Reads a COCO results file of this or another program; other keys than the four are ignored.
///
/// # Errors
/// The file cannot be read, is cut short, or is not an array of predictions with boxes and scores, with the place.
pub fn read_predictions(path: impl AsRef<Path>) -> Result<Vec<Prediction>, Error> {
    read_json(path.as_ref(), b'[', EXPECTED)
}

/// Reads a COCO results file with masks: run lengths, compressed or not, or polygons; other keys than the four are ignored.
///
/// # Errors
/// The file cannot be read, is cut short, or is not an array of predictions with masks and scores, with the place.
pub fn read_mask_predictions(path: impl AsRef<Path>) -> Result<Vec<MaskPrediction>, Error> {
    read_json(path.as_ref(), b'[', EXPECTED)
}
