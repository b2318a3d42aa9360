//! An image file in memory, checked but not yet decoded: its size is known before memory for the pixels is taken.

use std::fs;
use std::path::{Path, PathBuf};

use opencv::core::{Mat, MatTraitConst};
use opencv::imgcodecs;

use super::{Content, Image, Orientation, Size, Traits, one_line, png_file, set_up};
use crate::Error;

/// Pillow's limit against files that state huge sizes.
pub(crate) const MAX_PIXELS: usize = 178_956_970;

/// Decoding at a fraction of the stored size. A JPEG holds 8x8 blocks of frequencies, of which libjpeg then reads only
/// the low ones: cheaper, and averaged where shrinking afterwards would alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    None,
    Half,
    Quarter,
    Eighth,
}

impl Reduction {
    /// The greatest reduction after which shrinking by `scale` still shrinks.
    pub(crate) fn for_scale(scale: f64) -> Reduction {
        match scale {
            _ if scale >= 8.0 => Reduction::Eighth,
            _ if scale >= 4.0 => Reduction::Quarter,
            _ if scale >= 2.0 => Reduction::Half,
            _ => Reduction::None,
        }
    }

    fn flag(self) -> i32 {
        match self {
            Reduction::None => imgcodecs::IMREAD_COLOR,
            Reduction::Half => imgcodecs::IMREAD_REDUCED_COLOR_2,
            Reduction::Quarter => imgcodecs::IMREAD_REDUCED_COLOR_4,
            Reduction::Eighth => imgcodecs::IMREAD_REDUCED_COLOR_8,
        }
    }

    /// Stored pixels per decoded pixel, on each axis.
    pub(crate) fn factor(self) -> usize {
        match self {
            Reduction::None => 1,
            Reduction::Half => 2,
            Reduction::Quarter => 4,
            Reduction::Eighth => 8,
        }
    }
}

/// The bytes of an image file, with its format and size.
pub(crate) struct Encoded {
    path: PathBuf,
    bytes: Vec<u8>,
    content: Content,
    size: Size,
}

impl Encoded {
    pub(crate) fn read(path: &Path) -> Result<Encoded, Error> {
        Encoded::new(fs::read(path).map_err(Error::io("read", path))?, path)
    }

    pub(crate) fn new(bytes: Vec<u8>, path: &Path) -> Result<Encoded, Error> {
        let damaged = |reason: String| Error::Decode { path: path.to_path_buf(), reason };
        if bytes.is_empty() {
            return Err(damaged("the file is empty".to_owned()));
        }
        let content =
            Content::of(&bytes).ok_or_else(|| damaged("it is not an image in a supported format".to_owned()))?;
        let size = content.size(&bytes).map_err(damaged)?;
        if size.pixels() > MAX_PIXELS {
            return Err(damaged(format!("{size} pixels are more than the limit of {MAX_PIXELS}")));
        }
        Ok(Encoded { path: path.to_path_buf(), bytes, content, size })
    }

    /// The stored size.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn content(&self) -> Content {
        self.content
    }

    /// What the file's structure says of its pixels.
    pub(crate) fn traits(&self) -> Traits {
        Traits::of(self.content, &self.bytes)
    }

    /// The reduction with which to [`Encoded::decode`] an image that is then shrunk by `scale`: none but for JPEG.
    pub(crate) fn reduction(&self, scale: f64) -> Reduction {
        match self.content {
            Content::Jpeg => Reduction::for_scale(scale),
            _ => Reduction::None,
        }
    }

    /// The image; without a reduction it has the stored size, or with [`Orientation::Upright`] the rotated size.
    pub(crate) fn decode(&self, orientation: Orientation, reduction: Reduction) -> Result<Image, Error> {
        let image = match self.content {
            Content::Png => png_file::decode(&self.bytes).map_err(|error| self.damaged(error.to_string()))?,
            _ => self.decode_by_opencv(orientation, reduction)?,
        };
        let rotated = Size { height: self.size.width, width: self.size.height };
        let fits = image.size() == self.size || (orientation == Orientation::Upright && image.size() == rotated);
        if reduction == Reduction::None && !fits {
            return Err(self.damaged(format!("its header says {} pixels, but {} are in it", self.size, image.size())));
        }
        Ok(image)
    }

    /// The numbers in a mask's pixels: PNG only, with a palette or grey.
    pub(crate) fn numbers(&self) -> Result<(Size, Vec<u16>), Error> {
        match self.content {
            Content::Png => png_file::decode_numbers(&self.bytes).map_err(|reason| self.damaged(reason)),
            _ => Err(self.damaged("a mask must be a PNG".to_owned())),
        }
    }

    fn decode_by_opencv(&self, orientation: Orientation, reduction: Reduction) -> Result<Image, Error> {
        set_up();
        let flags = match orientation {
            Orientation::AsStored => reduction.flag() | imgcodecs::IMREAD_IGNORE_ORIENTATION,
            Orientation::Upright => reduction.flag(),
        };
        let failed = |error: opencv::Error| self.damaged(one_line(&error));
        let file = Mat::from_slice(&self.bytes).map_err(failed)?;
        let bgr = imgcodecs::imdecode(&file, flags).map_err(failed)?;
        if bgr.empty() {
            return Err(self.damaged("it is damaged, or of a kind that OpenCV does not decode".to_owned()));
        }
        Image::from_bgr(&bgr).map_err(failed)
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Decode { path: self.path.clone(), reason }
    }
}
