//! Windows and OS/2 bitmaps.

use std::io::{self, Cursor, Read, Seek};

use super::header::Header;
use super::raster::{Colours, Range, Raster, Samples, unpacked};
use super::reader::{Order, Reader, damaged};
use super::{Format, Size};

pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    let mut reader = Reader::new(source, Order::Little);
    reader.go_to(14)?;
    // A header of 12 bytes has sides of 16 bits, every later one of 32 with a sign, which reverses the rows.
    let size = if reader.u32()? == 12 {
        Size { width: usize::from(reader.u16()?), height: usize::from(reader.u16()?) }
    } else {
        let mut side = || reader.u32().map(|side| (side as i32).unsigned_abs() as usize);
        Size { width: side()?, height: side()? }
    };
    reader.skip(2)?;
    let bits = u8::try_from(reader.u16()?).unwrap_or(u8::MAX);
    let bits = if bits < 8 { bits } else { 8 };
    Ok(Header { bits, significant_bits: bits, ..Header::new(Format::Bmp, size) })
}

/// The rows, whatever the header's version, the compression and the order of the channels.
pub(super) fn decode(bytes: &[u8], size: Size) -> io::Result<Raster> {
    let mut reader = Reader::new(Cursor::new(bytes), Order::Little);
    reader.go_to(10)?;
    let (start, header) = (reader.u32()?, reader.u32()?);
    let core = header == 12;
    reader.go_to(if core { 24 } else { 28 })?;
    let bits = reader.u16()?;
    let mut compression = 0;
    let (mut height, mut used) = (0, 0);
    if !core && header >= 40 {
        compression = reader.u32()?;
        reader.go_to(22)?;
        height = reader.u32()? as i32;
        reader.go_to(46)?;
        used = reader.u32()?;
    }
    let fields = matches!(compression, 3 | 6);
    let palette = read_palette(&mut reader, u64::from(header) + 14, core, bits, used)?;
    reader.go_to(54)?;
    let masks = match bits {
        16 | 32 if fields => [reader.u32()?, reader.u32()?, reader.u32()?],
        16 => [0x7C00, 0x03E0, 0x001F],
        _ => [0x00FF_0000, 0xFF00, 0xFF],
    };
    let pixels = bytes.get(start as usize..).unwrap_or_default();
    let Size { width, .. } = size;
    let stride = (width * usize::from(bits)).div_ceil(32) * 4;
    let rows = || {
        let rows = pixels.get(..stride * size.height).ok_or(io::ErrorKind::UnexpectedEof);
        rows.map(|rows| rows.chunks_exact(stride)).map_err(io::Error::from)
    };
    let (samples, channels) = match (compression, bits) {
        (0, 1 | 2 | 4 | 8) => {
            let used = (width * usize::from(bits)).div_ceil(8);
            let packed = rows()?.map(|row| &row[..used]).collect::<Vec<_>>().concat();
            (if bits == 8 { packed } else { unpacked(&packed, bits as u8, width) }, 1)
        }
        (1, 8) | (2, 4) => (run_lengths(pixels, size, bits == 4)?, 1),
        (0, 24) => {
            let mut samples = Vec::with_capacity(3 * size.pixels());
            for row in rows()? {
                row[..3 * width].as_chunks().0.iter().for_each(|&[b, g, r]| samples.extend_from_slice(&[r, g, b]));
            }
            (samples, 3)
        }
        (0 | 3 | 6, 16 | 32) => (by_masks(rows()?, width, bits, masks), 3),
        (4 | 5, _) => return Err(damaged("it is a BMP with a JPEG or PNG inside, which is not supported")),
        _ => {
            let reason = format!("it is a BMP of {bits} bits with compression {compression}, which is not supported");
            return Err(damaged(reason));
        }
    };
    let samples = if height < 0 {
        samples
    } else {
        samples.chunks_exact((width * channels).max(1)).rev().collect::<Vec<_>>().concat()
    };
    let colours = if channels == 3 { Colours::Rgb } else { Colours::Palette(palette) };
    Ok(Raster { size, colours, channels, samples: Samples::Bytes(samples), range: Range::Bits(8) })
}

fn read_palette<R: Read + Seek>(
    reader: &mut Reader<R>,
    after_header: u64,
    core: bool,
    bits: u16,
    used: u32,
) -> io::Result<Vec<[u8; 3]>> {
    if bits > 8 {
        return Ok(Vec::new());
    }
    reader.go_to(after_header)?;
    let most = 1 << bits;
    let count = if (1..most).contains(&used) { used } else { most };
    let colour = |_| {
        let [blue, green, red] = reader.take()?;
        if !core {
            reader.skip(1)?;
        }
        Ok([red, green, blue])
    };
    (0..count).map(colour).collect()
}

/// Each channel where its mask has ones, cut or stretched to eight bits as Pillow does.
fn by_masks<'a>(rows: impl Iterator<Item = &'a [u8]>, width: usize, bits: u16, masks: [u32; 3]) -> Vec<u8> {
    let channels = masks.map(|mask| {
        let shift = mask.trailing_zeros().min(31);
        (mask, shift, u64::from(mask >> shift))
    });
    let mut samples = Vec::new();
    for row in rows {
        let count = usize::from(bits / 8);
        for bytes in row[..width * count].chunks_exact(count) {
            let pixel = bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
            let level = |(mask, shift, most): (u32, u32, u64)| match most {
                255 => ((pixel & mask) >> shift) as u8,
                _ => (u64::from((pixel & mask) >> shift) * 255).checked_div(most).unwrap_or(0) as u8,
            };
            samples.extend_from_slice(&channels.map(level));
        }
    }
    samples
}

/// Run-length coded indices of eight or four bits; pixels that are skipped have index 0.
fn run_lengths(bytes: &[u8], size: Size, four: bool) -> io::Result<Vec<u8>> {
    let mut indices = vec![0; size.pixels()];
    let (mut x, mut y) = (0, 0);
    let mut put = |x: &mut usize, y: usize, index: u8| {
        if *x < size.width && y < size.height {
            indices[y * size.width + *x] = index;
        }
        *x += 1;
    };
    let nibble = |byte: u8, place: usize| if place.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
    let mut rest = bytes;
    let mut take = |count: usize| {
        let (taken, after) = rest.split_at_checked(count).ok_or(io::ErrorKind::UnexpectedEof)?;
        rest = after;
        Ok::<_, io::Error>(taken)
    };
    while y < size.height {
        match *take(2)? {
            [0, 0] => (x, y) = (0, y + 1),
            [0, 1] => break,
            [0, 2] => {
                let step = take(2)?;
                (x, y) = (x + usize::from(step[0]), y + usize::from(step[1]));
            }
            [0, count] => {
                let count = usize::from(count);
                let length = if four { count.div_ceil(2) } else { count };
                let literal = take(length.next_multiple_of(2))?;
                for place in 0..count {
                    put(&mut x, y, if four { nibble(literal[place / 2], place) } else { literal[place] });
                }
            }
            [count, byte] => {
                (0..usize::from(count)).for_each(|place| put(&mut x, y, if four { nibble(byte, place) } else { byte }));
            }
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    Ok(indices)
}
