//! The `image_id` of COCO results for pictures that were predicted: a number, as pycocotools compares it with the annotations.

use annotation_files::coco::{File, FileName, Geometry, Id};
use datasets::inputs::Input;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::console;
use crate::failure::Failure;

/// Where the ids come from.
pub struct ImageIds {
    source: Source,
    /// The picture of each id.
    used: HashMap<String, PathBuf>,
}

enum Source {
    /// The images of an annotation file by their file names in parts, the last first.
    Annotations(HashMap<String, Vec<(PathBuf, Id)>>, PathBuf),
    /// The digits of file names, or the order of the inputs where the first has none.
    Names,
    Digits,
    Order(u64),
}

impl ImageIds {
    /// The ids of an annotation file, or without one those that the file names give.
    ///
    /// # Errors
    /// When the annotation file cannot be read.
    pub fn new(annotations: Option<&Path>) -> Result<Self, Failure> {
        let source = match annotations {
            None => Source::Names,
            Some(path) => {
                let file = File::read(path, Geometry::Boxes).map_err(Failure::failed)?;
                let mut images: HashMap<String, Vec<(PathBuf, Id)>> = HashMap::new();
                for image in file.images {
                    let (FileName::Stated(name) | FileName::InUrl(name)) = image.file_name else { continue };
                    let name = PathBuf::from(name.replace('\\', "/"));
                    images.entry(stem(&name)).or_default().push((name, image.id));
                }
                Source::Annotations(images, path.to_path_buf())
            }
        };
        Ok(Self { source, used: HashMap::new() })
    }

    /// The id of an input.
    ///
    /// # Errors
    /// When nothing gives it one, or it is that of another input.
    pub fn of(&mut self, input: &Input) -> Result<Value, Failure> {
        if let Source::Names = self.source {
            self.source = match digits(&input.path).filter(|_| input.frame.is_none()) {
                Some(_) => Source::Digits,
                None => {
                    console::status(
                        "image_id counts the inputs from 1 in their order: their names have no digits (--annotations FILE \
                         takes the ids of an annotation file)",
                    );
                    Source::Order(0)
                }
            };
        }
        let shown = input.path.display();
        let id = match &mut self.source {
            Source::Order(count) => {
                *count += 1;
                return Ok(json!(*count));
            }
            Source::Names | Source::Digits => digits(&input.path).map(|id| json!(id)).ok_or_else(|| {
                Failure::failed(format!("the name of {shown} has no digits for an image_id"))
                    .hint("--annotations FILE takes the ids of an annotation file.")
            })?,
            Source::Annotations(images, file) => {
                let images = images.get(&stem(&input.path)).map_or(&[][..], Vec::as_slice);
                let matching = |name: &Path| input.path.ends_with(name.strip_prefix(".").unwrap_or(name));
                let exact: Vec<&Id> = images.iter().filter(|(name, _)| matching(name)).map(|(_, id)| id).collect();
                let any: Vec<&Id> = images.iter().map(|(_, id)| id).collect();
                let found = if exact.len() == 1 { exact } else { any };
                match found[..] {
                    [id] => serde_json::to_value(id).map_err(Failure::failed)?,
                    [] => return Err(Failure::failed(format!("{} has no image called {shown}", file.display()))),
                    _ => {
                        let reason = format!("{} has several images called {shown}", file.display());
                        return Err(Failure::failed(reason));
                    }
                }
            }
        };
        match self.used.insert(id.to_string(), input.path.clone()) {
            Some(other) if other != input.path || input.frame.is_some() => {
                Err(Failure::failed(format!("{shown} has the image_id {id} of {}", other.display()))
                    .hint("--annotations FILE takes the ids of an annotation file."))
            }
            _ => Ok(id),
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The number at the end of a file's name: 139 of `000000000139.jpg` and of `COCO_val2014_000000000139.jpg`.
fn digits(path: &Path) -> Option<u64> {
    let stem = stem(path);
    let start = stem
        .rfind(|character: char| !character.is_ascii_digit())
        .map_or(0, |place| place + stem[place..].chars().next().map_or(1, char::len_utf8));
    stem[start..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(path: &str) -> Input {
        let image = datasets::Image::filled(datasets::Size { height: 1, width: 1 }, [0; 3]);
        Input { name: String::new(), path: path.into(), frame: None, image }
    }

    fn ids(annotations: Option<&Path>, paths: &[&str]) -> Vec<Result<Value, String>> {
        let mut ids = ImageIds::new(annotations).unwrap();
        paths.iter().map(|path| ids.of(&input(path)).map_err(|failure| failure.to_string())).collect()
    }

    #[test]
    fn names_give_their_digits_or_all_inputs_are_counted() {
        assert_eq!(
            ids(None, &["a/000000000139.jpg", "COCO_val2014_000000000042.jpg"]),
            [Ok(json!(139)), Ok(json!(42))]
        );
        assert_eq!(ids(None, &["cat.jpg", "000000000139.jpg"]), [Ok(json!(1)), Ok(json!(2))]);
        let later = ids(None, &["1.jpg", "cat.jpg", "b/1.png"]);
        assert_eq!(later[1], Err("the name of cat.jpg has no digits for an image_id".to_owned()));
        assert_eq!(later[2], Err("b/1.png has the image_id 1 of 1.jpg".to_owned()));
    }

    #[test]
    fn annotations_give_the_id_of_the_file_of_that_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        let text = r#"{"images": [{"id": 7, "file_name": "x/1.jpg"}, {"id": 8, "file_name": "y/1.jpg"}, {"id": "n", "file_name": "2.jpg"}],
            "annotations": [], "categories": []}"#;
        std::fs::write(&file, text).unwrap();
        let found = ids(Some(&file), &["set/y/1.jpg", "set/x/1.jpg", "2.png", "z/1.jpg", "3.jpg"]);
        assert_eq!(found[..3], [Ok(json!(8)), Ok(json!(7)), Ok(json!("n"))]);
        assert!(found[3].as_ref().is_err_and(|error| error.contains("several images")), "{found:?}");
        assert!(found[4].as_ref().is_err_and(|error| error.contains("no image called")), "{found:?}");
    }
}
