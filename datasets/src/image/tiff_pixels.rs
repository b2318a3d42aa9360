//! The pixels of a TIFF's first image.

use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingSampleType, Limits};
use tiff::tags::{PhotometricInterpretation, Tag};
use tiff::{ColorType, TiffError, TiffResult, TiffUnsupportedError};

use super::header::Header;
use super::raster::{Colours, Range, Raster, Samples, unpacked};
use super::tiff::Directory;
use super::{MAX_CHANNELS, MAX_PIXELS, Size};

/// The largest image of 16 bits and of all channels: a file may state any number of them.
const MAX_BYTES: usize = 2 * MAX_CHANNELS * MAX_PIXELS;

/// Which samples of a pixel are of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Colours,
    /// Also those that are neither colour nor alpha, whatever the file says that they mean.
    All,
}

/// The samples; `None` where only OpenCV's libtiff decodes them: other compressions, `YCbCr`, `Lab`.
pub(super) fn decode(bytes: &[u8], header: &Header, wanted: Wanted) -> TiffResult<Option<Raster>> {
    // The decoder panics at the lowest tiles of the second plane, which it takes for complete ones.
    let Some((bytes, rows)) = Directory::first(Cursor::new(bytes))?.with_complete_tiles(bytes) else {
        return decode_complete(bytes, header, wanted);
    };
    let stored = Size { height: rows, ..header.stored };
    if stored.pixels() > MAX_PIXELS {
        return Err(TiffError::LimitsExceeded);
    }
    let raster = decode_complete(&bytes, &Header { stored, ..*header }, wanted)?;
    Ok(raster.map(|raster| raster.cut_to(header.stored.height)))
}

fn decode_complete(bytes: &[u8], header: &Header, wanted: Wanted) -> TiffResult<Option<Raster>> {
    let mut decoder = Decoder::new(Cursor::new(bytes))?;
    let compression = number(&mut decoder, Tag::Compression)?.unwrap_or(1);
    let photometric = number(&mut decoder, Tag::PhotometricInterpretation)?;
    match photometric.and_then(PhotometricInterpretation::from_u16) {
        _ if !matches!(compression, 1 | 4 | 5 | 8 | 0x80B2 | 0x8005) => Ok(None),
        Some(PhotometricInterpretation::YCbCr | PhotometricInterpretation::CIELab) => Ok(None),
        Some(PhotometricInterpretation::RGBPalette) => {
            let colours = palette(&mut decoder)?;
            Ok(Some(Raster { colours: Colours::Palette(colours), ..grey_levels(bytes, header)? }))
        }
        Some(PhotometricInterpretation::WhiteIsZero | PhotometricInterpretation::BlackIsZero) => {
            samples(decoder, header).map(Some)
        }
        _ if wanted == Wanted::All => grey_levels(bytes, header).map(Some),
        _ => {
            let kept = decoder.colortype()?;
            if kept.num_samples() >= number(&mut decoder, Tag::SamplesPerPixel)?.unwrap_or(1) {
                return samples(decoder, header).map(Some);
            }
            // Where the decoder itself leaves out samples, it mistakes them in the predictor and in the border of tiles.
            let colours =
                if let ColorType::CMYK(_) | ColorType::CMYKA(_) = kept { Colours::Cmyk } else { Colours::Rgb };
            let raster = grey_levels(bytes, header)?.with_first_channels(usize::from(kept.num_samples()));
            Ok(Some(Raster { colours, ..raster }))
        }
    }
}

/// Every sample of a pixel.
fn grey_levels(bytes: &[u8], header: &Header) -> TiffResult<Raster> {
    let bytes = Directory::first(Cursor::new(bytes))?.as_grey_levels(bytes);
    samples(Decoder::new(Cursor::new(bytes.as_slice()))?, header)
}

fn number(decoder: &mut Decoder<Cursor<&[u8]>>, tag: Tag) -> TiffResult<Option<u16>> {
    decoder.find_tag_unsigned(tag)
}

fn samples(decoder: Decoder<Cursor<&[u8]>>, header: &Header) -> TiffResult<Raster> {
    // The header's size is bounded already.
    let mut decoder = decoder.with_limits(Limits::unlimited());
    let Header { stored: size, bits, .. } = *header;
    let layout = decoder.image_buffer_layout()?;
    let words = match layout.sample_type {
        Some(DecodingSampleType::U8) => false,
        Some(DecodingSampleType::U16) if bits == 16 => true,
        _ => return Err(TiffUnsupportedError::UnsupportedSampleFormat(vec![layout.sample_format]).into()),
    };
    let (colours, least) = match decoder.colortype()? {
        ColorType::Gray(_) | ColorType::GrayA(_) | ColorType::Multiband { .. } => (Colours::Grey, 1),
        ColorType::RGB(_) | ColorType::RGBA(_) => (Colours::Rgb, 3),
        ColorType::CMYK(_) | ColorType::CMYKA(_) => (Colours::Cmyk, 4),
        other => return Err(TiffUnsupportedError::UnsupportedColorType(other).into()),
    };
    if layout.complete_len > MAX_BYTES {
        return Err(TiffError::LimitsExceeded);
    }
    let mut data = vec![0; layout.complete_len];
    decoder.read_image_bytes(&mut data)?;
    let channels = usize::from(number(&mut decoder, Tag::SamplesPerPixel)?.unwrap_or(1));
    if channels < least {
        return Err(TiffUnsupportedError::UnsupportedSampleDepth(bits).into());
    }
    let per_row = size.width * if layout.planes > 1 { 1 } else { channels };
    let samples = match (words, bits) {
        (true, _) => Samples::Words(data.as_chunks().0.iter().map(|pair| u16::from_ne_bytes(*pair)).collect()),
        (false, 8) => Samples::Bytes(data),
        (false, _) => Samples::Bytes(unpacked(&data, bits, per_row)),
    };
    let samples = match samples {
        _ if layout.planes <= 1 => samples,
        Samples::Bytes(planes) => Samples::Bytes(interleaved(&planes, size, channels)),
        Samples::Words(planes) => Samples::Words(interleaved(&planes, size, channels)),
    };
    Ok(Raster { size, colours, channels, samples, range: Range::Bits(header.significant_bits) })
}

/// From one plane a channel to the channels of a pixel side by side.
fn interleaved<T: Copy>(planes: &[T], size: Size, channels: usize) -> Vec<T> {
    let pixels = size.pixels().min(planes.len() / channels.max(1));
    (0..pixels).flat_map(|place| (0..channels).map(move |channel| planes[channel * pixels + place])).collect()
}

/// Three tables of 16 bits: the reds, the greens, the blues.
fn palette(decoder: &mut Decoder<Cursor<&[u8]>>) -> TiffResult<Vec<[u8; 3]>> {
    let levels = decoder.get_tag_u16_vec(Tag::ColorMap)?;
    let count = levels.len() / 3;
    Ok((0..count).map(|index| [0, 1, 2].map(|channel| (levels[channel * count + index] >> 8) as u8)).collect())
}

/// Why a TIFF is not decoded.
pub(super) fn reason(error: &TiffError) -> String {
    match error {
        TiffError::UnsupportedError(error) => format!("it is a TIFF of an unusual kind ({error}); convert it to PNG"),
        error => error.to_string(),
    }
}
