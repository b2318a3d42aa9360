//! The file of predictions: JSON, COCO results or CSV, written image by image.

use atomic_write_file::AtomicWriteFile;
use datasets::inputs::Input;
use datasets::paths;
use eval::csv_line;
use front::words::PredictionFormat;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::console;
use crate::failure::Failure;
use crate::report::ImageIds;

/// The predictions for one image.
#[derive(Debug, Default)]
pub struct ImagePredictions {
    /// The picture with the predictions drawn on it.
    pub picture: Option<PathBuf>,
    /// The predicted mask.
    pub mask: Option<PathBuf>,
    /// A row of the task's columns for each class or box.
    pub rows: Vec<Vec<Value>>,
}

/// A file of predictions that grows image by image. In a folder it gets its name when it is complete.
pub struct PredictionFile {
    format: PredictionFormat,
    columns: &'static [&'static str],
    ids: ImageIds,
    out: Out,
    entries: usize,
}

enum Out {
    Stdout(BufWriter<std::io::Stdout>),
    File(PathBuf, BufWriter<AtomicWriteFile>),
}

impl PredictionFile {
    /// A file in `folder`, or standard output without one; `columns` are those of the task, `ids` those of COCO results.
    ///
    /// # Errors
    /// When the file cannot be created, or the task has no boxes for COCO results.
    pub fn create(
        folder: Option<&Path>,
        format: PredictionFormat,
        columns: &'static [&'static str],
        ids: ImageIds,
    ) -> Result<Self, Failure> {
        if format == PredictionFormat::Coco && !columns.contains(&"x") {
            return Err(Failure::usage("COCO results are for detections").hint("Use --format json or csv."));
        }
        let ending = if format == PredictionFormat::Csv { "csv" } else { "json" };
        let out = match folder.map(|folder| folder.join(format!("predictions.{ending}"))) {
            Some(path) => {
                if path.is_file() {
                    console::warning(format!(
                        "{} is replaced when this is done; pictures of other inputs beside it stay",
                        path.display()
                    ));
                }
                let file = AtomicWriteFile::open(&path).map_err(|error| Failure::cannot("write", &path, &error))?;
                Out::File(path, BufWriter::new(file))
            }
            None => Out::Stdout(BufWriter::new(std::io::stdout())),
        };
        let mut file = Self { format, columns, ids, out, entries: 0 };
        match format {
            PredictionFormat::Csv => file.line(&format!("file,frame,{}", columns.join(",")))?,
            PredictionFormat::Json | PredictionFormat::Coco => file.write("[")?,
        }
        Ok(file)
    }

    /// Adds the predictions for an image.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, input: &Input, predictions: ImagePredictions) -> Result<(), Failure> {
        match self.format {
            PredictionFormat::Json => {
                let frame = input.frame.as_ref().map(|frame| json!({ "index": frame.index, "seconds": frame.seconds }));
                let mut entry = json!({ "file": paths::text(&input.path), "name": input.name });
                let parts = [("frame", frame), ("picture", predictions.picture.map(|path| json!(paths::text(&path))))];
                for (key, value) in
                    parts.into_iter().chain([("mask", predictions.mask.map(|path| json!(paths::text(&path))))])
                {
                    if let Some(value) = value {
                        entry[key] = value;
                    }
                }
                entry["predictions"] = predictions.rows.into_iter().map(|row| self.object(row)).collect();
                self.entry(&entry)
            }
            PredictionFormat::Coco => {
                let image_id = self.ids.of(input)?;
                predictions.rows.into_iter().try_for_each(|row| {
                    let object = self.object(row);
                    let entry = json!({
                        "image_id": image_id,
                        "category_id": object["id"],
                        "bbox": [object["x"], object["y"], object["width"], object["height"]],
                        "score": object["score"],
                    });
                    self.entry(&entry)
                })
            }
            PredictionFormat::Csv => predictions.rows.into_iter().try_for_each(|row| {
                let frame = input.frame.as_ref().map(|frame| frame.index.to_string()).unwrap_or_default();
                let cells = row.iter().map(|cell| match cell {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                let file = paths::text(&input.path);
                self.line(&csv_line([file, frame].into_iter().chain(cells).collect::<Vec<_>>()))
            }),
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.format != PredictionFormat::Csv {
            self.write("\n]\n")?;
        }
        match self.out {
            Out::Stdout(mut out) => Ok(console::written(out.flush())?),
            Out::File(path, out) => out
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)
                .and_then(AtomicWriteFile::commit)
                .map_err(|error| Failure::cannot("write", &path, &error)),
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
            Out::Stdout(out) => Ok(console::above_the_bar(|| console::written(out.write_all(text.as_bytes())))?),
            Out::File(path, out) => {
                out.write_all(text.as_bytes()).map_err(|error| Failure::cannot("write", path, &error))
            }
        }
    }
}
