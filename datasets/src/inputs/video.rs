//! The frames of a video file, decoded one at a time by OpenCV's `videoio`.

use std::path::{Path, PathBuf};

use opencv::core::Mat;
use opencv::videoio::{
    self, CAP_ANY, CAP_FFMPEG, CAP_PROP_FPS, CAP_PROP_FRAME_COUNT, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH,
    CAP_PROP_POS_MSEC, VideoCapture, VideoCaptureAPIs, VideoCaptureTrait, VideoCaptureTraitConst,
};

use super::Frame;
use crate::Error;
use crate::image::{Image, MOST_PIXELS, Size, one_line, set_up};

/// The share of the frames that a file states below which it counts as damaged: many containers only estimate them.
const LEAST_SHARE: f64 = 0.9;

pub(super) struct Video {
    path: PathBuf,
    name: String,
    capture: VideoCapture,
    next: usize,
}

impl Video {
    /// `name` is what its frames are named after.
    pub(super) fn open(path: PathBuf, name: String) -> Result<Video, Error> {
        set_up();
        let failed = |reason: String| Error::Video { path: path.clone(), reason };
        let by_opencv = |error: opencv::Error| failed(one_line(&error));
        // Left to itself OpenCV also tries the file's name as a pattern of numbered images.
        let ffmpeg = videoio::has_backend(VideoCaptureAPIs::CAP_FFMPEG).map_err(by_opencv)?;
        let backend = if ffmpeg { CAP_FFMPEG } else { CAP_ANY };
        let capture = VideoCapture::from_file(path.as_os_str(), backend).map_err(by_opencv)?;
        if !capture.is_opened().map_err(by_opencv)? {
            return Err(failed("it is damaged, or in a format that cannot be decoded here".to_owned()));
        }
        let side = |property| capture.get(property).map(|pixels| pixels.max(0.0) as usize).map_err(by_opencv);
        let size = Size { height: side(CAP_PROP_FRAME_HEIGHT)?, width: side(CAP_PROP_FRAME_WIDTH)? };
        if size.pixels() > MOST_PIXELS {
            return Err(failed(format!("frames of {size} pixels are more than the limit of {MOST_PIXELS}")));
        }
        Ok(Video { path, name, capture, next: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next frame whose number `every` divides; nothing after the last.
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
                let image = Image::from_bgr(&bgr).map_err(|error| self.failure(&error))?;
                return Ok(Some((Frame { index, seconds: self.seconds(index)? }, image)));
            }
        }
    }

    /// The frame's own time stamp, or its place at the file's frame rate where it has none.
    fn seconds(&self, index: usize) -> Result<f64, Error> {
        let get = |property| self.capture.get(property).map_err(|error| self.failure(&error));
        let stamp = get(CAP_PROP_POS_MSEC)? / 1000.0;
        if index == 0 || (stamp.is_finite() && stamp > 0.0) {
            return Ok(if stamp.is_finite() { stamp.max(0.0) } else { 0.0 });
        }
        let rate = get(CAP_PROP_FPS)?;
        Ok(if rate.is_finite() && rate > 0.0 { index as f64 / rate } else { 0.0 })
    }

    /// OpenCV tells the end of a file and damage in it alike.
    fn ended(&self) -> Result<(), Error> {
        let stated = self.capture.get(CAP_PROP_FRAME_COUNT).map_err(|error| self.failure(&error))?;
        if self.next == 0 {
            return Err(self.damaged("no frame of it can be decoded".to_owned()));
        }
        if stated.is_finite() && (self.next as f64) < LEAST_SHARE * stated {
            return Err(self.damaged(format!("it ends after {} of the {stated} frames that it states", self.next)));
        }
        Ok(())
    }

    fn failure(&self, error: &opencv::Error) -> Error {
        self.damaged(one_line(error))
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Video { path: self.path.clone(), reason }
    }
}
