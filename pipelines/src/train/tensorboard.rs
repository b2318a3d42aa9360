//! A run's curves for TensorBoard.

use protobuf::Message;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::summary::{Summary, Summary_Image, Summary_Value};
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary::scalar;

use super::progress::{Epoch, Hook, Step};
use crate::evaluate::Sample;
use crate::failure::Failure;
use crate::report::page::ImageFile;

/// `events.*`: losses, learning rate and gradient norm every few steps, metrics every epoch, and images of evaluations.
///
/// The one file of a run that grows by appending: readers ignore a last record that a crash cut short.
pub struct TensorBoard {
    path: PathBuf,
    file: File,
    /// Complete records that are not in the file yet.
    records: Vec<u8>,
}

const STEPS_PER_POINT: u64 = 10;
/// Red, green and blue.
const COLOURS: i32 = 3;

/// How often samples are shown at most, over a run: its events stay small however long it is.
const SHOWN: u64 = 20;

/// Whether samples are shown after an epoch that is evaluated, where every so many are.
pub(super) fn shows_samples(done: u64, every: u64, epochs: u64) -> bool {
    let part = |done: u64| done.saturating_mul(SHOWN) / epochs.max(1);
    part(done) > part(done.saturating_sub(every))
}

impl TensorBoard {
    /// A new file in `folder`, for a run at `step`. TensorBoard hides points of older files from there on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(folder: &Path, step: u64) -> Result<Self, Failure> {
        let started = now().floor();
        let path = folder.join(format!("events.out.tfevents.{started:.0}.{}.pipeline", std::process::id()));
        let file = File::create(&path).map_err(|error| Failure::cannot("write", &path, &error))?;
        let mut board = Self { path, file, records: Vec::new() };
        let mut version = Event::new();
        version.set_file_version("brain.Event:2".to_owned());
        board.add(version, 0)?;
        let mut session = SessionLog::new();
        session.set_status(SessionLog_SessionStatus::START);
        let mut start = Event::new();
        start.set_session_log(session);
        board.add(start, step)?;
        board.flush()?;
        Ok(board)
    }

    fn add(&mut self, mut event: Event, step: u64) -> Result<(), Failure> {
        event.set_wall_time(now());
        event.set_step(step as i64);
        let bytes = event.write_to_bytes().map_err(Failure::failed)?;
        RecordWriter::new(&mut self.records).write(&bytes).map_err(|error| Failure::cannot("write", &self.path, &error))
    }

    fn scalars<N: AsRef<str>>(&mut self, group: &str, values: &[(N, f64)], step: u64) -> Result<(), Failure> {
        values.iter().try_for_each(|(name, value)| {
            let mut event = Event::new();
            event.set_summary(scalar(&format!("{group}/{}", name.as_ref()), *value as f32));
            self.add(event, step)
        })
    }

    fn image(&mut self, Sample { name, file: ImageFile { size, bytes } }: &Sample, step: u64) -> Result<(), Failure> {
        let mut image = Summary_Image::new();
        image.set_height(size.height as i32);
        image.set_width(size.width as i32);
        image.set_colorspace(COLOURS);
        image.set_encoded_image_string(bytes.clone());
        let mut value = Summary_Value::new();
        value.set_tag(format!("samples/{name}"));
        value.set_image(image);
        let mut summary = Summary::new();
        summary.mut_value().push(value);
        let mut event = Event::new();
        event.set_summary(summary);
        self.add(event, step)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.file.write_all(&self.records).map_err(|error| Failure::cannot("write", &self.path, &error))?;
        self.records.clear();
        Ok(())
    }
}

impl Hook for TensorBoard {
    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        if !step.number.is_multiple_of(STEPS_PER_POINT) {
            return Ok(());
        }
        self.scalars("train", &step.losses, step.number)?;
        let others = [("lr", step.learning_rate), ("gradient_norm", step.gradient_norm)];
        self.scalars("train", &others, step.number)?;
        self.flush()
    }

    fn epoch(&mut self, epoch: &Epoch) -> Result<(), Failure> {
        self.scalars("val", &epoch.metrics, epoch.step)?;
        self.scalars("train", &[("images_per_second", epoch.images_per_second)], epoch.step)?;
        epoch.samples.iter().try_for_each(|sample| self.image(sample, epoch.step))?;
        self.flush()
    }
}

/// Seconds since 1970; 0 for a clock before that.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, each with its step.
    fn events(path: &Path) -> Vec<Event> {
        let bytes = std::fs::read(path).unwrap();
        let (mut events, mut rest) = (Vec::new(), bytes.as_slice());
        while !rest.is_empty() {
            // Length, its checksum, the message, its checksum.
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            events.push(Event::parse_from_bytes(&rest[12..12 + length]).unwrap());
            rest = &rest[12 + length + 4..];
        }
        events
    }

    #[test]
    fn every_tenth_step_is_a_point() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::new(folder.path(), 7).unwrap();
        for number in 8..=20 {
            let losses = vec![("loss", number as f64 / 4.0)];
            board.step(&Step { number, learning_rate: 0.5, losses, gradient_norm: 2.0, images: 4 }).unwrap();
        }
        let events = events(&board.path);
        assert_eq!(events[0].get_file_version(), "brain.Event:2");
        assert_eq!(
            (events[1].get_session_log().get_status(), events[1].get_step()),
            (SessionLog_SessionStatus::START, 7)
        );
        let points: Vec<(i64, String, f32)> = events[2..]
            .iter()
            .map(|event| {
                let value = &event.get_summary().get_value()[0];
                (event.get_step(), value.get_tag().to_owned(), value.get_simple_value())
            })
            .collect();
        let expected = [10, 20].into_iter().flat_map(|step| {
            [("train/loss", step as f32 / 4.0), ("train/lr", 0.5), ("train/gradient_norm", 2.0)]
                .map(|(name, value)| (step, name.to_owned(), value))
        });
        assert_eq!(points, expected.collect::<Vec<_>>());
    }

    #[test]
    fn the_images_of_an_evaluation_are_files_under_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::new(folder.path(), 0).unwrap();
        let size = datasets::Size { height: 3, width: 5 };
        let samples = vec![Sample { name: "val/1.jpg".to_owned(), file: ImageFile { size, bytes: b"JPEG".to_vec() } }];
        let (losses, metrics, elapsed) = (Vec::new(), Vec::new(), std::time::Duration::ZERO);
        let epoch = Epoch {
            number: 1,
            step: 40,
            learning_rate: 0.1,
            losses,
            images_per_second: 1.0,
            elapsed,
            metrics,
            samples,
        };
        board.epoch(&epoch).unwrap();
        let events = events(&board.path);
        let last = events.last().unwrap();
        let value = &last.get_summary().get_value()[0];
        assert_eq!((last.get_step(), value.get_tag()), (40, "samples/val/1.jpg"));
        let image = value.get_image();
        assert_eq!((image.get_height(), image.get_width(), image.get_encoded_image_string()), (3, 5, &b"JPEG"[..]));
    }

    #[test]
    fn samples_are_shown_at_every_evaluation_of_a_short_run_and_twenty_times_in_a_long_one() {
        let shown = |every: u64, epochs: u64| {
            let evaluated = (1..=epochs).filter(|done| done.is_multiple_of(every));
            evaluated.filter(|done| shows_samples(*done, every, epochs)).count()
        };
        assert_eq!((shown(1, 7), shown(1, 20), shown(2, 20), shown(1, 1)), (7, 20, 10, 1));
        assert_eq!((shown(1, 300), shown(1, 1999), shown(5, 300)), (20, 20, 20));
    }
}
