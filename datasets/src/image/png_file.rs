//! PNG: decoding to RGB, and label images with a palette, whose indices OpenCV neither reads nor writes.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, Transformations};

use super::tiff::exif_turns;
use super::{Image, Size, Traits};

/// Whether the bytes begin as a PNG does.
pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A])
}

/// Follows the chunks from the header to the end; the stored size.
///
/// # Errors
/// What is missing: the decoder itself accepts a file without its last chunk.
pub(super) fn inspect(bytes: &[u8]) -> Result<Size, String> {
    let cut_short = || "the PNG is cut short: its end chunk is missing".to_owned();
    let word = |at: usize| match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d]) as usize),
        _ => Err(cut_short()),
    };
    let size = Size { width: word(16)?, height: word(20)? };
    let mut at = 8;
    loop {
        let end = word(at)?.saturating_add(at + 12);
        let kind = bytes.get(at + 4..at + 8).ok_or_else(cut_short)?;
        if end > bytes.len() {
            return Err(cut_short());
        }
        if kind == b"IEND" {
            return Ok(size);
        }
        at = end;
    }
}

/// What the chunks say of the pixels; for a file that [`inspect`] accepts.
pub(super) fn traits(bytes: &[u8]) -> Traits {
    let (depth, colour) = (bytes.get(24).copied().unwrap_or(8), bytes.get(25).copied().unwrap_or(2));
    let mut traits =
        Traits { grey: matches!(colour, 0 | 4), deep: depth > 8, alpha: matches!(colour, 4 | 6), ..Traits::default() };
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let [a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (Some(kind), Some(content)) = (after.get(..4), after.get(4..4 + length)) else { break };
        match kind {
            b"tRNS" => traits.alpha = true,
            b"acTL" => traits.animated = true,
            b"eXIf" => traits.turned = exif_turns(content),
            _ => {}
        }
        rest = after.get(length + 8..).unwrap_or_default();
    }
    traits
}

/// The image as RGB.
pub(super) fn decode(bytes: &[u8]) -> Result<Image, DecodingError> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let length = reader.output_buffer_size().ok_or(DecodingError::LimitsExceeded)?;
    let mut data = vec![0; length];
    let frame = reader.next_frame(&mut data)?;
    data.truncate(frame.buffer_size());
    let data = match frame.color_type {
        ColorType::Rgb => data,
        ColorType::Rgba => data.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        ColorType::GrayscaleAlpha => data.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        ColorType::Grayscale | ColorType::Indexed => data.iter().flat_map(|&level| [level; 3]).collect(),
    };
    Ok(Image { height: frame.height as usize, width: frame.width as usize, data })
}

/// The numbers in the pixels, unscaled: indices into the palette, or grey levels of 1 to 16 bits.
///
/// # Errors
/// What is wrong: damage, or pixels of more than one channel.
pub(super) fn decode_numbers(bytes: &[u8]) -> Result<(Size, Vec<u16>), String> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (colour, depth) = reader.output_color_type();
    if !matches!(colour, ColorType::Indexed | ColorType::Grayscale) {
        return Err(format!(
            "its pixels are {colour:?}, but a mask has one number per pixel: a palette, or grey levels"
        ));
    }
    let length = reader.output_buffer_size().ok_or_else(|| DecodingError::LimitsExceeded.to_string())?;
    let mut data = vec![0; length];
    let frame = reader.next_frame(&mut data).map_err(|error| error.to_string())?;
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut numbers = Vec::with_capacity(width * height);
    for row in data.chunks_exact(frame.line_size.max(1)).take(height) {
        match depth {
            BitDepth::Sixteen => {
                numbers.extend(row.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])));
            }
            BitDepth::Eight => numbers.extend(row.iter().map(|&byte| u16::from(byte))),
            BitDepth::One | BitDepth::Two | BitDepth::Four => {
                let bits = depth as usize;
                let packed = |column: usize| {
                    let (byte, place) = (column * bits / 8, column * bits % 8);
                    u16::from(row[byte] << place >> (8 - bits))
                };
                numbers.extend((0..width).map(packed));
            }
        }
    }
    Ok((Size { height, width }, numbers))
}

/// A PNG of one byte per pixel, each an index into `palette` (red, green, blue triples): the format of VOC's label images.
///
/// # Errors
/// The encoder's message where `labels` does not hold `height * width` bytes, or the size is beyond PNG's.
pub(crate) fn write_palette(size: Size, labels: &[u8], palette: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let side = |pixels: usize| u32::try_from(pixels).map_err(|_| png::EncodingError::LimitsExceeded);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, side(size.width)?, side(size.height)?);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.to_vec());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(labels)?;
    writer.finish()?;
    Ok(file)
}
