//! Images of class ids, one byte per pixel: reading and writing PNG, and the colours of classes.

use serde::{Deserialize, Serialize};
use std::path::Path;

use crate::Error;
use crate::image::{Encoded, MaskPixels, Orientation, Size, write_palette};

/// For each pixel a class, from 0, or the index of ignored pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[H, W]`: `height * width` bytes, rows from the top, pixels from the left.
    pub data: Vec<u8>,
}

impl Mask {
    /// A mask of one class.
    pub fn filled(size: Size, class: u8) -> Mask {
        Mask { height: size.height, width: size.width, data: vec![class; size.pixels()] }
    }

    /// Reads the numbers in a file's stored pixels: indices into the palette (not its colours), or grey levels.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Decode`] where the file is damaged, of a format with loss (JPEG), or has colours,
    /// [`Error::MaskId`] with the first pixel whose number (of 16 bits) exceeds 255.
    pub fn read(path: &Path) -> Result<Mask, Error> {
        Mask::of_numbers(MaskPixels::read(path, Orientation::Stored)?, path)
    }

    /// As [`Mask::read`], from a file's bytes; `origin` names them in errors.
    ///
    /// # Errors
    /// As for [`Mask::read`].
    pub fn decode(bytes: Vec<u8>, origin: &Path) -> Result<Mask, Error> {
        Mask::of_numbers(Encoded::new(bytes, origin)?.mask_pixels(Orientation::Stored)?, origin)
    }

    fn of_numbers(pixels: MaskPixels, path: &Path) -> Result<Mask, Error> {
        Mask::mapped(pixels.numbers(path)?, path, |id| u8::try_from(id).map_err(|_| "more than 255".to_owned()))
    }

    /// The mask whose file holds these numbers.
    pub(crate) fn mapped(
        (size, numbers): (Size, Vec<u16>),
        path: &Path,
        class: impl Fn(u16) -> Result<u8, String>,
    ) -> Result<Mask, Error> {
        let mut data = Vec::with_capacity(numbers.len());
        for (place, &id) in numbers.iter().enumerate() {
            data.push(class(id).map_err(|problem| {
                let (x, y) = (place % size.width, place / size.width);
                Error::MaskId { path: path.to_path_buf(), id, x, y, problem }
            })?);
        }
        Ok(Mask { height: size.height, width: size.width, data })
    }

    /// A PNG with a palette of red, green, blue triples, as in VOC.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the buffer does not fit the size, or a class has no colour.
    pub fn encode(&self, palette: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |reason: String| Error::Pixels { operation: "encode", size: self.size(), reason };
        let last = self.data.iter().copied().max().map_or(0, usize::from);
        if last * 3 + 3 > palette.len() {
            return Err(failed(format!("class {last} is beyond the palette of {} colours", palette.len() / 3)));
        }
        write_palette(self.size(), &self.data, palette).map_err(|error| failed(error.to_string()))
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        Size { height: self.height, width: self.width }
    }
}

/// The 256 colours of the VOC kit, as red, green, blue triples: the bits of the class go to the channels in turn, from their
/// highest bit down.
pub fn voc_palette() -> Vec<u8> {
    let colour = |class: usize| {
        [0, 1, 2].map(|channel| {
            (0..3).fold(0u8, |level, bit| level | ((class >> (3 * bit + channel) & 1) as u8) << (7 - bit))
        })
    };
    (0..256).flat_map(colour).collect()
}
