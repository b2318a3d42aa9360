//! The file of what was seen: JSON, COCO results or CSV, written image by image.

use atomic_write_file::AtomicWriteFile;
use clap::ValueEnum;
use datasets::inputs::Input;
use eval::csv_field;
use serde_json::{Value, json};
use std::io::{BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::run_folder::cannot_write;
use crate::task::{Seen, Task};

/// How predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SightingsFormat {
    /// One object an image: its file, and what is in it
    Json,
    /// COCO results (detection): one object a box; image_id is the input's name
    Coco,
    /// One row a class or box
    Csv,
}

/// A file that grows by an image at a time. In a folder it gets its name when it is whole.
pub(super) struct Sightings {
    format: SightingsFormat,
    columns: &'static [&'static str],
    out: Out,
    entries: usize,
}

enum Out {
    Screen(BufWriter<Stdout>),
    File(PathBuf, BufWriter<AtomicWriteFile>),
}

impl Sightings {
    /// A file in `folder`, or standard output where there is none.
    pub fn create<T: Task>(folder: Option<&Path>, format: SightingsFormat) -> Result<Self, Failure> {
        if format == SightingsFormat::Coco && !T::SEEN.contains(&"x") {
            return Err(Failure::usage("COCO results are for detections").hint("Use --format json or csv."));
        }
        let ending = if format == SightingsFormat::Csv { "csv" } else { "json" };
        let out = match folder.map(|folder| folder.join(format!("predictions.{ending}"))) {
            Some(path) => {
                let file = AtomicWriteFile::open(&path).map_err(|error| cannot_write(&path, &error))?;
                Out::File(path, BufWriter::new(file))
            }
            None => Out::Screen(BufWriter::new(std::io::stdout())),
        };
        let mut sightings = Self { format, columns: T::SEEN, out, entries: 0 };
        match format {
            SightingsFormat::Csv => sightings.line(&format!("file,frame,{}", T::SEEN.join(",")))?,
            SightingsFormat::Json | SightingsFormat::Coco => sightings.write("[")?,
        }
        Ok(sightings)
    }

    /// Adds what was seen in an image.
    pub fn add(&mut self, input: &Input, seen: Seen) -> Result<(), Failure> {
        match self.format {
            SightingsFormat::Json => {
                let frame = input.frame.as_ref().map(|frame| json!({ "index": frame.index, "seconds": frame.seconds }));
                let mut entry = json!({ "file": input.path, "name": input.name });
                let parts = [("frame", frame), ("picture", seen.picture.map(|path| json!(path)))];
                for (key, value) in parts.into_iter().chain([("mask", seen.mask.map(|path| json!(path)))]) {
                    if let Some(value) = value {
                        entry[key] = value;
                    }
                }
                entry["seen"] = seen.found.into_iter().map(|row| self.object(row)).collect();
                self.entry(&entry)
            }
            SightingsFormat::Coco => seen.found.into_iter().try_for_each(|row| {
                let object = self.object(row);
                let entry = json!({
                    "image_id": input.name,
                    "category_id": object["id"],
                    "bbox": [object["x"], object["y"], object["width"], object["height"]],
                    "score": object["score"],
                });
                self.entry(&entry)
            }),
            SightingsFormat::Csv => seen.found.into_iter().try_for_each(|row| {
                let frame = input.frame.as_ref().map(|frame| frame.index.to_string()).unwrap_or_default();
                let cells = row.iter().map(|cell| match cell {
                    Value::String(text) => csv_field(text).into_owned(),
                    other => other.to_string(),
                });
                let cells: Vec<String> = cells.collect();
                self.line(&format!("{},{frame},{}", csv_field(&input.path.to_string_lossy()), cells.join(",")))
            }),
        }
    }

    /// The file is whole.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.format != SightingsFormat::Csv {
            self.write("\n]\n")?;
        }
        match self.out {
            Out::Screen(mut out) => shown(out.flush()),
            Out::File(path, out) => out
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)
                .and_then(AtomicWriteFile::commit)
                .map_err(|error| cannot_write(&path, &error)),
        }
    }

    fn object(&self, row: Vec<Value>) -> Value {
        self.columns.iter().map(|name| (*name).to_owned()).zip(row).collect::<serde_json::Map<_, _>>().into()
    }

    fn entry(&mut self, entry: &Value) -> Result<(), Failure> {
        let comma = if self.entries == 0 { "" } else { "," };
        self.entries += 1;
        self.write(&format!("{comma}\n  {entry}"))
    }

    fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(&format!("{text}\n"))
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        match &mut self.out {
            Out::Screen(out) => shown(out.write_all(text.as_bytes())),
            Out::File(path, out) => out.write_all(text.as_bytes()).map_err(|error| cannot_write(path, &error)),
        }
    }
}

/// A reader of standard output that went away is not an error.
fn shown(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
