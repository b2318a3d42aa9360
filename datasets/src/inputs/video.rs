//! The frames of a video file, decoded one at a time by OpenCV's `videoio`.

use std::path::{Path, PathBuf};

use opencv::core::{self, Mat};
use opencv::videoio::{
    self, CAP_ANY, CAP_FFMPEG, CAP_PROP_FPS, CAP_PROP_FRAME_COUNT, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH,
    CAP_PROP_ORIENTATION_AUTO, CAP_PROP_ORIENTATION_META, CAP_PROP_POS_MSEC, VideoCapture, VideoCaptureAPIs,
    VideoCaptureTrait, VideoCaptureTraitConst,
};

use super::Frame;
use crate::Error;
use crate::image::{Image, MAX_PIXELS, Size, Turn, differ, one_line, set_up};

/// The least share of the stated frames in a complete file: many containers only estimate their number.
const MIN_FRAME_SHARE: f64 = 0.9;

/// OpenCV 4.6 alone states the angle of a turn counter-clockwise (opencv/opencv#22088).
fn counts_backwards() -> bool {
    (core::get_version_major(), core::get_version_minor()) == (4, 6)
}

pub(super) struct Video {
    path: PathBuf,
    name: String,
    capture: VideoCapture,
    /// Makes frames upright, which OpenCV 4.6 itself does the wrong way.
    turn: Turn,
    channels: usize,
    next: usize,
}

impl Video {
    /// `name` is the start of the names of its frames, which have this many `channels`: 3, or 1 as Pillow's mode `L`.
    pub(super) fn open(path: PathBuf, name: String, channels: usize) -> Result<Video, Error> {
        set_up();
        let failed = |reason: String| Error::Decode { path: path.clone(), reason };
        if !matches!(channels, 1 | 3) {
            return Err(failed(differ(3, channels)));
        }
        let by_opencv = |error: opencv::Error| failed(one_line(&error));
        // By default OpenCV also tries the file's name as a pattern of numbered images.
        let ffmpeg = videoio::has_backend(VideoCaptureAPIs::CAP_FFMPEG).map_err(by_opencv)?;
        let backend = if ffmpeg { CAP_FFMPEG } else { CAP_ANY };
        let mut capture = VideoCapture::from_file(path.as_os_str(), backend).map_err(by_opencv)?;
        if !capture.is_opened().map_err(by_opencv)? {
            return Err(failed("it is damaged, or in a video format that is not supported".to_owned()));
        }
        // A backend that does not turn frames refuses the property.
        let unturned = capture.set(CAP_PROP_ORIENTATION_AUTO, 0.0).map_err(by_opencv)?;
        let clockwise = if unturned { capture.get(CAP_PROP_ORIENTATION_META).map_err(by_opencv)? } else { 0.0 };
        let clockwise = if counts_backwards() { -clockwise } else { clockwise };
        let side = |property| capture.get(property).map(|pixels| pixels.max(0.0) as usize).map_err(by_opencv);
        let size = Size { height: side(CAP_PROP_FRAME_HEIGHT)?, width: side(CAP_PROP_FRAME_WIDTH)? };
        if size.pixels() > MAX_PIXELS {
            return Err(failed(format!("frames of {size} pixels are more than the limit of {MAX_PIXELS}")));
        }
        Ok(Video { path, name, capture, turn: Turn::clockwise(clockwise).unwrap_or(Turn::NONE), channels, next: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next frame whose number is a multiple of `every`; `None` after the last.
    pub(super) fn next(&mut self, every: usize) -> Result<Option<(Frame, Image)>, Error> {
        loop {
            if !self.capture.grab().map_err(|error| self.failure(&error))? {
                return self.ended().map(|()| None);
            }
            let index = self.next;
            self.next += 1;
            if index.is_multiple_of(every) {
                let mut bgr = Mat::default();
                if !self.capture.retrieve_def(&mut bgr).map_err(|error| self.failure(&error))? {
                    return Err(self.damaged(format!("frame {index} cannot be decoded")));
                }
                let image = Image::from_opencv(&bgr).map_err(|error| self.failure(&error))?.turned(self.turn);
                let image = if self.channels == 1 { image.into_grey() } else { image };
                return Ok(Some((Frame { index, seconds: self.seconds(index)? }, image)));
            }
        }
    }

    /// The frame's time stamp; without one, its index divided by the file's frame rate.
    fn seconds(&self, index: usize) -> Result<f64, Error> {
        let get = |property| self.capture.get(property).map_err(|error| self.failure(&error));
        let stamp = get(CAP_PROP_POS_MSEC)? / 1000.0;
        if index == 0 || (stamp.is_finite() && stamp > 0.0) {
            return Ok(if stamp.is_finite() { stamp.max(0.0) } else { 0.0 });
        }
        let rate = get(CAP_PROP_FPS)?;
        Ok(if rate.is_finite() && rate > 0.0 { index as f64 / rate } else { 0.0 })
    }

    /// OpenCV reports the end of a file and damage in it in the same way.
    fn ended(&self) -> Result<(), Error> {
        let stated = self.capture.get(CAP_PROP_FRAME_COUNT).map_err(|error| self.failure(&error))?;
        if self.next == 0 {
            return Err(self.damaged("it has no frame that can be decoded".to_owned()));
        }
        if stated.is_finite() && (self.next as f64) < MIN_FRAME_SHARE * stated {
            return Err(self.damaged(format!("it ends after {} of {stated} frames", self.next)));
        }
        Ok(())
    }

    fn failure(&self, error: &opencv::Error) -> Error {
        self.damaged(one_line(error))
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Decode { path: self.path.clone(), reason }
    }
}
