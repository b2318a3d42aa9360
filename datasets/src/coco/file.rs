//! The records of a COCO file, as written: the JSON alone, without images.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use crate::Error;

#[derive(Deserialize)]
#[serde(expecting = "a COCO file with `images`, `annotations` and `categories`")]
pub(super) struct File {
    pub(super) images: Vec<Image>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) categories: Vec<Category>,
}

#[derive(Deserialize)]
#[serde(expecting = "an image with `id` and `file_name`")]
pub(super) struct Image {
    pub(super) id: u64,
    pub(super) file_name: String,
    pub(super) width: Option<usize>,
    pub(super) height: Option<usize>,
}

#[derive(Deserialize)]
#[serde(expecting = "an annotation with `id`, `image_id`, `category_id` and `bbox`")]
pub(super) struct Annotation {
    pub(super) id: u64,
    pub(super) image_id: u64,
    pub(super) category_id: u64,
    pub(super) bbox: Option<Bbox>,
    pub(super) area: Option<f64>,
    #[serde(default)]
    pub(super) iscrowd: u8,
}

#[derive(Deserialize)]
#[serde(expecting = "a category with `id` and `name`")]
pub(super) struct Category {
    pub(super) id: u64,
    pub(super) name: String,
}

/// Any count of numbers, so that the error about a wrong count can name the annotation.
pub(super) struct Bbox {
    pub(super) values: [f64; 4],
    pub(super) count: usize,
}

impl<'de> Deserialize<'de> for Bbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bbox, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Bbox;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bbox of four numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bbox, A::Error> {
                let mut bbox = Bbox { values: [0.0; 4], count: 0 };
                while let Some(number) = numbers.next_element::<f64>()? {
                    if let Some(slot) = bbox.values.get_mut(bbox.count) {
                        *slot = number;
                    }
                    bbox.count += 1;
                }
                Ok(bbox)
            }
        }
        deserializer.deserialize_seq(Numbers)
    }
}

impl File {
    /// # Errors
    /// [`Error::Io`], or [`Error::Json`] with line and column.
    pub(super) fn read(path: &Path) -> Result<File, Error> {
        let text = fs::read(path).map_err(Error::io("read", path))?;
        serde_json::from_slice(&text).map_err(|error| json_error(path, &error))
    }
}

fn json_error(path: &Path, error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
    let reason = if error.is_eof() { format!("the JSON is cut short ({message})") } else { message.to_owned() };
    Error::Json { path: path.to_path_buf(), line, column, reason }
}
