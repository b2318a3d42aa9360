//! Masks of objects, in COCO's formats.

use ::coco::Segmentation;
use serde::{Deserialize, Serialize};

use super::annotation::Image;
use crate::Error;
use crate::checks::finite;

/// The pixels of an object: polygons, or run lengths as a list or as COCO's string.
///
/// Reads and writes the `segmentation` of COCO's files. Polygons become pixels by the rules of pycocotools 2.0.11, when their
/// image is matched.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mask(pub(super) Segmentation);

impl Mask {
    /// The union of polygons; each is x, y, x, y, ... in pixels.
    pub fn polygons(polygons: Vec<Vec<f64>>) -> Mask {
        Mask(Segmentation::Polygon(polygons))
    }

    /// Alternating runs of background and object, down the columns of an image of `[height, width]`.
    pub fn runs(size: [u32; 2], counts: Vec<u32>) -> Mask {
        Mask(Segmentation::UncompressedRle { size, counts })
    }

    /// Runs as the string of pycocotools' `encode`.
    pub fn compressed(size: [u32; 2], counts: String) -> Mask {
        Mask(Segmentation::CompressedRle { size, counts })
    }

    /// Checks that this is a mask of the image: the engine would use an empty mask instead of one that is not.
    pub(super) fn check(&self, image: &Image) -> Result<(), Error> {
        let invalid = |problem| Err(Error::Mask { problem });
        let Some(size) = size_for_masks(image) else {
            return invalid(format!("its image is of {} x {} pixels (height x width)", image.height, image.width));
        };
        match &self.0 {
            Segmentation::Polygon(polygons) if polygons.is_empty() => return invalid("there is none".to_owned()),
            Segmentation::Polygon(polygons) => {
                for (index, polygon) in polygons.iter().enumerate() {
                    if polygon.len() < 6 || polygon.len() % 2 != 0 {
                        let found = polygon.len();
                        return invalid(format!(
                            "polygon [{index}] has {found} numbers instead of x and y of 3 or more points"
                        ));
                    }
                    finite("segmentation", polygon)?;
                }
            }
            Segmentation::CompressedRle { size: found, .. } | Segmentation::UncompressedRle { size: found, .. }
                if *found != size =>
            {
                let ([rows, columns], [height, width]) = (found, size);
                return invalid(format!(
                    "it is of {rows} x {columns} pixels (height x width), its image of {height} x {width}"
                ));
            }
            _ => {}
        }
        let Some(runs) = self.0.rle_ref() else { return Ok(()) };
        let runs = runs.to_rle().map_err(|error| Error::Mask { problem: error.to_string() })?;
        let covered: u64 = runs.counts.iter().map(|&run| u64::from(run)).sum();
        let pixels = size.map(u64::from).iter().product::<u64>();
        if covered == pixels { Ok(()) } else { invalid(format!("its runs end after {covered} of {pixels} pixels")) }
    }
}

/// Height and width of an image that can have masks.
pub(super) fn size_for_masks(image: &Image) -> Option<[u32; 2]> {
    let side = |side: usize| u32::try_from(side).ok().filter(|&side| side > 0);
    let (height, width) = side(image.height).zip(side(image.width))?;
    height.checked_mul(width).map(|_| [height, width])
}
