//! The marker structure of a JPEG stream (ITU-T T.81, annex B): its header, and whether it is complete.

use std::io::{self, Read, Seek};

use super::header::Header;
use super::reader::{Order, Reader, damaged};
use super::tiff::exif_orientation;
use super::{Format, Size};

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;
const APPLICATION_1: u8 = 0xE1;

/// What the segments before the first scan say.
pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    let mut reader = Reader::new(source, Order::Big);
    reader.skip(2)?;
    let (mut header, mut orientation) = (None, None);
    loop {
        let marker = loop {
            // Fill bytes and stray bytes before a marker are ignored, as in libjpeg.
            while reader.u8()? != 0xFF {}
            let marker = loop {
                match reader.u8()? {
                    0xFF => {}
                    other => break other,
                }
            };
            if marker != 0 {
                break marker;
            }
        };
        match marker {
            START_OF_SCAN | END_OF_IMAGE => break,
            0x01 | 0xD0..=0xD7 => continue,
            _ => {}
        }
        let (start, length) = (reader.at(), reader.u16()?);
        if length < 2 {
            return Err(damaged(format!("a JPEG segment at byte {start} has length {length}")));
        }
        if is_frame_header(marker) {
            let (bits, height, width, channels) = (reader.u8()?, reader.u16()?, reader.u16()?, reader.u8()?);
            let size = Size { height: usize::from(height), width: usize::from(width) };
            let (grey, cmyk, channels) = (channels == 1, channels == 4, usize::from(channels));
            let header_of_size = Header::new(Format::Jpeg, size);
            header = Some(Header { bits, significant_bits: bits, channels, grey, cmyk, ..header_of_size });
        } else if marker == APPLICATION_1 && orientation.is_none() {
            let content = reader.bytes(u64::from(length) - 2)?;
            orientation = content.strip_prefix(b"Exif\0\0").map(exif_orientation);
        }
        reader.go_to(start + u64::from(length))?;
    }
    let header = header.ok_or_else(|| damaged("the JPEG ends before its frame header"))?;
    Ok(Header { orientation: orientation.unwrap_or(1), ..header })
}

/// Follows the markers from the start of the image to its end.
///
/// # Errors
/// What is missing or out of place. Bytes after the end of the image are allowed, as every decoder allows them.
pub(super) fn check_complete(bytes: &[u8]) -> Result<(), String> {
    let mut at = 2;
    loop {
        let (marker, segment) = next_marker(bytes, at)?;
        match marker {
            END_OF_IMAGE => return Ok(()),
            0x01 | 0xD0..=0xD7 => at = segment,
            _ => {
                let length = read_u16(bytes, segment)?;
                if length < 2 {
                    return Err(format!("a JPEG segment at byte {segment} has length {length}"));
                }
                at = segment + length;
                if marker == START_OF_SCAN {
                    if at + 2 <= bytes.len() && bytes.ends_with(&[0xFF, END_OF_IMAGE]) {
                        return Ok(());
                    }
                    at = end_of_scan(bytes, at)?;
                }
            }
        }
    }
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

fn read_u16(bytes: &[u8], at: usize) -> Result<usize, String> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(usize::from(high) << 8 | usize::from(low)),
        _ => Err(cut_short()),
    }
}

fn cut_short() -> String {
    "the JPEG is cut short: its end marker is missing".to_owned()
}
