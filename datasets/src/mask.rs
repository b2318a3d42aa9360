//! Images of class ids, one byte per pixel: reading and writing PNG, and the colours of classes.

use serde::{Deserialize, Serialize};
use std::path::Path;

use crate::Error;
use crate::image::{Encoded, MaskPixels, Orientation, Palette, Size, write_bits, write_indices, write_palette};

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

    /// The mask at another size: each pixel takes the class at its centre.
    #[must_use]
    pub fn resize(&self, size: Size) -> Mask {
        let places = |from: usize, to: usize| (0..to).map(move |place| (2 * place + 1) * from / (2 * to.max(1)));
        let row = |y: usize| places(self.width, size.width).map(move |x| self.data[y * self.width + x]);
        let data = places(self.height, size.height).flat_map(row).collect();
        Mask { height: size.height, width: size.width, data }
    }

    /// A PNG to lay over an image: the pixels of one class in a colour (red, green, blue, opacity), the others transparent.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the buffer does not fit the size.
    pub fn layer(&self, class: u8, [red, green, blue, opacity]: [u8; 4]) -> Result<Vec<u8>, Error> {
        let covered: Vec<bool> = self.data.iter().map(|&pixel| pixel == class).collect();
        let palette = Palette { colours: &[0, 0, 0, red, green, blue], opacities: &[0, opacity] };
        write_bits(self.size(), &covered, &palette).map_err(|error| Error::Pixels {
            operation: "encode",
            size: self.size(),
            reason: error.to_string(),
        })
    }

    /// A PNG to lay over an image: each class in its colour (red, green, blue, opacity).
    ///
    /// # Errors
    /// [`Error::Pixels`] where the buffer does not fit the size.
    pub fn overlay(&self, colour: impl Fn(u8) -> [u8; 4]) -> Result<Vec<u8>, Error> {
        let colours: Vec<[u8; 4]> = (0..=u8::MAX).map(colour).collect();
        let (levels, opacities): (Vec<[u8; 3]>, Vec<u8>) =
            colours.iter().map(|&[red, green, blue, opacity]| ([red, green, blue], opacity)).unzip();
        let palette = Palette { colours: &levels.concat(), opacities: &opacities };
        write_indices(self.size(), &self.data, &palette).map_err(|error| Error::Pixels {
            operation: "encode",
            size: self.size(),
            reason: error.to_string(),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of a PNG as red, green, blue and opacity: the readers drop the opacity.
    fn pixels(file: Vec<u8>) -> Vec<u8> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a small image")];
        reader.next_frame(&mut pixels).expect("its pixels");
        pixels
    }

    #[test]
    fn a_smaller_mask_has_the_classes_at_the_centres_of_its_pixels() {
        let mask = Mask { height: 2, width: 6, data: vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };
        assert_eq!(mask.resize(Size { height: 1, width: 2 }).data, [7, 10]);
        assert_eq!(mask.resize(mask.size()), mask);
        let larger = mask.resize(Size { height: 4, width: 6 });
        assert_eq!((&larger.data[..6], &larger.data[18..]), (&mask.data[..6], &mask.data[6..]));
    }

    #[test]
    fn a_layer_has_one_class_and_is_transparent_elsewhere() {
        let mask = Mask { height: 2, width: 9, data: vec![7, 1, 1, 1, 1, 1, 1, 1, 7, 1, 7, 1, 1, 1, 1, 1, 1, 1] };
        let layer = pixels(mask.layer(7, [200, 100, 50, 128]).expect("the buffer fits"));
        assert_eq!(layer.len(), 4 * mask.data.len());
        for (pixel, &class) in layer.chunks_exact(4).zip(&mask.data) {
            assert_eq!(pixel, if class == 7 { [200, 100, 50, 128] } else { [0; 4] });
        }
        let all = mask.overlay(|class| [class, 2, 3, if class == 7 { 90 } else { 0 }]).expect("the buffer fits");
        assert_eq!(pixels(all)[..8], [7, 2, 3, 90, 1, 2, 3, 0]);
        assert!(Mask { height: 3, width: 9, ..mask }.layer(7, [0; 4]).is_err());
    }
}
