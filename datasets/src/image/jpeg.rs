//! The marker structure of a JPEG stream (ITU-T T.81, annex B): its size, and whether it is complete.

use super::tiff::exif_turns;
use super::{Size, Traits};

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;
const APPLICATION_1: u8 = 0xE1;

/// Whether the bytes begin as a JPEG does.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xD8, 0xFF])
}

/// Follows the markers from the start of the image to its end; the stored frame size.
///
/// # Errors
/// What is missing or out of place. Bytes after the end of the image are allowed, as every decoder allows them.
pub(super) fn inspect(bytes: &[u8]) -> Result<Size, String> {
    let mut size = None;
    let mut at = 2;
    loop {
        let (marker, segment) = next_marker(bytes, at)?;
        match marker {
            END_OF_IMAGE => return size.ok_or_else(|| "the JPEG ends before its frame header".to_owned()),
            0x01 | 0xD0..=0xD7 => at = segment,
            _ => {
                let length = read_u16(bytes, segment)?;
                if length < 2 {
                    return Err(format!("a JPEG segment at byte {segment} has length {length}"));
                }
                if is_frame_header(marker) {
                    size = Some(frame_size(bytes, segment)?);
                }
                at = segment + length;
                if marker == START_OF_SCAN {
                    if let Some(size) = size.filter(|_| at + 2 <= bytes.len() && bytes.ends_with(&[0xFF, END_OF_IMAGE]))
                    {
                        return Ok(size);
                    }
                    at = end_of_scan(bytes, at)?;
                }
            }
        }
    }
}

/// What the segments before the first scan say of the pixels; for a stream that [`inspect`] accepts.
pub(super) fn traits(bytes: &[u8]) -> Traits {
    let mut traits = Traits::default();
    let mut at = 2;
    while let Ok((marker, segment)) = next_marker(bytes, at) {
        if matches!(marker, START_OF_SCAN | END_OF_IMAGE) {
            break;
        }
        at = segment;
        if matches!(marker, 0x01 | 0xD0..=0xD7) {
            continue;
        }
        let Ok(length) = read_u16(bytes, segment) else { break };
        let content = bytes.get(segment + 2..segment + length).unwrap_or_default();
        if is_frame_header(marker) {
            traits.deep = content.first().is_some_and(|&bits| bits > 8);
            traits.grey = content.get(5) == Some(&1);
            traits.cmyk = content.get(5) == Some(&4);
        } else if marker == APPLICATION_1
            && let Some(exif) = content.strip_prefix(b"Exif\0\0")
        {
            traits.turned |= exif_turns(exif);
        }
        at = segment + length;
    }
    traits
}

/// The marker at or after `at`, and where its content begins. Fill bytes and stray bytes before it are ignored, as in libjpeg.
fn next_marker(bytes: &[u8], at: usize) -> Result<(u8, usize), String> {
    let mut at = at;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += rest.iter().position(|&byte| byte == 0xFF).ok_or_else(cut_short)?;
        match bytes.get(at + 1) {
            None => return Err(cut_short()),
            Some(0xFF) => at += 1,
            Some(0x00) => at += 2,
            Some(&marker) => return Ok((marker, at + 2)),
        }
    }
}

/// Entropy-coded data ends at the first marker other than a restart marker; a byte 0xFF inside it is followed by 0.
fn end_of_scan(bytes: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start;
    loop {
        let (marker, content) = next_marker(bytes, at)?;
        if !matches!(marker, 0xD0..=0xD7) {
            return Ok(content - 2);
        }
        at = content;
    }
}

/// SOF0 to SOF15, without the three codes between them with another meaning (DHT, JPG, DAC).
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

fn frame_size(bytes: &[u8], segment: usize) -> Result<Size, String> {
    Ok(Size { height: read_u16(bytes, segment + 3)?, width: read_u16(bytes, segment + 5)? })
}

fn read_u16(bytes: &[u8], at: usize) -> Result<usize, String> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(usize::from(high) << 8 | usize::from(low)),
        _ => Err(cut_short()),
    }
}

fn cut_short() -> String {
    "the JPEG is cut short: its end marker is missing".to_owned()
}
