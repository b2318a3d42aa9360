//! The `data.yaml` of ultralytics and Roboflow.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use annotation_files::text;
use serde::Deserialize;

use super::Layout;
use crate::Error;

/// What a `data.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DataFile {
    /// The set's folder, relative to the file.
    path: Option<PathBuf>,
    train: Option<Places>,
    #[serde(alias = "valid")]
    val: Option<Places>,
    test: Option<Places>,
    names: Option<Names>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a path or a list of paths")]
enum Places {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected names, or a name for each index from 0")]
enum Names {
    List(Vec<Name>),
    ByIndex(BTreeMap<usize, Name>),
}

/// A name; unquoted, `1` and `yes` are not text in YAML.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl DataFile {
    /// # Errors
    /// [`Error::Io`], [`Error::Layout`] where it is not a `data.yaml`.
    pub fn read(file: &Path) -> Result<DataFile, Error> {
        let text = text::read(file).map_err(Error::io("read", file))?;
        serde_yaml::from_str(&text.content)
            .map_err(|error| Error::Layout { path: file.to_path_buf(), reason: error.to_string() })
    }

    /// The files of a split: `train`, `val` or `test`.
    ///
    /// # Errors
    /// [`Error::Layout`] where the file does not have the split, its folder does not exist, or the names have gaps.
    pub fn layout(&self, file: &Path, split: &str) -> Result<Layout, Error> {
        let failed = |reason: String| Error::Layout { path: file.to_path_buf(), reason };
        let places = match split {
            "train" => &self.train,
            "val" | "valid" => &self.val,
            "test" => &self.test,
            other => return Err(failed(format!("a split is train, val or test, not {other:?}"))),
        };
        let places = places.as_ref().ok_or_else(|| failed(format!("it has no {split}")))?;
        let places = match places {
            Places::One(place) => std::slice::from_ref(place),
            Places::Several(places) => places,
        };
        let images: Result<Vec<PathBuf>, Error> = places
            .iter()
            .map(|place| {
                self.found(file, place)
                    .ok_or_else(|| failed(format!("{split} is {}, which does not exist there", place.display())))
            })
            .collect();
        Ok(Layout { images: images?, labels: None, names: Some(self.names().map_err(failed)?) })
    }

    /// # Errors
    /// What is wrong with the names.
    fn names(&self) -> Result<Vec<String>, String> {
        let text = |name: &Name| match name {
            Name::Text(text) => text.clone(),
            Name::Number(number) => number.to_string(),
            Name::Flag(flag) => flag.to_string(),
        };
        match &self.names {
            None => Err("it has no names".to_owned()),
            Some(Names::List(names)) => Ok(names.iter().map(text).collect()),
            Some(Names::ByIndex(names)) => {
                if let Some((place, _)) = names.keys().enumerate().find(|(place, index)| place != *index) {
                    return Err(format!("names has no name for class {place}"));
                }
                Ok(names.values().map(text).collect())
            }
        }
    }

    /// A folder or list of images. Roboflow writes `../train/images` for what is beside the file.
    fn found(&self, file: &Path, place: &Path) -> Option<PathBuf> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let root = self.path.as_deref().map(|path| folder.join(path)).filter(|root| root.is_dir());
        let plain: PathBuf = place.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let bases = [root.as_deref(), Some(folder)].into_iter().flatten();
        let candidates = bases.flat_map(|base| [base.join(place), base.join(&plain)]);
        let mut candidates = std::iter::once(place.to_path_buf()).filter(|place| place.is_absolute()).chain(candidates);
        candidates.find(|path| path.exists())
    }
}
