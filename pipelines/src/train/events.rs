//! What a run logs of its steps for TensorBoard, read back while it is being written.

use protobuf::Message;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tensorboard_proto::event::Event;

use crate::failure::Failure;

/// Points that are kept: as many as are worth drawing on a terminal.
const MOST: usize = 1000;
/// A record's length with its checksum, and the checksum of what follows.
const HEAD: usize = 12;
const TAIL: usize = 4;
/// What is read of a file at a time.
const MOST_BYTES: u64 = 64 << 20;

/// The losses of a run's latest steps.
#[derive(Debug, Default)]
pub struct Events {
    /// The files, each with the length that was read.
    read: BTreeMap<PathBuf, u64>,
    /// `[step, loss]`.
    losses: Vec<[f64; 2]>,
}

impl Events {
    /// Reads what was added to the event files in a folder. A record that is not complete yet is left for the next time.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn update(&mut self, folder: &Path) -> Result<(), Failure> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| Failure::cannot("read", &path, &error)
        };
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut files: Vec<PathBuf> = entries.map_err(failed(folder))?.into_iter().map(|entry| entry.path()).collect();
        files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events.")));
        files.sort();
        for path in files {
            let start = self.read.get(&path).copied().unwrap_or(0);
            let mut bytes = Vec::new();
            let read = |bytes: &mut Vec<u8>| {
                let mut file = File::open(&path)?;
                file.seek(SeekFrom::Start(start))?;
                file.take(MOST_BYTES).read_to_end(bytes)
            };
            read(&mut bytes).map_err(failed(&path))?;
            let taken = self.take(&bytes);
            self.read.insert(path, start + taken as u64);
        }
        Ok(())
    }

    /// `[step, loss]` of the latest steps that were logged.
    pub fn losses(&self) -> &[[f64; 2]] {
        &self.losses
    }

    /// Takes complete records; how many bytes they were.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(head) = bytes.get(taken..taken + HEAD) {
            let length = head.iter().take(8).rev().fold(0u64, |length, &byte| length << 8 | u64::from(byte));
            let end = usize::try_from(length).ok().and_then(|length| (taken + HEAD).checked_add(length));
            let Some(record) = end.and_then(|end| bytes.get(taken + HEAD..end)) else { break };
            let Some(after) = end.and_then(|end| end.checked_add(TAIL)).filter(|after| *after <= bytes.len()) else {
                break;
            };
            taken = after;
            // Records of other kinds, and those of later versions, say nothing of losses.
            let Ok(event) = Event::parse_from_bytes(record) else { continue };
            for value in event.get_summary().get_value().iter().filter(|value| value.get_tag() == "train/loss") {
                self.add(event.get_step() as f64, f64::from(value.get_simple_value()));
            }
        }
        taken
    }

    /// Adds a point; a resumed run repeats steps, whose old points go.
    fn add(&mut self, step: f64, loss: f64) {
        self.losses.retain(|point| point[0] < step);
        if loss.is_finite() {
            self.losses.push([step, loss]);
        }
        if self.losses.len() > MOST {
            self.losses.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::progress::{Hook, Step};
    use crate::train::tensorboard::TensorBoard;

    fn write(folder: &Path, steps: std::ops::RangeInclusive<u64>) {
        let mut board = TensorBoard::new(folder, *steps.start()).unwrap();
        for number in steps {
            let losses = vec![("loss", number as f64 / 4.0)];
            board.step(&Step { number, learning_rate: 0.5, losses, gradient_norm: 2.0, images: 4 }).unwrap();
        }
    }

    #[test]
    fn losses_are_read_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::default();
        events.update(folder.path()).unwrap();
        assert!(events.losses().is_empty());
        write(folder.path(), 1..=35);
        events.update(folder.path()).unwrap();
        assert_eq!(events.losses(), [[10.0, 2.5], [20.0, 5.0], [30.0, 7.5]]);

        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        let mut late = Events::default();
        std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
        late.update(folder.path()).unwrap();
        std::fs::write(&file, &bytes).unwrap();
        late.update(folder.path()).unwrap();
        assert_eq!(late.losses(), events.losses(), "the last record was cut short at first");
        assert_eq!(late.read.values().sum::<u64>(), bytes.len() as u64);
    }

    #[test]
    fn repeated_steps_replace_the_old_ones_and_the_oldest_go() {
        let mut events = Events::default();
        for step in (1..=2000).chain(1500..=1600) {
            events.add(f64::from(step), 1.0);
        }
        let steps: Vec<f64> = events.losses().iter().map(|point| point[0]).collect();
        assert_eq!((steps.len(), steps[0], steps[steps.len() - 1]), (600, 1001.0, 1600.0));
        assert!(steps.is_sorted());
        assert_eq!(events.take(&[255; 20]), 0, "a length beyond the file");
    }
}
