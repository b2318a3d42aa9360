//! Masks and their images.

use annotation_files::coco::Mask;

use super::annotation::Image;
use crate::Error;

/// Checks that a mask is one of its image: the engine would use an empty mask instead of one that is not.
pub(super) fn check(mask: &Mask, image: &Image) -> Result<(), Error> {
    let size = size_for_masks(image).ok_or_else(|| Error::Mask {
        problem: format!("its image is of {} x {} pixels (height x width)", image.height, image.width),
    })?;
    mask.check(size).map_err(|problem| Error::Mask { problem })
}

/// Height and width of an image that can have masks.
pub(super) fn size_for_masks(image: &Image) -> Option<[u32; 2]> {
    let side = |side: usize| u32::try_from(side).ok().filter(|&side| side > 0);
    let (height, width) = side(image.height).zip(side(image.width))?;
    height.checked_mul(width).map(|_| [height, width])
}
