//! JPEG 2000: the image header box of a JP2 file, or the size segment of a bare code stream.

use std::io::{self, Read, Seek};

use super::header::Header;
use super::reader::{Order, Reader, damaged};
use super::{Format, Size};

pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    let mut reader = Reader::new(source, Order::Big);
    if reader.u16()? == 0xFF4F {
        reader.skip(6)?;
        let [right, bottom, left, top] = [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?];
        reader.skip(16)?;
        let channels = reader.u16()?;
        let bits = (reader.u8()? & 0x7F) + 1;
        return Ok(described(bottom.saturating_sub(top), right.saturating_sub(left), channels, bits));
    }
    reader.go_to(0)?;
    loop {
        let (start, length, kind) = (reader.at(), reader.u32()?, reader.take()?);
        match &kind {
            b"jp2h" => {}
            b"ihdr" => {
                let (height, width, channels, bits) = (reader.u32()?, reader.u32()?, reader.u16()?, reader.u8()?);
                return Ok(described(height, width, channels, (bits & 0x7F) + 1));
            }
            b"jp2c" => return Err(damaged("the JPEG 2000 file has no image header")),
            _ if length < 8 => return Err(damaged("the JPEG 2000 file has a box of no length")),
            _ => reader.go_to(start + u64::from(length))?,
        }
    }
}

fn described(height: u32, width: u32, channels: u16, bits: u8) -> Header {
    let size = Size { height: height as usize, width: width as usize };
    let (grey, alpha, channels) = (channels < 3, matches!(channels, 2 | 4), usize::from(channels));
    Header { bits, significant_bits: bits, channels, grey, alpha, ..Header::new(Format::Jp2, size) }
}
