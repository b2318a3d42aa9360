//! Netpbm's formats P1 to P6.

use std::io::{self, Cursor, Read, Seek};

use super::header::Header;
use super::raster::{Colours, Range, Raster, Samples, unpacked};
use super::reader::{Order, Reader, damaged};
use super::{Format, Size};

/// The longest header, with comments.
const MAX_HEADER_BYTES: u64 = 1 << 16;

pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    read_header(&mut Reader::new(source, Order::Big)).map(|(header, _)| header)
}

pub(super) fn decode(bytes: &[u8]) -> io::Result<Raster> {
    let mut reader = Reader::new(Cursor::new(bytes), Order::Big);
    let (Header { stored: size, .. }, most) = read_header(&mut reader)?;
    let kind = bytes[1];
    let (colours, channels) = if matches!(kind, b'3' | b'6') { (Colours::Rgb, 3) } else { (Colours::Grey, 1) };
    let count = size.pixels() * channels;
    let samples = match kind {
        b'1' | b'2' | b'3' => {
            let rest = bytes.get(reader.at() as usize..).unwrap_or_default();
            let words = text(rest, kind == b'1', most, count)?;
            match most {
                ..256 => Samples::Bytes(words.into_iter().map(|word| word as u8).collect()),
                _ => Samples::Words(words),
            }
        }
        b'4' => {
            let rows = reader.bytes((size.width.div_ceil(8) * size.height) as u64)?;
            Samples::Bytes(unpacked(&rows, 1, size.width).into_iter().map(|bit| 1 - bit).collect())
        }
        _ if most < 256 => {
            let mut bytes = reader.bytes(count as u64)?;
            bytes.iter_mut().for_each(|byte| *byte = (*byte).min(most as u8));
            Samples::Bytes(bytes)
        }
        _ => {
            let pairs = reader.bytes(2 * count as u64)?;
            Samples::Words(pairs.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair).min(most)).collect())
        }
    };
    // As all other files, 65535 is cut to its high byte.
    let range = if most == u16::MAX { Range::Bits(16) } else { Range::Most(most) };
    Ok(Raster { size, colours, channels, samples, range })
}

/// Decimal numbers up to `most`, or single digits where 1 is black.
fn text(bytes: &[u8], bits: bool, most: u16, count: usize) -> io::Result<Vec<u16>> {
    let mut samples = Vec::new();
    let (mut number, mut comment) = (None, false);
    for &byte in bytes.iter().chain(b"\n") {
        comment = (comment || byte == b'#') && !matches!(byte, b'\n' | b'\r');
        match byte {
            _ if comment => {}
            b'0'..=b'1' if bits => samples.push(u16::from(b'1' - byte)),
            b'0'..=b'9' if !bits => {
                number = Some(number.unwrap_or(0u32).saturating_mul(10).saturating_add(u32::from(byte - b'0')));
                continue;
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => return Err(damaged(format!("the PNM has byte {byte:#04x} between its numbers"))),
        }
        samples.extend(number.take().map(|number| number.min(u32::from(most)) as u16));
        if samples.len() == count {
            return Ok(samples);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// The header and the greatest value of a sample; the reader is at the first sample then.
pub(super) fn read_header<R: Read + Seek>(reader: &mut Reader<R>) -> io::Result<(Header, u16)> {
    let [_, kind] = reader.take()?;
    let stated = |number: Option<u32>| number.ok_or_else(|| damaged("the PNM header states no size"));
    let (width, height) = (stated(number(reader)?)?, stated(number(reader)?)?);
    let most = if matches!(kind, b'1' | b'4') { Some(1) } else { number(reader)? };
    let most = most.and_then(|most| u16::try_from(most).ok()).filter(|most| *most > 0);
    let most = most.ok_or_else(|| damaged("the PNM header has no highest value from 1 to 65535"))?;
    let (bits, used) = (if most < 256 { 8 } else { 16 }, 16 - most.leading_zeros() as u8);
    let grey = matches!(kind, b'1' | b'2' | b'4' | b'5');
    let header = Header {
        bits: if most == 1 { 1 } else { bits },
        significant_bits: used,
        channels: if grey { 1 } else { 3 },
        grey,
        ..Header::new(Format::Pnm, Size { height: height as usize, width: width as usize })
    };
    Ok((header, most))
}

/// The next number after white space and comments, with one byte after it.
pub(super) fn number<R: Read + Seek>(reader: &mut Reader<R>) -> io::Result<Option<u32>> {
    let mut byte = reader.u8()?;
    loop {
        match byte {
            b'#' => while !matches!(reader.u8()?, b'\n' | b'\r') {},
            blank if blank.is_ascii_whitespace() => {}
            _ => break,
        }
        if reader.at() > MAX_HEADER_BYTES {
            return Ok(None);
        }
        byte = reader.u8()?;
    }
    let mut number = None;
    while byte.is_ascii_digit() {
        let digit = u32::from(byte - b'0');
        number = Some(number.unwrap_or(0u32).saturating_mul(10).saturating_add(digit));
        byte = reader.u8()?;
    }
    Ok(number)
}
