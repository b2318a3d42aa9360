//! Images as plain RGB bytes: decoding, encoding, resizing.
//!
//! JPEG, WebP, BMP, TIFF and PNM are decoded by OpenCV's `imdecode`; PNG by the `png` crate, which names the damage where
//! OpenCV gives an empty matrix. Other formats are refused, whatever OpenCV was built with: the size is read from the header
//! and bounded before memory is taken. Decoding equals `cv2.imread(..., IMREAD_COLOR)` converted to RGB: grey is repeated,
//! alpha dropped, 16 bits cut to 8. A file that is cut short is an error: OpenCV itself silently fills the missing rows of a
//! JPEG with grey, so its markers are followed to the end first. As in Pillow, damage inside the entropy-coded data of a JPEG
//! that still ends properly is not detected.
//!
//! There are two ways to resize: [`Image::resize`] is fast and equals OpenCV, [`Image::resize_antialiased`] equals Pillow,
//! torchvision and timm.
//!
//! OpenCV's own threads are turned off: this crate works on several images at once instead.

mod encoded;
mod header;
mod jpeg;
mod png_file;
mod render;
mod resample;
mod tiff;
mod traits;
mod window;

use std::fmt;
use std::path::Path;
use std::sync::Once;

use opencv::boxed_ref::{BoxedRef, BoxedRefMut};
use opencv::core::{self, Mat, MatTraitConst, Vec3b, Vector, VectorToVec};
use opencv::{imgcodecs, imgproc};
use serde::{Deserialize, Serialize};

use crate::Error;

pub(crate) use encoded::{Encoded, MAX_PIXELS, Reduction};
pub(crate) use header::Content;
pub(crate) use png_file::write_palette;
pub use resample::Interpolation;
pub(crate) use traits::Traits;
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

/// An RGB image of eight bits per channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width * 3` bytes: rows from the top, pixels from the left, red, green, blue.
    pub data: Vec<u8>,
}

/// How to treat the orientation that a camera writes into the EXIF block of a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// Pixels as stored. Annotations refer to these: Pillow, torchvision and pycocotools do not rotate images.
    AsStored,
    /// Rotated upright, as a viewer shows it: for images without annotations.
    Upright,
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
    /// The file extensions, in lower case, of the images that are read from a folder.
    pub const EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "bmp"];

    /// An image of one colour.
    pub fn filled(size: Size, colour: [u8; 3]) -> Image {
        Image { height: size.height, width: size.width, data: colour.repeat(size.pixels()) }
    }

    /// Reads an image file.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Decode`] where it is damaged, cut short, not an image, or larger
    /// than Pillow's limit of 178,956,970 pixels.
    pub fn read(path: &Path, orientation: Orientation) -> Result<Image, Error> {
        Encoded::read(path)?.decode(orientation, Reduction::None)
    }

    /// Decodes a file's bytes; `origin` names them in errors.
    ///
    /// # Errors
    /// [`Error::Decode`], as for [`Image::read`].
    pub fn decode(bytes: Vec<u8>, origin: &Path, orientation: Orientation) -> Result<Image, Error> {
        Encoded::new(bytes, origin)?.decode(orientation, Reduction::None)
    }

    /// The size of an image file's stored pixels, without decoding them.
    ///
    /// # Errors
    /// As for [`Image::read`].
    pub fn measure(path: &Path) -> Result<Size, Error> {
        Ok(Encoded::read(path)?.size())
    }

    /// The image of a matrix of blue, green, red bytes, as OpenCV gives it.
    pub(crate) fn from_bgr(bgr: &Mat) -> opencv::Result<Image> {
        if bgr.typ() != core::CV_8UC3 {
            let message = format!("{} channels of depth {}", bgr.channels(), bgr.depth());
            return Err(opencv::Error::new(core::StsUnsupportedFormat, message));
        }
        let (height, width) = (bgr.rows().unsigned_abs() as usize, bgr.cols().unsigned_abs() as usize);
        let mut image = Image { height, width, data: vec![0; height * width * 3] };
        let mut rgb = image.matrix_mut()?;
        imgproc::cvt_color(bgr, &mut rgb, imgproc::COLOR_BGR2RGB, 0)?;
        drop(rgb);
        Ok(image)
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        Size { height: self.height, width: self.width }
    }

    /// The bytes of an image file. The same image gives the same bytes under one version of OpenCV.
    ///
    /// # Errors
    /// [`Error::Pixels`] where the buffer does not fit the size, or a side exceeds the format's limit.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, Error> {
        let failed = self.failure("encode");
        let (extension, parameters) = match encoding {
            Encoding::Jpeg(quality) => (".jpg", vec![imgcodecs::IMWRITE_JPEG_QUALITY, i32::from(quality)]),
            Encoding::Png => (".png", Vec::new()),
        };
        let rgb = self.matrix().map_err(&failed)?;
        let mut bgr = Mat::default();
        imgproc::cvt_color(&rgb, &mut bgr, imgproc::COLOR_RGB2BGR, 0).map_err(&failed)?;
        let mut file = Vector::new();
        let parameters = Vector::from(parameters);
        if !imgcodecs::imencode(extension, &bgr, &mut file, &parameters).map_err(&failed)? {
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

    pub(crate) fn matrix(&self) -> opencv::Result<BoxedRef<'_, Mat>> {
        set_up();
        Mat::new_rows_cols_with_bytes::<Vec3b>(extent(self.height)?, extent(self.width)?, &self.data)
    }

    pub(crate) fn matrix_mut(&mut self) -> opencv::Result<BoxedRefMut<'_, Mat>> {
        set_up();
        Mat::new_rows_cols_with_bytes_mut::<Vec3b>(extent(self.height)?, extent(self.width)?, &mut self.data)
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
