//! The format of a file by its first bytes, the size in its header, and what it says of its pixels.

use super::tiff::Directory;
use super::{Size, Traits, jpeg, png_file};

/// A file format, detected from the content, not from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Jpeg,
    Png,
    WebP,
    Bmp,
    Tiff,
    /// Netpbm's P1 to P6.
    Pnm,
}

impl Content {
    pub(crate) fn of(bytes: &[u8]) -> Option<Content> {
        match bytes {
            _ if jpeg::is_jpeg(bytes) => Some(Content::Jpeg),
            _ if png_file::is_png(bytes) => Some(Content::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Content::WebP),
            [b'B', b'M', ..] => Some(Content::Bmp),
            [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some(Content::Tiff),
            [b'P', b'1'..=b'6', blank, ..] if blank.is_ascii_whitespace() => Some(Content::Pnm),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Content::Jpeg => "JPEG",
            Content::Png => "PNG",
            Content::WebP => "WebP",
            Content::Bmp => "BMP",
            Content::Tiff => "TIFF",
            Content::Pnm => "PNM",
        }
    }

    /// The extensions of the format, in lower case.
    pub(crate) fn extensions(self) -> &'static [&'static str] {
        match self {
            Content::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Content::Png => &["png"],
            Content::WebP => &["webp"],
            Content::Bmp => &["bmp", "dib"],
            Content::Tiff => &["tif", "tiff"],
            Content::Pnm => &["pbm", "pgm", "ppm", "pnm"],
        }
    }

    /// The size in the header. A JPEG or PNG is also followed to its end.
    ///
    /// # Errors
    /// What is missing or out of place.
    pub(super) fn size(self, bytes: &[u8]) -> Result<Size, String> {
        let size = match self {
            Content::WebP => webp(bytes)?,
            Content::Bmp => bmp(bytes)?,
            Content::Tiff => Directory::first(bytes).ok_or("the TIFF has no complete directory")?.size()?,
            Content::Pnm => pnm(bytes).ok_or("the PNM header states no size")?,
            Content::Jpeg => jpeg::inspect(bytes)?,
            Content::Png => png_file::inspect(bytes)?,
        };
        if size.pixels() == 0 { Err(format!("the header says {size} pixels")) } else { Ok(size) }
    }
}

impl Traits {
    pub(super) fn of(content: Content, bytes: &[u8]) -> Traits {
        match content {
            Content::Jpeg => jpeg::traits(bytes),
            Content::Png => png_file::traits(bytes),
            Content::WebP => {
                // The extended header's flags.
                let flags = if chunk(bytes) == Some(b"VP8X") { bytes.get(20).copied().unwrap_or(0) } else { 0 };
                Traits { alpha: flags & 0x10 != 0, animated: flags & 0x02 != 0, ..Traits::default() }
            }
            Content::Tiff => Directory::first(bytes).map_or(Traits::default(), |directory| Traits {
                grey: matches!(directory.photometric(), Some(0 | 1)),
                cmyk: directory.photometric() == Some(5),
                deep: directory.bits() > 8,
                alpha: directory.has_alpha(),
                turned: directory.is_turned(),
                animated: false,
            }),
            Content::Pnm => {
                let grey = matches!(bytes.get(1), Some(b'1' | b'2' | b'4' | b'5'));
                Traits { grey, ..Traits::default() }
            }
            Content::Bmp => Traits::default(),
        }
    }
}

fn chunk(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(12..16)
}

/// RFC 9649: a RIFF file whose first chunk states the size in one of three ways.
fn webp(bytes: &[u8]) -> Result<Size, String> {
    let cut_short = || "the WebP file is cut short".to_owned();
    let length = little(bytes, 4, 4).ok_or_else(cut_short)?;
    if length + 8 > bytes.len() {
        return Err(cut_short());
    }
    let number = |at, count| little(bytes, at, count).ok_or_else(cut_short);
    match chunk(bytes) {
        Some(b"VP8X") => Ok(Size { width: number(24, 3)? + 1, height: number(27, 3)? + 1 }),
        Some(b"VP8L") => {
            let sides = number(21, 4)?;
            Ok(Size { width: (sides & 0x3FFF) + 1, height: (sides >> 14 & 0x3FFF) + 1 })
        }
        Some(b"VP8 ") => Ok(Size { width: number(26, 2)? & 0x3FFF, height: number(28, 2)? & 0x3FFF }),
        _ => Err("the WebP file has no image chunk".to_owned()),
    }
}

/// A header of 12 bytes has sides of 16 bits, every later one of 32 with a sign, which reverses the rows.
fn bmp(bytes: &[u8]) -> Result<Size, String> {
    let cut_short = || "the BMP file is cut short".to_owned();
    let number = |at, count| little(bytes, at, count).ok_or_else(cut_short);
    if number(14, 4)? == 12 {
        return Ok(Size { width: number(18, 2)?, height: number(20, 2)? });
    }
    let side = |at| Ok::<_, String>((number(at, 4)? as u32 as i32).unsigned_abs() as usize);
    let size = Size { width: side(18)?, height: side(22)? };
    let (pixels, bits, compression) = (number(10, 4)?, number(28, 2)?, number(30, 4)?);
    let row = size.width.saturating_mul(bits).div_ceil(32).saturating_mul(4);
    if matches!(compression, 0 | 3) && row.saturating_mul(size.height).saturating_add(pixels) > bytes.len() {
        return Err(cut_short());
    }
    Ok(size)
}

/// Two numbers after the kind, separated by white space and comments.
fn pnm(bytes: &[u8]) -> Option<Size> {
    let mut rest = bytes.get(2..)?;
    let mut number = || {
        loop {
            rest = rest.trim_ascii_start();
            match rest.strip_prefix(b"#") {
                Some(comment) => rest = &comment[comment.iter().position(|&byte| byte == b'\n')?..],
                None => break,
            }
        }
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        rest = after;
        std::str::from_utf8(number).ok()?.parse::<usize>().ok()
    };
    Some(Size { width: number()?, height: number()? })
}

/// An unsigned little-endian number of up to four bytes.
fn little(bytes: &[u8], at: usize, count: usize) -> Option<usize> {
    let number = bytes.get(at..at + count)?;
    Some(number.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::{Encoded, Orientation, Reduction};
    use super::*;
    use crate::golden;

    #[derive(Deserialize)]
    struct Golden {
        files: BTreeMap<String, Facts>,
    }

    #[derive(Deserialize)]
    struct Facts {
        width: usize,
        height: usize,
        grey: bool,
        cmyk: bool,
        deep: bool,
        alpha: bool,
        turned: bool,
        animated: bool,
    }

    #[test]
    fn size_and_traits_are_what_pillow_says_in_every_format() {
        let golden: Golden = golden::json("formats/facts.json");
        assert_eq!(golden.files.len(), 19);
        for (name, Facts { width, height, grey, cmyk, deep, alpha, turned, animated }) in golden.files {
            let path = golden::path(&format!("formats/{name}"));
            let encoded = Encoded::read(&path).expect("a complete file");
            assert_eq!(encoded.size(), Size { height, width }, "{name}");
            assert_eq!(encoded.traits(), Traits { grey, cmyk, deep, alpha, turned, animated }, "{name}");
            let extension = path.extension().and_then(|extension| extension.to_str()).expect("an extension");
            assert!(encoded.content().extensions().contains(&extension), "{name}");
            let image = encoded.decode(Orientation::AsStored, Reduction::None);
            match animated && encoded.content() == Content::WebP {
                // OpenCV 4.6 does not read animations; later versions read the first image.
                true => assert!(image.is_err() || image.is_ok_and(|image| image.size() == encoded.size())),
                false => assert_eq!(image.expect("pixels").size(), encoded.size(), "{name}"),
            }
        }
    }
}
