//! What an image file says of itself before its pixels.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use super::channels::differ;
use super::foreign::foreign;
use super::turn::Turn;
use super::{Format, MAX_PIXELS, Orientation, Size, bmp, gif, jp2, jpeg, png_file, pnm, tiff, webp};
use crate::Error;

/// How much of a file is read at first.
const READ_AHEAD: usize = 1 << 16;

/// What an image file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The file format, by the content.
    pub format: Format,
    /// The size of the stored pixels.
    pub stored: Size,
    /// What EXIF says has to be done to show the pixels upright, 1 to 8; 1 where it says nothing, or nothing valid. From 5 on,
    /// height and width are exchanged.
    pub orientation: u8,
    /// Stored bits per channel; for a palette, of its indices.
    pub bits: u8,
    /// Of those, how many are used, as far as the file says: 12 of 16 where the highest value is 4095.
    pub significant_bits: u8,
    /// Channels of a pixel, alpha and others included; 3 for a palette of colours.
    pub channels: usize,
    /// One channel of grey levels.
    pub grey: bool,
    /// Converted to RGB without a colour profile.
    pub cmyk: bool,
    /// An alpha channel or a transparent colour, which is dropped.
    pub alpha: bool,
    /// Several images, of which the first is read.
    pub animated: bool,
}

impl Header {
    pub(super) fn new(format: Format, stored: Size) -> Header {
        Header {
            format,
            stored,
            orientation: 1,
            bits: 8,
            significant_bits: 8,
            channels: 3,
            grey: false,
            cmyk: false,
            alpha: false,
            animated: false,
        }
    }

    /// Reads the header of an image file: its first 64 KB, and further places only where the header is there. Does not detect
    /// that a file is cut short after its header.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Decode`] where it is not an image in a supported format, or larger
    /// than Pillow's limit of 178,956,970 pixels.
    pub fn read(path: &Path) -> Result<Header, Error> {
        let about = fs::metadata(path).map_err(Error::io("read", path))?;
        if !about.is_file() {
            // Opening a pipe may never return.
            return Err(Error::io("read", path)(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
        }
        let mut file = BufReader::with_capacity(READ_AHEAD, File::open(path).map_err(Error::io("read", path))?);
        let mut start = Vec::new();
        file.by_ref().take(512).read_to_end(&mut start).map_err(Error::io("read", path))?;
        file.seek_relative(-(start.len() as i64)).map_err(Error::io("read", path))?;
        Header::parse(&start, file, path)
    }

    /// The header of a file's bytes; `origin` names them in errors.
    ///
    /// # Errors
    /// [`Error::Decode`], as for [`Header::read`].
    pub fn of(bytes: &[u8], origin: &Path) -> Result<Header, Error> {
        Header::parse(bytes, Cursor::new(bytes), origin)
    }

    fn parse<R: Read + Seek>(start: &[u8], source: R, path: &Path) -> Result<Header, Error> {
        let damaged = |reason: String| Error::Decode { path: path.to_path_buf(), reason };
        if start.is_empty() {
            return Err(damaged("the file is empty".to_owned()));
        }
        let format = match (foreign(start, path), Format::of(start)) {
            (Some(reason), _) => return Err(damaged(reason)),
            (None, None) => return Err(damaged("it is not an image in a supported format".to_owned())),
            (None, Some(format)) => format,
        };
        let header = match format {
            Format::Jpeg => jpeg::header(source),
            Format::Png => png_file::header(source),
            Format::WebP => webp::header(source),
            Format::Bmp => bmp::header(source),
            Format::Tiff => tiff::header(source),
            Format::Pnm => pnm::header(source),
            Format::Gif => gif::header(source),
            Format::Jp2 => jp2::header(source),
        };
        let header = header.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(format!("the {format} file is cut short")),
            io::ErrorKind::InvalidData => damaged(error.to_string()),
            _ => Error::io("read", path)(error),
        })?;
        match header.stored.pixels() {
            0 => Err(damaged(format!("the header says {} pixels", header.stored))),
            1..=MAX_PIXELS => Ok(header),
            _ => Err(damaged(format!("{} pixels are more than the limit of {MAX_PIXELS}", header.stored))),
        }
    }

    /// Whether an image of this many channels can be read: 1 and 3 from every file, another number from a TIFF, PNG or WebP that
    /// has it. `path` names the file in the error.
    ///
    /// # Errors
    /// [`Error::Decode`] with the channels that the file has.
    pub fn check_channels(&self, channels: usize, path: &Path) -> Result<(), Error> {
        let Header { format, channels: own, .. } = *self;
        let reason = match channels {
            1 | 3 => return Ok(()),
            _ if own != channels => differ(own, channels),
            _ if matches!(format, Format::Tiff | Format::Png | Format::WebP) => return Ok(()),
            _ => format!("it is a {format} file, but {channels} channels are read from TIFF, PNG and WebP only"),
        };
        Err(Error::Decode { path: path.to_path_buf(), reason })
    }

    /// The size of the upright image.
    pub fn upright(&self) -> Size {
        self.turn(Orientation::Upright).size(self.stored)
    }

    /// The size of the image with this policy.
    pub fn size(&self, orientation: Orientation) -> Size {
        self.turn(orientation).size(self.stored)
    }

    /// Whether the upright image has other pixels than the stored one: it is rotated or mirrored.
    pub fn is_turned(&self) -> bool {
        self.turn(Orientation::Upright) != Turn::NONE
    }

    /// The policy by which the image has this size: the given one, or else the other one.
    pub(crate) fn recognise(&self, size: Size, orientation: Orientation) -> Option<Orientation> {
        match orientation {
            _ if self.size(orientation) == size => Some(orientation),
            Orientation::Upright if self.stored == size => Some(Orientation::Stored),
            _ => None,
        }
    }

    /// The size with the other policy, where it differs.
    pub(crate) fn other_size(&self, orientation: Orientation) -> Option<Size> {
        let other = match orientation {
            Orientation::Upright => self.stored,
            Orientation::Stored => self.upright(),
        };
        (other != self.size(orientation)).then_some(other)
    }

    pub(crate) fn turn(&self, orientation: Orientation) -> Turn {
        match orientation {
            Orientation::Upright => Turn::of_exif(self.orientation),
            Orientation::Stored => Turn::NONE,
        }
    }
}
