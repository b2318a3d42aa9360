//! Masks of objects, in COCO's spellings.

use ::coco::Segmentation;
use serde::{Deserialize, Serialize};

use super::ground_truth::{Image, finite};
use crate::{Entry, Error};

/// The pixels of an object: polygons, or run lengths as a list or as COCO's string.
///
/// Reads and writes what stands under `segmentation` in COCO's files. Polygons become pixels by the rules of pycocotools
/// 2.0.11, when their image is matched.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mask(pub(super) Segmentation);

impl Mask {
    /// What any of the polygons covers; each is x, y, x, y, ... in pixels.
    pub fn polygons(polygons: Vec<Vec<f64>>) -> Mask {
        Mask(Segmentation::Polygon(polygons))
    }

    /// Runs of background and object in turns, down the columns of an image of `[height, width]`.
    pub fn runs(size: [u32; 2], counts: Vec<u32>) -> Mask {
        Mask(Segmentation::UncompressedRle { size, counts })
    }

    /// Runs as the string that pycocotools' `encode` makes of them.
    pub fn compressed(size: [u32; 2], counts: String) -> Mask {
        Mask(Segmentation::CompressedRle { size, counts })
    }

    /// Whether this is a mask of the image. The engine takes what is not for an empty one without a word.
    pub(super) fn check(&self, entry: Entry, image: &Image) -> Result<(), Error> {
        let size = canvas(image)?;
        let wrong = |problem| Error::Mask { entry, problem };
        if let Some(polygons) = self.0.polygons() {
            if polygons.is_empty() {
                return Err(Error::NoMask { entry });
            }
            for (index, polygon) in polygons.iter().enumerate() {
                if polygon.len() < 6 || polygon.len() % 2 != 0 {
                    let found = polygon.len();
                    return Err(wrong(format!(
                        "polygon [{index}] has {found} numbers, not x and y of 3 or more points"
                    )));
                }
                finite(entry, "segmentation", polygon)?;
            }
        }
        let Some(runs) = self.0.rle_ref() else { return Ok(()) };
        let (Segmentation::CompressedRle { size: found, .. } | Segmentation::UncompressedRle { size: found, .. }) =
            &self.0
        else {
            return Ok(());
        };
        if *found != size {
            let ([rows, columns], [height, width]) = (found, size);
            return Err(wrong(format!(
                "it is of {rows} x {columns} pixels (height x width), its image of {height} x {width}"
            )));
        }
        let runs = runs.to_rle().map_err(|error| wrong(error.to_string()))?;
        let covered: u64 = runs.counts.iter().map(|&run| u64::from(run)).sum();
        let pixels = size.map(u64::from).iter().product::<u64>();
        if covered == pixels { Ok(()) } else { Err(wrong(format!("its runs end after {covered} of {pixels} pixels"))) }
    }
}

/// Height and width of an image that can have masks.
pub(super) fn canvas(image: &Image) -> Result<[u32; 2], Error> {
    let side = |side: usize| u32::try_from(side).ok().filter(|&side| side > 0);
    let sides = side(image.height).zip(side(image.width));
    let sides = sides.filter(|&(height, width)| height.checked_mul(width).is_some());
    sides.map(|(height, width)| [height, width]).ok_or(Error::NoSize {
        image_id: image.id,
        height: image.height,
        width: image.width,
    })
}
