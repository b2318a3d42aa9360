//! An image file in memory, checked but not yet decoded: its size is known before memory for the pixels is taken.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use opencv::core::{Mat, MatTraitConst};
use opencv::imgcodecs;

use super::channels::differ;
use super::raster::{MaskPixels, Raster};
use super::tiff_pixels::Wanted;
use super::{
    Format, Header, Image, Orientation, PixelOptions, Size, bmp, gif, jpeg, one_line, png_file, pnm, set_up,
    tiff_pixels, webp,
};
use crate::Error;

/// Pillow's limit against files that state huge sizes.
pub(crate) const MAX_PIXELS: usize = 178_956_970;

/// Decoding at a fraction of the stored size. A JPEG holds 8x8 blocks of frequencies, of which libjpeg then reads only
/// the low ones: cheaper, and averaged where shrinking afterwards would alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    None,
    Half,
    Quarter,
    Eighth,
}

impl Reduction {
    /// The greatest reduction after which shrinking by `scale` still shrinks.
    pub(crate) fn for_scale(scale: f64) -> Reduction {
        match scale {
            _ if scale >= 8.0 => Reduction::Eighth,
            _ if scale >= 4.0 => Reduction::Quarter,
            _ if scale >= 2.0 => Reduction::Half,
            _ => Reduction::None,
        }
    }

    fn flag(self, colours: Colours) -> i32 {
        match (self, colours) {
            (_, Colours::Stored) => imgcodecs::IMREAD_UNCHANGED,
            (Reduction::None, Colours::Rgb) => imgcodecs::IMREAD_COLOR,
            (Reduction::Half, Colours::Rgb) => imgcodecs::IMREAD_REDUCED_COLOR_2,
            (Reduction::Quarter, Colours::Rgb) => imgcodecs::IMREAD_REDUCED_COLOR_4,
            (Reduction::Eighth, Colours::Rgb) => imgcodecs::IMREAD_REDUCED_COLOR_8,
            (Reduction::None, Colours::Grey) => imgcodecs::IMREAD_GRAYSCALE,
            (Reduction::Half, Colours::Grey) => imgcodecs::IMREAD_REDUCED_GRAYSCALE_2,
            (Reduction::Quarter, Colours::Grey) => imgcodecs::IMREAD_REDUCED_GRAYSCALE_4,
            (Reduction::Eighth, Colours::Grey) => imgcodecs::IMREAD_REDUCED_GRAYSCALE_8,
        }
    }

    /// Stored pixels per decoded pixel, on each axis.
    pub(crate) fn factor(self) -> usize {
        match self {
            Reduction::None => 1,
            Reduction::Half => 2,
            Reduction::Quarter => 4,
            Reduction::Eighth => 8,
        }
    }
}

/// What OpenCV's decoder makes of the stored pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    Rgb,
    Grey,
    /// All channels as they are; never reduced.
    Stored,
}

/// The bytes of an image file, with what they say of themselves.
pub(crate) struct Encoded {
    path: PathBuf,
    bytes: Vec<u8>,
    header: Header,
}

impl Encoded {
    pub(crate) fn read(path: &Path) -> Result<Encoded, Error> {
        Encoded::new(fs::read(path).map_err(Error::io("read", path))?, path)
    }

    pub(crate) fn new(bytes: Vec<u8>, path: &Path) -> Result<Encoded, Error> {
        let header = Header::of(&bytes, path)?;
        let complete = match header.format {
            Format::Jpeg => jpeg::check_complete(&bytes),
            Format::Png => png_file::check_complete(&bytes),
            Format::WebP => webp::check_complete(&bytes),
            // Their decoders detect it.
            Format::Bmp | Format::Tiff | Format::Pnm | Format::Gif | Format::Jp2 => Ok(()),
        };
        let encoded = Encoded { path: path.to_path_buf(), bytes, header };
        match complete {
            Ok(()) => Ok(encoded),
            Err(reason) => Err(encoded.damaged(reason)),
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The reduction with which to [`Encoded::decode`] an image that is then shrunk by `scale`: none but for JPEG.
    pub(crate) fn reduction(&self, scale: f64, orientation: Orientation) -> Reduction {
        let Header { stored: Size { height, width }, format: Format::Jpeg, .. } = self.header else {
            return Reduction::None;
        };
        // The last pixel of a reduced image may stand for fewer stored ones; as the first it would shift all others.
        let (rows, columns) = self.header.turn(orientation).reverses();
        let fits = |side: usize, reversed: bool, by: Reduction| !reversed || side.is_multiple_of(by.factor());
        let greatest = Reduction::for_scale(scale);
        let reductions = [Reduction::Eighth, Reduction::Quarter, Reduction::Half];
        let fit =
            |&by: &Reduction| by.factor() <= greatest.factor() && fits(height, rows, by) && fits(width, columns, by);
        reductions.into_iter().find(fit).unwrap_or(Reduction::None)
    }

    /// The image; without a reduction it has the header's size with this orientation.
    pub(crate) fn decode(&self, options: &PixelOptions, reduction: Reduction) -> Result<Image, Error> {
        let channels = options.channels;
        self.header.check_channels(channels, &self.path)?;
        let wanted = if matches!(channels, 1 | 3) { Wanted::Colours } else { Wanted::All };
        let image = match (self.raster(wanted)?, channels) {
            (Some(raster), _) => raster.into_image(channels, options.depth),
            (None, 3) => self.decode_by_opencv(Colours::Rgb, reduction)?,
            // Of a colour JPEG, OpenCV would take the luminance that is stored, which Pillow does not.
            (None, 1) if self.header.grey => self.decode_by_opencv(Colours::Grey, reduction)?,
            (None, 1) => self.decode_by_opencv(Colours::Rgb, reduction)?.into_grey(),
            (None, _) if self.header.format == Format::Tiff => {
                let reason =
                    format!("{channels} channels are not read from a TIFF of this compression; save it with LZW");
                return Err(self.damaged(reason));
            }
            (None, _) => self.decode_by_opencv(Colours::Stored, Reduction::None)?,
        };
        if image.channels() != channels {
            return Err(self.damaged(differ(image.channels(), channels)));
        }
        let stored = self.header.stored;
        if reduction == Reduction::None && image.size() != stored {
            return Err(self.damaged(format!("its header says {stored} pixels, but {} are in it", image.size())));
        }
        Ok(image.turned(self.header.turn(options.orientation)))
    }

    /// The pixels of a mask: numbers where they are grey or indices of a palette, otherwise colours.
    pub(crate) fn mask_pixels(&self, orientation: Orientation) -> Result<MaskPixels, Error> {
        let lossy = |what: &str| {
            self.damaged(format!("a mask cannot be a {what}, which changes the numbers of its pixels; save it as PNG"))
        };
        let pixels = match (self.raster(Wanted::Colours)?, self.header.format) {
            (Some(raster), _) => raster.into_mask().map_err(|reason| self.damaged(reason))?,
            (None, Format::WebP) if webp::is_lossless(&self.bytes) => {
                MaskPixels::of_rgb(self.decode_by_opencv(Colours::Rgb, Reduction::None)?)
            }
            (None, Format::Tiff) => return Err(lossy("TIFF of this compression, such as JPEG")),
            (None, Format::WebP) => return Err(lossy("lossy WebP")),
            (None, format) => return Err(lossy(&format.to_string())),
        };
        let turn = self.header.turn(orientation);
        Ok(match pixels {
            MaskPixels::Colours(image) => MaskPixels::Colours(image.turned(turn)),
            MaskPixels::Numbers { size, numbers, palette } => {
                let (numbers, size) = (turn.apply(size, numbers, 1), turn.size(size));
                MaskPixels::Numbers { size, numbers, palette }
            }
        })
    }

    /// The stored samples, of the formats whose decoders give them.
    fn raster(&self, wanted: Wanted) -> Result<Option<Raster>, Error> {
        let Encoded { bytes, header, .. } = self;
        let of_io = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("the {} file is cut short", header.format),
            _ => error.to_string(),
        };
        let raster = match header.format {
            Format::Png => png_file::decode(bytes, header).map(Some).map_err(|error| error.to_string()),
            Format::Bmp => bmp::decode(bytes, header.stored).map(Some).map_err(of_io),
            Format::Pnm => pnm::decode(bytes).map(Some).map_err(of_io),
            Format::Gif => gif::decode(bytes, header.stored).map(Some).map_err(|error| match error {
                ::gif::DecodingError::Io(error) => of_io(error),
                error => error.to_string(),
            }),
            Format::Tiff => tiff_pixels::decode(bytes, header, wanted).map_err(|error| match error {
                ::tiff::TiffError::IoError(error) => of_io(error),
                error => tiff_pixels::reason(&error),
            }),
            Format::Jpeg | Format::WebP | Format::Jp2 => Ok(None),
        };
        raster.map_err(|reason| self.damaged(reason))
    }

    /// The stored pixels.
    fn decode_by_opencv(&self, colours: Colours, reduction: Reduction) -> Result<Image, Error> {
        if self.header.format != Format::WebP || !self.header.animated {
            return self.bytes_by_opencv(&self.bytes, colours, reduction);
        }
        let cut_short = |_| self.damaged("the WebP file is cut short".to_owned());
        let (file, size, [left, top]) = webp::first_frame(&self.bytes).map_err(cut_short)?;
        if size.pixels() > MAX_PIXELS {
            return Err(self.damaged(format!("its first image has {size} pixels")));
        }
        // As in Pillow, the canvas is black beyond the first image.
        Ok(self.bytes_by_opencv(&file, colours, Reduction::None)?.on_canvas(self.header.stored, left, top, [0; 3]))
    }

    fn bytes_by_opencv(&self, bytes: &[u8], colours: Colours, reduction: Reduction) -> Result<Image, Error> {
        set_up();
        let flags = reduction.flag(colours) | imgcodecs::IMREAD_IGNORE_ORIENTATION;
        let failed = |error: opencv::Error| self.damaged(one_line(&error));
        let file = Mat::from_slice(bytes).map_err(failed)?;
        let matrix = imgcodecs::imdecode(&file, flags).map_err(failed)?;
        if matrix.empty() {
            return Err(self.damaged("it is damaged, or of a kind that OpenCV does not decode".to_owned()));
        }
        Image::from_opencv(&matrix).map_err(failed)
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Decode { path: self.path.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Encoding, Turn};
    use super::*;

    /// A JPEG of these sides with an EXIF orientation.
    fn turned(size: Size, orientation: u8) -> Encoded {
        let mut image = Image::filled(size, [0; 3]);
        for (place, pixel) in image.data.chunks_exact_mut(3).enumerate() {
            let (x, y) = (place % size.width, place / size.width);
            pixel.copy_from_slice(&[(x * 3) as u8, (y * 4) as u8, 90]);
        }
        let jpeg = image.encode(Encoding::Jpeg(95)).expect("an image");
        let mut exif = *b"\xFF\xE1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        exif[29] = orientation;
        Encoded::new([&jpeg[..2], &exif, &jpeg[2..]].concat(), Path::new("a.jpg")).expect("a complete file")
    }

    #[test]
    fn a_reduced_image_is_turned_too_and_no_partial_block_comes_first() {
        let stored = PixelOptions { orientation: Orientation::Stored, ..PixelOptions::default() };
        for size in [Size { height: 48, width: 72 }, Size { height: 44, width: 66 }, Size { height: 43, width: 71 }] {
            for orientation in 1..=8 {
                let encoded = turned(size, orientation);
                assert_eq!(encoded.header().orientation, orientation);
                let reduction = encoded.reduction(8.0, Orientation::Upright);
                let upright = encoded.decode(&PixelOptions::default(), reduction).expect("pixels");
                let turn = Turn::of_exif(orientation);
                assert_eq!(upright, encoded.decode(&stored, reduction).expect("pixels").turned(turn));
                let (rows, columns) = turn.reverses();
                assert!(!rows || size.height.is_multiple_of(reduction.factor()));
                assert!(!columns || size.width.is_multiple_of(reduction.factor()));
                assert!(rows || columns || reduction == Reduction::Eighth);
            }
        }
    }
}
