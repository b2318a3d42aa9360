//! A picture with its marks as pixels, for programs that show images alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datasets::draw::{self, Label};
use datasets::mask::Mask;
use datasets::{Encoding, Image, PixelOptions, Size};
use std::path::Path;

use super::example::{JPEG_QUALITY, Mark, OPACITY, Picture, Shape};
use super::run::USUAL_THRESHOLD;
use crate::failure::Failure;

/// The columns between truth and prediction.
const GAP: usize = 4;

/// An image file.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFile {
    /// Its size in pixels.
    pub size: Size,
    /// The file, as JPEG.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// The truth, and beside it the prediction: what has a score from the usual threshold on, and the first of predictions for the
    /// picture as a whole.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn truth_beside_prediction(&self) -> Result<ImageFile, Failure> {
        let shown = |mark: &&Mark| {
            !matches!(mark.shape, Shape::Box(_)) || mark.score.is_none_or(|score| score >= USUAL_THRESHOLD)
        };
        let [left, right] = [&self.truth, &self.prediction].map(|marks| self.drawn(marks.iter().filter(shown)));
        let (left, right) = (left?, right?);
        let size = Size { height: self.height, width: 2 * self.width + GAP };
        let row = 3 * self.width;
        let rows = left.data.chunks_exact(row).zip(right.data.chunks_exact(row));
        let data = rows.flat_map(|(left, right)| [left, &[0; 3 * GAP], right].concat()).collect();
        let image = Image::new(size, 3, data);
        let bytes = image.encode(Encoding::Jpeg(JPEG_QUALITY)).map_err(Failure::failed)?;
        Ok(ImageFile { size, bytes })
    }

    /// The picture with marks on it, masks below boxes.
    fn drawn<'a>(&self, marks: impl Iterator<Item = &'a Mark>) -> Result<Image, Failure> {
        let place = Path::new("a picture of a page");
        let mut image = Image::decode(bytes(&self.image)?, place, &PixelOptions::default()).map_err(Failure::failed)?;
        let mut labels: Vec<Label> = Vec::new();
        for mark in marks {
            let bbox = match &mark.shape {
                Shape::Box(bbox) => *bbox,
                Shape::Whole if labels.is_empty() => [0.0, 0.0, self.width as f64, self.height as f64],
                Shape::Whole => continue,
                Shape::Mask(layer) => {
                    let covered = Mask::decode(bytes(layer)?, place).map_err(Failure::failed)?;
                    let palette = [[0; 3], draw::class_colour(mark.class)].concat();
                    let alpha = f64::from(OPACITY) / 255.0;
                    draw::mask(&mut image, &covered, &palette, alpha, &[0]).map_err(Failure::failed)?;
                    continue;
                }
            };
            let score = mark.score.map(|score| format!(" {score:.2}")).unwrap_or_default();
            labels.push(Label { bbox, text: format!("{}{score}", mark.name), class: mark.class });
        }
        draw::boxes(&mut image, &labels).map_err(Failure::failed)?;
        Ok(image)
    }
}

/// What a data address holds.
fn bytes(address: &str) -> Result<Vec<u8>, Failure> {
    let (_, text) = address.split_once(',').unwrap_or_default();
    STANDARD.decode(text).map_err(Failure::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(file: &ImageFile) -> Image {
        Image::decode(file.bytes.clone(), Path::new("test"), &PixelOptions::default()).expect("a JPEG")
    }

    /// Whether the middle of a side of the picture of 40 x 30 pixels, or a place in it, is grey still.
    fn is_grey(image: &Image, [x, y]: [usize; 2]) -> bool {
        let at = 3 * (y * image.width + x);
        image.data[at..at + 3].iter().all(|level| level.abs_diff(128) < 25)
    }

    #[test]
    fn truth_is_left_and_the_prediction_right_with_what_is_certain_enough() -> Result<(), Failure> {
        let size = Size { height: 30, width: 40 };
        let mut picture = Picture::of(&Image::filled(size, [128; 3]), size)?;
        let box_of = |score| Mark::new(0, "", score, Shape::Box([10.0, 8.0, 20.0, 16.0]));
        picture.truth = vec![box_of(None)];
        picture.prediction = vec![box_of(Some(0.2))];
        let file = picture.truth_beside_prediction()?;
        assert_eq!((file.size, decoded(&file).size()), (Size { height: 30, width: 84 }, file.size));
        let edges = |picture: &Picture| -> Result<[bool; 2], Failure> {
            let image = decoded(&picture.truth_beside_prediction()?);
            Ok([[10, 16], [54, 16]].map(|place| !is_grey(&image, place)))
        };
        assert_eq!(edges(&picture)?, [true, false]);
        picture.prediction = vec![box_of(Some(0.9))];
        assert_eq!(edges(&picture)?, [true, true]);
        Ok(())
    }

    #[test]
    fn masks_and_names_of_the_whole_are_drawn() -> Result<(), Failure> {
        let size = Size { height: 30, width: 40 };
        let mut picture = Picture::of(&Image::filled(size, [128; 3]), size)?;
        let mask = Mask { data: [vec![0; 600], vec![1; 600]].concat(), ..Mask::filled(size, 0) };
        picture.prediction = picture.layers(&mask, &["background", "road"], &[0])?;
        picture.truth = vec![Mark::new(0, "road", None, Shape::Whole), Mark::new(5, "sky", None, Shape::Whole)];
        let image = decoded(&picture.truth_beside_prediction()?);
        assert_eq!([[64, 5], [64, 25]].map(|place| is_grey(&image, place)), [true, false]);
        assert_eq!([[2, 1], [20, 25]].map(|place| is_grey(&image, place)), [false, true]);
        Ok(())
    }
}
