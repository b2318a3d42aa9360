//! Decoded samples before they become channels of eight bits.

use std::path::Path;

use super::{Depth, Encoded, Image, Orientation, Size};
use crate::Error;

/// An image as its file stores it.
pub(super) struct Raster {
    pub(super) size: Size,
    pub(super) colours: Colours,
    /// Samples per pixel: those of the colours, then alpha and others.
    pub(super) channels: usize,
    /// `height * width * channels` samples.
    pub(super) samples: Samples,
    pub(super) range: Range,
}

/// The meaning of a pixel's first samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    Rgb,
    Cmyk,
    /// One index; those beyond the list are black.
    Palette(Vec<[u8; 3]>),
}

pub(super) enum Samples {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

/// What a sample's highest value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// That of this many bits.
    Bits(u8),
    /// Any number.
    Most(u16),
}

/// The pixels of a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskPixels {
    /// A number in each pixel: palette indices or grey levels, not scaled.
    Numbers {
        /// Height and width.
        size: Size,
        /// `[H, W]`, rows from the top.
        numbers: Vec<u16>,
        /// The colour of each index, where the numbers are indices.
        palette: Option<Vec<[u8; 3]>>,
    },
    /// Colours that are not grey.
    Colours(Image),
}

impl Raster {
    /// The first rows.
    pub(super) fn cut_to(mut self, rows: usize) -> Raster {
        self.size.height = rows;
        let samples = self.size.pixels() * self.channels;
        match &mut self.samples {
            Samples::Bytes(bytes) => bytes.truncate(samples),
            Samples::Words(words) => words.truncate(samples),
        }
        self
    }

    /// Without the samples after the first `count` of a pixel.
    pub(super) fn with_first_channels(self, count: usize) -> Raster {
        fn first<T: Copy>(samples: &[T], channels: usize, count: usize) -> Vec<T> {
            samples.chunks_exact(channels.max(1)).flat_map(|pixel| &pixel[..count.min(channels)]).copied().collect()
        }
        let samples = match &self.samples {
            Samples::Bytes(bytes) => Samples::Bytes(first(bytes, self.channels, count)),
            Samples::Words(words) => Samples::Words(first(words, self.channels, count)),
        };
        Raster { samples, channels: count.min(self.channels), ..self }
    }

    /// An image of this many channels, more than 8 bits cut to 8. For 3 grey is repeated, alpha dropped, CMYK converted as Pillow
    /// does; for 1 colours become grey, as Pillow converts to mode `L`; for another number the samples stay what they are,
    /// however many there are.
    pub(super) fn into_image(self, channels: usize, depth: Depth) -> Image {
        match (channels, &self.colours) {
            (3, _) => self.into_rgb(depth),
            (1, Colours::Grey) => {
                let samples = bytes_of(self.samples, self.range, depth);
                let grey = if self.channels == 1 { samples } else { every(samples, self.channels) };
                Image::new(self.size, 1, grey)
            }
            (1, _) => self.into_rgb(depth).into_grey(),
            _ => Image::new(self.size, self.channels, bytes_of(self.samples, self.range, depth)),
        }
    }

    fn into_rgb(self, depth: Depth) -> Image {
        let channels = self.channels;
        let samples = match self.samples {
            Samples::Bytes(indices) if matches!(self.colours, Colours::Palette(_)) => indices,
            samples => bytes_of(samples, self.range, depth),
        };
        let pixels = samples.chunks_exact(channels.max(1));
        let data = match self.colours {
            Colours::Rgb if channels == 3 => samples,
            Colours::Rgb if channels == 4 => samples.as_chunks().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect(),
            Colours::Rgb => pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
            Colours::Grey => pixels.flat_map(|pixel| [pixel[0]; 3]).collect(),
            Colours::Cmyk => pixels.flat_map(rgb_of_cmyk).collect(),
            Colours::Palette(colours) => {
                let mut table = [[0; 3]; 256];
                table.iter_mut().zip(colours).for_each(|(entry, colour)| *entry = colour);
                pixels.flat_map(|pixel| table[usize::from(pixel[0])]).collect()
            }
        };
        Image::new(self.size, 3, data)
    }

    /// The numbers of a mask, or its colours where it has any.
    ///
    /// # Errors
    /// Why the pixels are neither.
    pub(super) fn into_mask(self) -> Result<MaskPixels, String> {
        let (size, channels) = (self.size, self.channels.max(1));
        let colours = match &self.colours {
            Colours::Rgb => 3,
            Colours::Grey | Colours::Palette(_) => 1,
            Colours::Cmyk => return Err("its pixels are CMYK, which are not exact colours; save it as PNG".to_owned()),
        };
        let words: Vec<u16> = match &self.samples {
            Samples::Bytes(bytes) => bytes.iter().map(|&byte| u16::from(byte)).collect(),
            Samples::Words(words) => words.clone(),
        };
        let equal = words.chunks_exact(channels).all(|pixel| pixel[..colours].iter().all(|&level| level == pixel[0]));
        if !equal {
            return Ok(MaskPixels::Colours(self.into_rgb(Depth::Auto)));
        }
        let opaque = match self.range {
            Range::Bits(bits) => u16::MAX >> (16 - bits.clamp(1, 16)),
            Range::Most(most) => most,
        };
        if colours < channels && !words.chunks_exact(channels).all(|pixel| pixel[colours] == opaque) {
            return Err(
                "it is partly transparent, so its pixels are not plain numbers; save it without alpha".to_owned()
            );
        }
        let numbers = words.chunks_exact(channels).map(|pixel| pixel[0]).collect();
        let palette = if let Colours::Palette(palette) = self.colours { Some(palette) } else { None };
        Ok(MaskPixels::Numbers { size, numbers, palette })
    }
}

impl MaskPixels {
    /// Reads a mask file: PNG, TIFF, BMP, GIF, PNM or WebP without loss. With [`Orientation::Upright`] it is turned where the mask
    /// file itself has an EXIF orientation.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Decode`] where the file is damaged, of a format with loss (JPEG), CMYK, or partly transparent
    /// without being colours.
    pub fn read(path: &Path, orientation: Orientation) -> Result<MaskPixels, Error> {
        Encoded::read(path)?.mask_pixels(orientation)
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        match self {
            MaskPixels::Numbers { size, .. } => *size,
            MaskPixels::Colours(image) => image.size(),
        }
    }

    /// The numbers, `[H, W]`.
    ///
    /// # Errors
    /// [`Error::Decode`] where the pixels are colours; `path` names the file in it.
    pub fn numbers(self, path: &Path) -> Result<(Size, Vec<u16>), Error> {
        match self {
            MaskPixels::Numbers { size, numbers, .. } => Ok((size, numbers)),
            MaskPixels::Colours(_) => Err(Error::Decode {
                path: path.to_path_buf(),
                reason: "its pixels are colours, but a mask has one number per pixel: a palette, or grey levels"
                    .to_owned(),
            }),
        }
    }

    /// Of an image whose pixels are colours: grey where all are.
    pub(super) fn of_rgb(image: Image) -> MaskPixels {
        if !image.data.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]) {
            return MaskPixels::Colours(image);
        }
        let numbers = image.data.iter().step_by(3).map(|&level| u16::from(level)).collect();
        MaskPixels::Numbers { size: image.size(), numbers, palette: None }
    }
}

/// Samples in eight bits.
fn bytes_of(samples: Samples, range: Range, depth: Depth) -> Vec<u8> {
    match samples {
        Samples::Bytes(bytes) => stretched(bytes, range),
        Samples::Words(words) => narrowed(&words, range, depth),
    }
}

/// The first of so many samples, again and again.
fn every(samples: Vec<u8>, count: usize) -> Vec<u8> {
    samples.into_iter().step_by(count.max(1)).collect()
}

/// Samples of fewer than eight bits, or with another highest value, to 0 to 255.
fn stretched(mut bytes: Vec<u8>, range: Range) -> Vec<u8> {
    let most = match range {
        Range::Bits(bits) => 255 >> (8 - bits.clamp(1, 8)),
        Range::Most(most) => most.clamp(1, 255),
    };
    if most < 255 {
        let table: Vec<u8> = (0..=255).map(|level: u16| scaled(level.min(most), most)).collect();
        bytes.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
    }
    bytes
}

/// As Python rounds in Pillow.
fn scaled(level: u16, most: u16) -> u8 {
    (f64::from(level) / f64::from(most) * 255.0).round_ties_even() as u8
}

/// Samples of sixteen bits to eight. What the file says is not believed where a sample exceeds it.
fn narrowed(words: &[u16], said: Range, depth: Depth) -> Vec<u8> {
    let fits = |most: u16| words.iter().all(|&word| word <= most);
    let range = match (depth, said) {
        (Depth::Bits(bits), _) => Range::Bits(bits),
        (Depth::Auto, Range::Bits(bits @ 8..16)) if fits((1 << bits) - 1) => said,
        (Depth::Auto, Range::Most(most @ 1..)) if fits(most) => said,
        (Depth::Auto, _) => Range::Bits(16),
    };
    match range {
        Range::Bits(bits) => {
            let shift = bits.clamp(8, 16) - 8;
            words.iter().map(|&word| (word >> shift).min(255) as u8).collect()
        }
        Range::Most(most) => words.iter().map(|&word| scaled(word, most)).collect(),
    }
}

/// As in Pillow, without a colour profile.
fn rgb_of_cmyk(pixel: &[u8]) -> [u8; 3] {
    let rest = 255 - u32::from(pixel[3]);
    [pixel[0], pixel[1], pixel[2]].map(|ink| {
        let product = u32::from(ink) * rest + 128;
        (rest - (((product >> 8) + product) >> 8)) as u8
    })
}

/// The samples of rows that are packed into bytes, the first sample in the highest bits, each row starting with a new byte.
pub(super) fn unpacked(rows: &[u8], bits: u8, per_row: usize) -> Vec<u8> {
    let bits = usize::from(bits.clamp(1, 8));
    let stride = (per_row * bits).div_ceil(8).max(1);
    let mask = (255u16 >> (8 - bits)) as u8;
    let sample = |row: &[u8], place: usize| row[place * bits / 8] >> (8 - bits - place * bits % 8) & mask;
    rows.chunks_exact(stride).flat_map(|row| (0..per_row).map(move |place| sample(row, place))).collect()
}
