//! WebP (RFC 9649): a RIFF file whose first chunk states the size in one of three ways.

use std::io::{self, Cursor, Read, Seek};

use super::header::Header;
use super::reader::{Order, Reader, damaged};
use super::tiff::exif_orientation;
use super::{Format, Size};

const ANIMATION: u8 = 0x02;
const EXIF: u8 = 0x08;
const ALPHA: u8 = 0x10;

pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    let mut reader = Reader::new(source, Order::Little);
    reader.go_to(12)?;
    let kind: [u8; 4] = reader.take()?;
    let next = u64::from(reader.u32()?) + reader.at();
    match &kind {
        b"VP8X" => {
            let flags = reader.u8()?;
            reader.skip(3)?;
            let mut side = || reader.take().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]) as usize + 1);
            let size = Size { width: side()?, height: side()? };
            let (alpha, animated) = (flags & ALPHA != 0, flags & ANIMATION != 0);
            // Of an animation's first image, alpha is not read.
            let channels = if alpha && !animated { 4 } else { 3 };
            let mut header = Header { channels, alpha, animated, ..Header::new(Format::WebP, size) };
            if flags & EXIF != 0 {
                header.orientation = orientation(&mut reader, next)?;
            }
            Ok(header)
        }
        b"VP8L" => {
            reader.skip(1)?;
            let sides = reader.u32()?;
            let size = Size { width: (sides & 0x3FFF) as usize + 1, height: (sides >> 14 & 0x3FFF) as usize + 1 };
            let alpha = sides & 1 << 28 != 0;
            Ok(Header { channels: if alpha { 4 } else { 3 }, alpha, ..Header::new(Format::WebP, size) })
        }
        b"VP8 " => {
            reader.skip(6)?;
            let mut side = || reader.u16().map(|side| usize::from(side & 0x3FFF));
            let size = Size { width: side()?, height: side()? };
            Ok(Header::new(Format::WebP, size))
        }
        _ => Err(damaged("the WebP file has no image chunk")),
    }
}

/// Of the EXIF chunk among those from `next` on.
fn orientation<R: Read + Seek>(reader: &mut Reader<R>, mut next: u64) -> io::Result<u8> {
    loop {
        reader.go_to(next + next % 2)?;
        let kind = match reader.take::<4>() {
            // The flag is wrong.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(1),
            kind => kind?,
        };
        let length = u64::from(reader.u32()?);
        if &kind == b"EXIF" {
            return reader.bytes(length).map(|block| exif_orientation(&block));
        }
        next = reader.at() + length;
    }
}

/// The first image of an animation as a file of its own, its size, and its place on the canvas (left, top).
pub(super) fn first_frame(bytes: &[u8]) -> io::Result<(Vec<u8>, Size, [usize; 2])> {
    let mut reader = Reader::new(Cursor::new(bytes), Order::Little);
    reader.go_to(12)?;
    let within = |length: u32| u64::from(length) + u64::from(length % 2);
    loop {
        let (kind, length) = (reader.take::<4>()?, reader.u32()?);
        if &kind == b"ANMF" {
            break;
        }
        reader.skip(within(length))?;
    }
    let mut number = || reader.take().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]) as usize);
    let [left, top] = [2 * number()?, 2 * number()?];
    let size = Size { width: number()? + 1, height: number()? + 1 };
    reader.skip(4)?;
    loop {
        let (kind, length) = (reader.take::<4>()?, reader.u32()?);
        if matches!(&kind, b"VP8 " | b"VP8L") {
            let mut content = reader.bytes(u64::from(length))?;
            content.resize(within(length) as usize, 0);
            let total = (content.len() as u32 + 12).to_le_bytes();
            let file = [b"RIFF", &total[..], b"WEBP", &kind, &length.to_le_bytes(), &content].concat();
            return Ok((file, size, [left, top]));
        }
        reader.skip(within(length))?;
    }
}

/// Whether the pixels of a still file are stored without loss.
pub(super) fn is_lossless(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        if head.starts_with(b"VP8L") {
            return true;
        }
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        rest = after.get(length + length % 2..).unwrap_or_default();
    }
    false
}

/// # Errors
/// That bytes are missing by the length in the header.
pub(super) fn check_complete(bytes: &[u8]) -> Result<(), String> {
    let stated = bytes.get(4..).and_then(<[u8]>::first_chunk).map_or(0, |length| u32::from_le_bytes(*length) as usize);
    if stated + 8 > bytes.len() { Err("the WebP file is cut short".to_owned()) } else { Ok(()) }
}
