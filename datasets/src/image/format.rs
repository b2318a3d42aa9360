//! The formats that are decoded, by their first bytes.

use std::fmt;

/// A file format, detected from the content, not from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG of 8 bits.
    Jpeg,
    /// PNG; of an animated one the first image.
    Png,
    /// WebP; of an animated one the first image.
    WebP,
    /// Windows and OS/2 bitmaps.
    Bmp,
    /// TIFF; of several images the first.
    Tiff,
    /// Netpbm's P1 to P6.
    Pnm,
    /// GIF; of an animated one the first image.
    Gif,
    /// JPEG 2000.
    Jp2,
}

impl Format {
    pub(crate) fn of(bytes: &[u8]) -> Option<Format> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Format::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some(Format::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::WebP),
            [b'B', b'M', ..] => Some(Format::Bmp),
            [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => Some(Format::Tiff),
            [b'P', b'1'..=b'6', blank, ..] if blank.is_ascii_whitespace() => Some(Format::Pnm),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
            [0, 0, 0, 12, b'j', b'P', b' ', b' ', 0x0D, 0x0A, 0x87, 0x0A, ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => {
                Some(Format::Jp2)
            }
            _ => None,
        }
    }

    /// The extensions of the format, in lower case.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Format::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Format::Png => &["png"],
            Format::WebP => &["webp"],
            Format::Bmp => &["bmp", "dib"],
            Format::Tiff => &["tif", "tiff"],
            Format::Pnm => &["ppm", "pgm", "pbm", "pnm"],
            Format::Gif => &["gif"],
            Format::Jp2 => &["jp2"],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WebP",
            Format::Bmp => "BMP",
            Format::Tiff => "TIFF",
            Format::Pnm => "PNM",
            Format::Gif => "GIF",
            Format::Jp2 => "JPEG 2000",
        })
    }
}
