//! PNG: decoding to RGB, and label images with a palette, whose indices OpenCV neither reads nor writes.

use std::io::{self, Cursor, Read, Seek};

use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, Transformations};

use super::header::Header;
use super::raster::{Colours, Range, Raster, Samples, unpacked};
use super::reader::{Order, Reader};
use super::tiff::exif_orientation;
use super::{Format, Size};

/// What the chunks say, as far as there are any.
pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    let mut reader = Reader::new(source, Order::Big);
    reader.go_to(16)?;
    let (width, height, bits, colour) = (reader.u32()?, reader.u32()?, reader.u8()?, reader.u8()?);
    let mut header = Header {
        bits,
        significant_bits: bits,
        channels: [1, 0, 3, 3, 2, 0, 4].get(usize::from(colour)).copied().unwrap_or(0),
        grey: matches!(colour, 0 | 4),
        alpha: matches!(colour, 4 | 6),
        ..Header::new(Format::Png, Size { height: height as usize, width: width as usize })
    };
    reader.go_to(8)?;
    // The EXIF block may also follow the pixels.
    loop {
        let length = match reader.u32() {
            // Whether the file is complete is checked apart.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            length => length?,
        };
        let kind = reader.take()?;
        let next = reader.at() + u64::from(length) + 4;
        match &kind {
            b"IEND" => break,
            b"tRNS" => header.alpha = true,
            b"acTL" => header.animated = true,
            b"eXIf" => header.orientation = exif_orientation(&reader.bytes(u64::from(length))?),
            b"sBIT" => {
                let colours = if colour & 2 == 0 { 1 } else { 3 };
                let most = reader.bytes(u64::from(length))?.into_iter().take(colours).max();
                header.significant_bits = most.filter(|most| (1..bits).contains(most)).unwrap_or(bits);
            }
            _ => {}
        }
        reader.go_to(next)?;
    }
    Ok(header)
}

/// Follows the chunks to the end.
///
/// # Errors
/// What is missing: the decoder itself accepts a file without its last chunk.
pub(super) fn check_complete(bytes: &[u8]) -> Result<(), String> {
    let cut_short = || "the PNG is cut short: its end chunk is missing".to_owned();
    let mut rest = bytes.get(8..).unwrap_or_default();
    loop {
        let (length, after) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let (kind, _) = after.split_first_chunk::<4>().ok_or_else(cut_short)?;
        rest = after.get(u32::from_be_bytes(*length) as usize + 8..).ok_or_else(cut_short)?;
        if kind == b"IEND" {
            return Ok(());
        }
    }
}

/// The pixels of the file's image; of an animation, of its first.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Raster, DecodingError> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let palette = reader.info().palette.as_deref().unwrap_or_default().as_chunks().0.to_vec();
    let mut data = vec![0; reader.output_buffer_size().ok_or(DecodingError::LimitsExceeded)?];
    let frame = reader.next_frame(&mut data)?;
    data.truncate(frame.buffer_size());
    let (colours, channels) = match frame.color_type {
        ColorType::Rgb => (Colours::Rgb, 3),
        ColorType::Rgba => (Colours::Rgb, 4),
        ColorType::Grayscale => (Colours::Grey, 1),
        ColorType::GrayscaleAlpha => (Colours::Grey, 2),
        ColorType::Indexed => (Colours::Palette(palette), 1),
    };
    let size = Size { height: frame.height as usize, width: frame.width as usize };
    let (samples, range) = match frame.bit_depth {
        BitDepth::Eight => (Samples::Bytes(data), Range::Bits(8)),
        BitDepth::Sixteen => {
            let words = data.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            (Samples::Words(words), Range::Bits(header.significant_bits))
        }
        depth => (Samples::Bytes(unpacked(&data, depth as u8, size.width)), Range::Bits(depth as u8)),
    };
    Ok(Raster { size, colours, channels, samples, range })
}

/// A PNG of one byte per pixel, each an index into `palette` (red, green, blue triples): the format of VOC's label images.
///
/// # Errors
/// The encoder's message where `labels` does not hold `height * width` bytes, or the size is beyond PNG's.
pub(crate) fn write_palette(size: Size, labels: &[u8], palette: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    write_indices(size, labels, &Palette { colours: palette, opacities: &[] })
}

/// The same with colours that may be transparent.
///
/// # Errors
/// As for [`write_palette`].
pub(crate) fn write_indices(size: Size, labels: &[u8], palette: &Palette<'_>) -> Result<Vec<u8>, png::EncodingError> {
    write_indexed(size, BitDepth::Eight, labels, palette)
}

/// The colours that indices stand for.
pub(crate) struct Palette<'a> {
    /// Red, green, blue triples.
    pub(crate) colours: &'a [u8],
    /// From 0 to 255; colours beyond its end are opaque.
    pub(crate) opacities: &'a [u8],
}

/// A PNG of one bit per pixel, an index into a palette of two colours.
///
/// # Errors
/// As for [`write_palette`].
pub(crate) fn write_bits(size: Size, bits: &[bool], palette: &Palette<'_>) -> Result<Vec<u8>, png::EncodingError> {
    let byte = |bits: &[bool]| (0..8).fold(0, |byte, place| byte << 1 | u8::from(bits.get(place) == Some(&true)));
    let packed: Vec<u8> = bits.chunks(size.width.max(1)).flat_map(|row| row.chunks(8).map(byte)).collect();
    write_indexed(size, BitDepth::One, &packed, palette)
}

fn write_indexed(
    size: Size,
    depth: BitDepth,
    data: &[u8],
    palette: &Palette<'_>,
) -> Result<Vec<u8>, png::EncodingError> {
    let side = |pixels: usize| u32::try_from(pixels).map_err(|_| png::EncodingError::LimitsExceeded);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side(size.width)?, side(size.height)?);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(depth);
    encoder.set_palette(palette.colours.to_vec());
    if !palette.opacities.is_empty() {
        encoder.set_trns(palette.opacities.to_vec());
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()?;
    Ok(file)
}
