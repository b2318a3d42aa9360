//! The first directory of a TIFF file, which is also the form of an EXIF block.

use super::Size;

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const PHOTOMETRIC: u16 = 262;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const EXTRA_SAMPLES: u16 = 338;

/// Whether an EXIF block (without its name) says that the pixels are rotated or mirrored.
pub(super) fn exif_turns(block: &[u8]) -> bool {
    Directory::first(block).is_some_and(|directory| directory.is_turned())
}

/// TIFF 6.0, section 2: a directory of twelve-byte entries.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    first: usize,
    entries: usize,
}

impl<'a> Directory<'a> {
    /// The first directory; `None` where the bytes are not a TIFF with 32-bit offsets.
    pub(super) fn first(bytes: &'a [u8]) -> Option<Directory<'a>> {
        let little = match bytes.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        let mut directory = Directory { bytes, little, first: 0, entries: 0 };
        let at = directory.long(4)? as usize;
        directory.entries = usize::from(directory.short(at)?);
        directory.first = at + 2;
        Some(directory)
    }

    /// The stored size.
    ///
    /// # Errors
    /// What is missing, or a tile beyond the limit of an image's size.
    pub(super) fn size(&self) -> Result<Size, String> {
        let side = |tag| self.value(tag).map(|pixels| pixels as usize);
        match (side(WIDTH), side(HEIGHT)) {
            (Some(width @ 1..), Some(height @ 1..)) => {
                let tile = Size { height: side(TILE_HEIGHT).unwrap_or(0), width: side(TILE_WIDTH).unwrap_or(0) };
                if tile.pixels() > super::MAX_PIXELS {
                    return Err(format!("the TIFF has tiles of {tile} pixels"));
                }
                Ok(Size { height, width })
            }
            _ => Err("the TIFF's first directory states no size".to_owned()),
        }
    }

    /// Whether the pixels have to be rotated or mirrored to be upright.
    pub(super) fn is_turned(&self) -> bool {
        matches!(self.value(ORIENTATION), Some(2..=8))
    }

    /// Bits of the first channel.
    pub(super) fn bits(&self) -> u32 {
        self.value(BITS).unwrap_or(1)
    }

    /// 0 and 1 are grey, 5 is CMYK.
    pub(super) fn photometric(&self) -> Option<u32> {
        self.value(PHOTOMETRIC)
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.value(EXTRA_SAMPLES).is_some() || matches!((self.value(SAMPLES), self.photometric()), (Some(4), Some(2)))
    }

    /// The first number of a tag, of type SHORT or LONG.
    fn value(&self, tag: u16) -> Option<u32> {
        let entry = (0..self.entries).map(|entry| self.first + 12 * entry).find(|&at| self.short(at) == Some(tag))?;
        let count = self.long(entry + 4)?;
        match (self.short(entry + 2)?, count) {
            (3, 1 | 2) => self.short(entry + 8).map(u32::from),
            (3, _) => self.short(self.long(entry + 8)? as usize).map(u32::from),
            (4, 1) => self.long(entry + 8),
            (4, _) => self.long(self.long(entry + 8)? as usize),
            _ => None,
        }
    }

    fn short(&self, at: usize) -> Option<u16> {
        let pair = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let four = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }
}
