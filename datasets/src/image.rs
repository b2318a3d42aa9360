//! Images as plain bytes, red, green and blue or any other channels: decoding, encoding, resizing.
//!
//! Every file is recognised by its content. PNG, BMP, TIFF, PNM and GIF are decoded here or by crates that give the stored
//! samples; JPEG, WebP, JPEG 2000 and JPEG inside of TIFF by OpenCV's `imdecode`. The size is read from the header and bounded
//! before memory is taken.
//!
//! The pixels are Pillow's: `ImageOps.exif_transpose(Image.open(file)).convert("RGB")`, of an animation the first image. Grey is
//! repeated, alpha dropped, a palette looked up, CMYK converted without a colour profile. For a network of one channel they are
//! those of `convert("L")`. Any other number of channels has to be the file's own, and the channels are taken as they are
//! stored: TIFF, PNG and WebP have them. Sixteen bits are cut to the high eight, as `cv2.imread` does, or to the eight highest
//! of fewer bits by [`Depth`]. Images are turned by their EXIF [`Orientation`], after decoding and in one place, so that all
//! formats behave alike.
//!
//! A file that is cut short is an error: OpenCV itself silently fills the missing rows of a JPEG with grey, so its markers are
//! followed to the end first. As in Pillow, damage inside the entropy-coded data of a JPEG that still ends properly is not
//! detected.
//!
//! There are two ways to resize: [`Image::resize`] is fast and equals OpenCV, [`Image::resize_antialiased`] equals Pillow,
//! torchvision and timm.
//!
//! OpenCV's own threads are turned off: this crate works on several images at once instead.

mod bmp;
mod channels;
mod encoded;
mod foreign;
mod format;
mod gif;
mod header;
mod jp2;
mod jpeg;
mod options;
mod png_file;
mod pnm;
mod raster;
mod reader;
mod render;
mod resample;
mod tiff;
mod tiff_pixels;
mod turn;
mod webp;
mod window;

use std::fmt;
use std::path::Path;
use std::sync::Once;

use opencv::boxed_ref::{BoxedRef, BoxedRefMut};
use opencv::core::{self, Mat, MatTraitConst, MatTraitConstManual, Vec3b, Vector, VectorToVec};
use opencv::{imgcodecs, imgproc};
use serde::{Deserialize, Serialize};

use crate::Error;

pub use channels::MAX_CHANNELS;
pub(crate) use channels::{differ, luma};
pub(crate) use encoded::{Encoded, MAX_PIXELS, Reduction};
pub use format::Format;
pub use header::Header;
pub use options::{Depth, Orientation, PixelOptions};
pub(crate) use png_file::{Palette, write_bits, write_indices, write_palette};
pub use raster::MaskPixels;
pub use resample::Interpolation;
pub(crate) use turn::Turn;
pub use window::PixelWindow;
pub(crate) use window::{Affine, Flip, Window, rotation, source_of};

/// A height and a width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// Rows times columns.
    pub fn pixels(self) -> usize {
        self.height.saturating_mul(self.width)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// An image of eight bits per channel: RGB, grey, or of any other channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    channels: usize,
    /// `[H, W, C]`, `height * width * channels` bytes: rows from the top, pixels from the left, of three channels red, green,
    /// blue.
    pub data: Vec<u8>,
}

/// A file format to encode into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Baseline JPEG of this quality, 1 to 100.
    Jpeg(u8),
    /// PNG, without loss.
    Png,
}

impl Image {
    /// The file extensions, in lower case, of every format that is decoded. Files have them in any case.
    pub const EXTENSIONS: [&str; 16] = [
        "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "gif",
        "jp2",
    ];

    /// The image of these bytes, `[H, W, C]`.
    pub fn new(size: Size, channels: usize, data: Vec<u8>) -> Image {
        Image { height: size.height, width: size.width, channels, data }
    }

    /// An image of one colour, with as many channels as the colour has levels.
    pub fn filled(size: Size, colour: impl AsRef<[u8]>) -> Image {
        let colour = colour.as_ref();
        Image::new(size, colour.len(), colour.repeat(size.pixels()))
    }

    /// Bytes per pixel: 3 for red, green and blue, 1 for grey.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Reads an image file.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Decode`] where it is damaged, cut short, not an image, or larger
    /// than Pillow's limit of 178,956,970 pixels.
    pub fn read(path: &Path, options: &PixelOptions) -> Result<Image, Error> {
        Encoded::read(path)?.decode(options, Reduction::None)
    }

    /// Decodes a file's bytes; `origin` names them in errors.
    ///
    /// # Errors
    /// [`Error::Decode`], as for [`Image::read`].
    pub fn decode(bytes: Vec<u8>, origin: &Path, options: &PixelOptions) -> Result<Image, Error> {
        Encoded::new(bytes, origin)?.decode(options, Reduction::None)
    }

    /// An image file in a size with at most `side` pixels along its longer side, in red, green and blue for people to look at; a JPEG
    /// is decoded no larger than that needs.
    ///
    /// # Errors
    /// As for [`Image::read`].
    pub fn thumbnail(path: &Path, side: usize, options: &PixelOptions) -> Result<Image, Error> {
        let encoded = Encoded::read(path)?;
        let size = encoded.header().size(options.orientation);
        let longer = size.height.max(size.width).max(1);
        let scale = (longer as f64 / side.max(1) as f64).max(1.0);
        let image = encoded.decode(options, encoded.reduction(scale, options.orientation))?.to_rgb_for_view();
        let shrunk = |pixels: usize| ((pixels as f64 / scale).round() as usize).max(1);
        let small = Size { height: shrunk(size.height), width: shrunk(size.width) };
        if small == image.size() { Ok(image) } else { image.resize_antialiased(small, Interpolation::Bilinear) }
    }

    /// The size that [`Image::read`] gives an image file, by its header alone.
    ///
    /// # Errors
    /// As for [`Header::read`].
    pub fn measure(path: &Path, orientation: Orientation) -> Result<Size, Error> {
        Ok(Header::read(path)?.size(orientation))
    }

    pub(crate) fn turned(self, turn: Turn) -> Image {
        let size = self.size();
        Image::new(turn.size(size), self.channels, turn.apply(size, self.data, self.channels))
    }

    /// The image of a matrix of bytes as OpenCV gives it: grey; blue, green, red; or these and alpha.
    pub(crate) fn from_opencv(matrix: &Mat) -> opencv::Result<Image> {
        let size = Size { height: matrix.rows().unsigned_abs() as usize, width: matrix.cols().unsigned_abs() as usize };
        match matrix.typ() {
            core::CV_8UC1 => Ok(Image::new(size, 1, matrix.data_bytes()?.to_vec())),
            core::CV_8UC3 => {
                let mut image = Image::black(size, 3);
                let mut rgb = image.matrix_mut()?;
                imgproc::cvt_color(matrix, &mut rgb, imgproc::COLOR_BGR2RGB, 0)?;
                drop(rgb);
                Ok(image)
            }
            core::CV_8UC4 => {
                let mut rgba = Mat::default();
                imgproc::cvt_color(matrix, &mut rgba, imgproc::COLOR_BGRA2RGBA, 0)?;
                Ok(Image::new(size, 4, rgba.data_bytes()?.to_vec()))
            }
            _ => {
                let message = format!("{} channels of depth {}", matrix.channels(), matrix.depth());
                Err(opencv::Error::new(core::StsUnsupportedFormat, message))
            }
        }
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        Size { height: self.height, width: self.width }
    }

    /// The bytes of an image file, of an image with one or three channels. The same image gives the same bytes under one version
    /// of OpenCV.
    ///
    /// # Errors
    /// [`Error::Pixels`] for another number of channels, where the buffer does not fit the size, or a side exceeds the format's
    /// limit.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, Error> {
        let failed = self.failure("encode");
        let (extension, parameters) = match encoding {
            Encoding::Jpeg(quality) => (".jpg", vec![imgcodecs::IMWRITE_JPEG_QUALITY, i32::from(quality)]),
            Encoding::Png => (".png", Vec::new()),
        };
        let pixels = self.matrix().map_err(&failed)?;
        let mut file = Vector::new();
        let parameters = Vector::from(parameters);
        let written = if self.channels == 1 {
            imgcodecs::imencode(extension, &pixels, &mut file, &parameters)
        } else {
            let mut bgr = Mat::default();
            imgproc::cvt_color(&pixels, &mut bgr, imgproc::COLOR_RGB2BGR, 0).map_err(&failed)?;
            imgcodecs::imencode(extension, &bgr, &mut file, &parameters)
        };
        if !written.map_err(&failed)? {
            return Err(failed(opencv::Error::new(core::StsError, "the encoder refuses it")));
        }
        Ok(file.to_vec())
    }

    /// The image at another size, not keeping its proportions: equals `cv2.resize(..., interpolation=INTER_LINEAR)`, the
    /// resize of MMDetection. Unlike Pillow's and torchvision's it does not average while shrinking.
    ///
    /// # Errors
    /// [`Error::Pixels`] where either size has no pixels.
    pub fn resize(&self, size: Size) -> Result<Image, Error> {
        self.render(&Window::whole(self.size()), Flip::default(), size, [0; 3])
    }

    /// The matrix of an image with one or three channels.
    pub(crate) fn matrix(&self) -> opencv::Result<BoxedRef<'_, Mat>> {
        set_up();
        let (rows, columns) = (extent(self.height)?, extent(self.width)?);
        match self.channels {
            1 => Mat::new_rows_cols_with_bytes::<u8>(rows, columns, &self.data),
            3 => Mat::new_rows_cols_with_bytes::<Vec3b>(rows, columns, &self.data),
            other => Err(of_channels(other)),
        }
    }

    pub(crate) fn matrix_mut(&mut self) -> opencv::Result<BoxedRefMut<'_, Mat>> {
        set_up();
        let (rows, columns) = (extent(self.height)?, extent(self.width)?);
        match self.channels {
            1 => Mat::new_rows_cols_with_bytes_mut::<u8>(rows, columns, &mut self.data),
            3 => Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, &mut self.data),
            other => Err(of_channels(other)),
        }
    }

    pub(crate) fn failure(&self, operation: &'static str) -> impl Fn(opencv::Error) -> Error + use<> {
        let size = self.size();
        move |error| Error::Pixels { operation, size, reason: one_line(&error) }
    }
}

/// The version of OpenCV that this program is linked with.
pub fn opencv_version() -> String {
    format!(
        "{}.{}.{}",
        opencv::core::get_version_major(),
        opencv::core::get_version_minor(),
        opencv::core::get_version_revision()
    )
}

fn extent(side: usize) -> opencv::Result<i32> {
    i32::try_from(side).map_err(|_| opencv::Error::new(core::StsOutOfRange, format!("a side of {side} pixels")))
}

fn of_channels(count: usize) -> opencv::Error {
    opencv::Error::new(core::StsUnsupportedFormat, format!("it has {count} channels instead of 1 or 3"))
}

pub(crate) fn one_line(error: &opencv::Error) -> String {
    error.message.lines().next().unwrap_or_default().trim().to_owned()
}

/// Turns off OpenCV's own threads, and its log except for errors: a failed call returns its reason.
pub(crate) fn set_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A build of OpenCV without threads refuses the call and does not need it.
        drop(core::set_num_threads(1));
        drop(core::set_log_level(core::LogLevel::LOG_LEVEL_ERROR));
    });
}
