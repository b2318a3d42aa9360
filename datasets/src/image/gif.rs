//! GIF: the first image on its canvas.

use std::io::{self, Read, Seek};

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::header::Header;
use super::raster::{Colours, Range, Raster, Samples};
use super::reader::{Order, Reader, damaged};
use super::{Format, Size};

pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    let mut reader = Reader::new(source, Order::Little);
    reader.go_to(6)?;
    let (width, height, flags) = (reader.u16()?, reader.u16()?, reader.u8()?);
    reader.skip(2)?;
    skip_palette(&mut reader, flags)?;
    let mut size = Size { height: usize::from(height), width: usize::from(width) };
    let (mut images, mut alpha) = (0, false);
    // A file that ends after its first image has only that one.
    while let Ok(introducer) = reader.u8() {
        match introducer {
            b'!' => {
                if reader.u8()? == 0xF9 && images == 0 {
                    let [_, flags] = reader.take()?;
                    alpha = flags & 1 != 0;
                    reader.skip(4)?;
                } else {
                    skip_blocks(&mut reader)?;
                }
            }
            b',' if images == 0 => {
                let [left, top, width, height] = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
                let end = |start: u16, length: u16| usize::from(start) + usize::from(length);
                // As in Pillow, an image beyond the canvas enlarges it.
                size = Size { height: size.height.max(end(top, height)), width: size.width.max(end(left, width)) };
                images = 1;
                let flags = reader.u8()?;
                skip_palette(&mut reader, flags)?;
                reader.skip(1)?;
                if skip_blocks(&mut reader).is_err() {
                    break;
                }
            }
            b',' => {
                images = 2;
                break;
            }
            _ => break,
        }
    }
    if images == 0 {
        return Err(damaged("the GIF has no image"));
    }
    Ok(Header { alpha, animated: images > 1, ..Header::new(Format::Gif, size) })
}

/// The first image as Pillow shows it: beyond it the canvas is transparent, or else of the first colour.
pub(super) fn decode(bytes: &[u8], size: Size) -> Result<Raster, DecodingError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // The header's size is bounded already.
    options.set_memory_limit(MemoryLimit::Unlimited);
    // Without any palette the indices are grey levels.
    let global = bytes.get(10).is_some_and(|flags| flags & 0x80 != 0);
    let ramp: Vec<u8> = if global { Vec::new() } else { (0..=255).flat_map(|level| [level; 3]).collect() };
    let (start, rest) = bytes.split_at_checked(13).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut start = start.to_vec();
    start[10] |= if global { 0 } else { 0x87 };
    let mut decoder = options.read_info(start.as_slice().chain(ramp.as_slice()).chain(rest))?;
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder.read_next_frame()?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let mut indices = vec![frame.transparent.unwrap_or(0); size.pixels()];
    let (left, top, width) = (usize::from(frame.left), usize::from(frame.top), usize::from(frame.width));
    let rows = indices.chunks_exact_mut(size.width.max(1)).skip(top);
    for (to, from) in rows.zip(frame.buffer.chunks_exact(width.max(1))) {
        if let Some(to) = to.get_mut(left..left + width) {
            to.copy_from_slice(from);
        }
    }
    let palette = frame.palette.clone().or(global).unwrap_or_default();
    let colours = Colours::Palette(palette.as_chunks().0.to_vec());
    Ok(Raster { size, colours, channels: 1, samples: Samples::Bytes(indices), range: Range::Bits(8) })
}

fn skip_palette<R: Read + Seek>(reader: &mut Reader<R>, flags: u8) -> io::Result<()> {
    if flags & 0x80 != 0 { reader.skip(3 << ((flags & 7) + 1)) } else { Ok(()) }
}

fn skip_blocks<R: Read + Seek>(reader: &mut Reader<R>) -> io::Result<()> {
    loop {
        match reader.u8()? {
            0 => return Ok(()),
            length => reader.skip(u64::from(length))?,
        }
    }
}
