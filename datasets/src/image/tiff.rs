//! The first directory of a TIFF file, which is also the form of an EXIF block.

use std::io::{self, Cursor, Read, Seek};

use super::header::Header;
use super::reader::{Order, Reader, damaged};
use super::{Format, MAX_PIXELS, Size};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const PHOTOMETRIC: u16 = 262;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const MOST: u16 = 281;
const PLANES: u16 = 284;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const EXTRA_SAMPLES: u16 = 338;
const MOST_OF_TYPE: u16 = 341;
const DNG_VERSION: u16 = 50706;
/// The photometric interpretation of indices into a palette.
const PALETTE: u32 = 3;
/// More entries than any writer makes.
const MAX_ENTRIES: u64 = 4096;

/// The orientation in an EXIF block (without its name), 1 to 8; 1 where it states none, or is damaged.
pub(super) fn exif_orientation(block: &[u8]) -> u8 {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let directory = Directory::first(Cursor::new(block));
    directory.map_or(1, |directory| directory.orientation())
}

pub(super) fn header<R: Read + Seek>(source: R) -> io::Result<Header> {
    let directory = Directory::first(source)?;
    let side = |tag| directory.value(tag).unwrap_or(0) as usize;
    if directory.value(DNG_VERSION).is_some() {
        return Err(damaged("it is a DNG raw photograph, which is not supported; convert it to JPEG or PNG"));
    }
    let tile = Size { height: side(TILE_HEIGHT), width: side(TILE_WIDTH) };
    if tile.pixels() > MAX_PIXELS {
        return Err(damaged(format!("the TIFF has tiles of {tile} pixels")));
    }
    let bits = directory.value(BITS).unwrap_or(1).min(255) as u8;
    let most = directory.value(MOST).or_else(|| directory.value(MOST_OF_TYPE)).unwrap_or(0);
    // Other values are the greatest of the image rather than the greatest possible.
    let said = (9..=15).find(|&said| most == (1 << said) - 1).filter(|&said| said < bits);
    let photometric = directory.value(PHOTOMETRIC);
    let samples = directory.value(SAMPLES);
    let alpha = directory.value(EXTRA_SAMPLES).is_some() || matches!((samples, photometric), (Some(4), Some(2)));
    Ok(Header {
        bits,
        significant_bits: said.unwrap_or(bits),
        channels: if photometric == Some(PALETTE) { 3 } else { samples.unwrap_or(1) as usize },
        orientation: directory.orientation(),
        // More samples than grey and alpha are those of a sensor.
        grey: matches!(photometric, Some(0 | 1)) && samples.is_none_or(|samples| samples < 3),
        cmyk: photometric == Some(5),
        alpha,
        animated: !directory.is_last,
        ..Header::new(Format::Tiff, Size { height: side(HEIGHT), width: side(WIDTH) })
    })
}

/// TIFF 6.0, section 2, and `BigTIFF`: a directory of entries, of which those of whole numbers are kept.
pub(super) struct Directory {
    entries: Vec<Entry>,
    order: Order,
    is_last: bool,
}

struct Entry {
    tag: u16,
    /// The first one.
    number: u32,
    /// Where the numbers are.
    place: u64,
    /// Bytes of a number.
    length: usize,
}

impl Directory {
    pub(super) fn first<R: Read + Seek>(source: R) -> io::Result<Directory> {
        let mut reader = Reader::new(source, Order::Little);
        reader.order = match &reader.take()? {
            b"II" => Order::Little,
            b"MM" => Order::Big,
            _ => return Err(damaged("it is not a TIFF")),
        };
        let big = match reader.u16()? {
            42 => false,
            43 => true,
            _ => return Err(damaged("it is not a TIFF")),
        };
        if big {
            reader.skip(4)?;
        }
        let start = if big { reader.u64()? } else { u64::from(reader.u32()?) };
        reader.go_to(start)?;
        let count = if big { reader.u64()? } else { u64::from(reader.u16()?) };
        if count > MAX_ENTRIES {
            return Err(damaged(format!("the TIFF's first directory has {count} entries")));
        }
        let order = reader.order;
        let first = reader.at();
        let table = reader.bytes(count * if big { 20 } else { 12 })?;
        // The link to the next directory may be missing in an EXIF block.
        let next = match if big { reader.u64() } else { reader.u32().map(u64::from) } {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            next => next?,
        };
        let mut entries = Vec::new();
        for (row, entry) in (0..).zip(table.chunks_exact(if big { 20 } else { 12 })) {
            let mut entry = Reader::new(Cursor::new(entry), order);
            let (tag, kind) = (entry.u16()?, entry.u16()?);
            let values = if big { entry.u64()? } else { u64::from(entry.u32()?) };
            let length = match kind {
                1 => 1,
                3 => 2,
                4 => 4,
                _ => continue,
            };
            let (number, place) = if values.saturating_mul(length) <= if big { 8 } else { 4 } {
                (first_number(&mut entry, kind), first + if big { 20 * row + 12 } else { 12 * row + 8 })
            } else {
                let place = if big { entry.u64()? } else { u64::from(entry.u32()?) };
                (reader.go_to(place).and_then(|()| first_number(&mut reader, kind)), place)
            };
            match number {
                Ok(number) => entries.push(Entry { tag, number, place, length: length as usize }),
                // A damaged entry of no interest does not make an image unreadable.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Directory { entries, order, is_last: next == 0 })
    }

    fn orientation(&self) -> u8 {
        match self.value(ORIENTATION) {
            Some(orientation @ 1..=8) => orientation as u8,
            _ => 1,
        }
    }

    fn value(&self, tag: u16) -> Option<u32> {
        self.entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.number)
    }

    /// The file with its samples called grey levels, for a decoder without palettes that leaves out samples beyond the colours.
    pub(super) fn as_grey_levels(&self, bytes: &[u8]) -> Vec<u8> {
        self.with(bytes, PHOTOMETRIC, 1).unwrap_or_else(|| bytes.to_vec())
    }

    /// Where every plane has tiles of its own, and the lowest ones reach beyond the image: the file with a height that includes
    /// all of them, and this height.
    pub(super) fn with_complete_tiles(&self, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (height, tile) = (self.value(HEIGHT)?, self.value(TILE_HEIGHT)?);
        let rows =
            height.checked_next_multiple_of(tile).filter(|rows| *rows > height && self.value(PLANES) == Some(2))?;
        Some((self.with(bytes, HEIGHT, rows)?, rows as usize))
    }

    /// The file with another number in an entry; `None` where it has no such entry, or not enough bytes for the number.
    fn with(&self, bytes: &[u8], tag: u16, number: u32) -> Option<Vec<u8>> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        let digits = number.to_be_bytes();
        let (beyond, digits) = digits.split_at(4 - entry.length);
        let mut digits = digits.to_vec();
        if self.order == Order::Little {
            digits.reverse();
        }
        let mut bytes = bytes.to_vec();
        let place = usize::try_from(entry.place).ok()?;
        bytes.get_mut(place..)?.get_mut(..entry.length)?.copy_from_slice(&digits);
        beyond.iter().all(|digit| *digit == 0).then_some(bytes)
    }
}

fn first_number<R: Read + Seek>(reader: &mut Reader<R>, kind: u16) -> io::Result<u32> {
    match kind {
        1 => reader.u8().map(u32::from),
        3 => reader.u16().map(u32::from),
        _ => reader.u32(),
    }
}
