//! The file of what was seen: JSON, COCO results or CSV, written image by image.

use clap::ValueEnum;
use datasets::inputs::Input;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::csv_field;
use crate::failure::Failure;
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
    out: Box<dyn Write>,
    /// Where it is written, and where it goes.
    place: Option<(PathBuf, PathBuf)>,
    entries: usize,
}

impl Sightings {
    /// A file in `folder`, or standard output where there is none.
    pub fn create<T: Task>(folder: Option<&Path>, format: SightingsFormat) -> Result<Self, Failure> {
        if format == SightingsFormat::Coco && !T::SEEN.contains(&"x") {
            return Err(Failure::usage("COCO results are for detections").hint("Use --format json or csv."));
        }
        let ending = if format == SightingsFormat::Csv { "csv" } else { "json" };
        let place = folder.map(|folder| {
            let name = format!("predictions.{ending}");
            (folder.join(format!("{name}.tmp")), folder.join(name))
        });
        let out: Box<dyn Write> = match &place {
            Some((aside, _)) => {
                let file = File::create(aside);
                let failed = |error| Failure::failed(format!("{} cannot be written: {error}", aside.display()));
                Box::new(BufWriter::new(file.map_err(failed)?))
            }
            None => Box::new(BufWriter::new(std::io::stdout())),
        };
        let mut sightings = Self { format, columns: T::SEEN, out, place, entries: 0 };
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
                    Value::String(text) => csv_field(text),
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
        self.out.flush().map_err(|error| self.failure(&error))?;
        drop(std::mem::replace(&mut self.out, Box::new(std::io::sink())));
        match &self.place {
            Some((aside, place)) => std::fs::rename(aside, place).map_err(|error| self.failure(&error)),
            None => Ok(()),
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

    /// A reader of standard output that went away is not an error.
    fn write(&mut self, text: &str) -> Result<(), Failure> {
        match self.out.write_all(text.as_bytes()) {
            Err(error) if self.place.is_some() || error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(self.failure(&error))
            }
            _ => Ok(()),
        }
    }

    fn failure(&self, error: &std::io::Error) -> Failure {
        let name =
            self.place.as_ref().map_or_else(|| "standard output".into(), |(_, place)| place.display().to_string());
        Failure::failed(format!("{name} cannot be written: {error}"))
    }
}
