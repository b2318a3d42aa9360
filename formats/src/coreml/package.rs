//! A `.mlpackage`: a folder with a model, its weights and a list of both.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use prost::Message;
use serde::{Deserialize, Serialize};

use super::model::{Builder, LABEL, PROBABILITIES};
use super::proto::{Metadata, Model, ModelDescription};
use crate::Error;

/// The format's name in messages.
pub(super) const FORMAT: &str = "Core ML";
/// What lists a package's files.
const MANIFEST: &str = "Manifest.json";
const VERSION: &str = "1.0.0";
/// Who the files belong to, which is a folder as well.
const OWNER: &str = "com.apple.CoreML";
const MODEL: &str = "com.apple.CoreML/model.mlmodel";
const WEIGHTS: &str = "com.apple.CoreML/weights";
/// The names of the files in the list are any UUIDs; always the same ones, so that equal networks give equal files.
const MODEL_ID: &str = "5E3C6B2A-6E0B-4B0A-9C53-0A1D5B7F4C01";
const WEIGHTS_ID: &str = "5E3C6B2A-6E0B-4B0A-9C53-0A1D5B7F4C02";

/// A model with its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    pub(super) model: Model,
    pub(super) weights: Vec<u8>,
}

/// What a file says to people and applications.
#[derive(Debug, Clone, Default)]
pub struct Description<'a> {
    /// What the model is, in a sentence.
    pub summary: &'a str,
    /// The program that wrote it.
    pub author: &'a str,
    /// Texts under names, for applications.
    pub metadata: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    file_format_version: String,
    item_info_entries: BTreeMap<String, Item>,
    root_model_identifier: String,
}

#[derive(Serialize, Deserialize)]
struct Item {
    author: String,
    description: String,
    name: String,
    path: String,
}

impl Builder {
    /// The finished package.
    ///
    /// # Errors
    /// [`Error::Value`] where there is no output.
    pub fn finish(mut self, description: &Description<'_>) -> Result<Package, Error> {
        if self.outputs.is_empty() {
            return Err(Error::value("the program", "one with an output", "one without"));
        }
        let is_classifier = self.outputs.iter().any(|output| output.name == LABEL);
        let predicted = |name: &str| if is_classifier { name.to_owned() } else { String::new() };
        let model = Model {
            specification_version: self.system.specification(),
            program: Some(self.program()),
            description: Some(ModelDescription {
                input: self.inputs,
                output: self.outputs,
                predicted_feature_name: predicted(LABEL),
                predicted_probabilities_name: predicted(PROBABILITIES),
                metadata: Some(description.to_message()),
            }),
            ..Model::default()
        };
        Ok(Package { model, weights: self.weights.to_bytes() })
    }
}

impl Description<'_> {
    fn to_message(&self) -> Metadata {
        Metadata {
            short_description: self.summary.to_owned(),
            version: "1.0".to_owned(),
            author: self.author.to_owned(),
            user_defined: self.metadata.clone(),
        }
    }
}

impl Package {
    /// Writes the package as a new folder.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let data = folder.join("Data");
        let weights = data.join(WEIGHTS);
        fs::create_dir_all(&weights).map_err(|cause| Error::Io { action: "write", path: weights.clone(), cause })?;
        let item = |description: &str, path: &str| Item {
            author: OWNER.to_owned(),
            description: description.to_owned(),
            name: path.rsplit('/').next().unwrap_or(path).to_owned(),
            path: path.to_owned(),
        };
        let model = (MODEL_ID.to_owned(), item("CoreML Model Specification", MODEL));
        let manifest = Manifest {
            file_format_version: VERSION.to_owned(),
            item_info_entries: [model, (WEIGHTS_ID.to_owned(), item("CoreML Model Weights", WEIGHTS))].into(),
            root_model_identifier: MODEL_ID.to_owned(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(|cause| Error::Io {
            action: "write",
            path: folder.join(MANIFEST),
            cause: cause.into(),
        })?;
        let write = |path: PathBuf, bytes: &[u8]| {
            let written = fs::File::create(&path).and_then(|mut file| {
                std::io::Write::write_all(&mut file, bytes)?;
                file.sync_all()
            });
            written.map_err(|cause| Error::Io { action: "write", path, cause })
        };
        write(weights.join("weight.bin"), &self.weights)?;
        write(data.join(MODEL), &self.model.encode_to_vec())?;
        write(folder.join(MANIFEST), &manifest)
    }

    /// Reads a package.
    ///
    /// # Errors
    /// [`Error::Io`] where a file of it cannot be read, [`Error::Malformed`] where it is no package.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let malformed = |reason: String| Error::Malformed { format: FORMAT, path: folder.to_owned(), reason };
        let read = |path: PathBuf| fs::read(&path).map_err(|cause| Error::Io { action: "read", path, cause });
        let manifest: Manifest = serde_json::from_slice(&read(folder.join(MANIFEST))?)
            .map_err(|cause| malformed(format!("{MANIFEST}: {cause}")))?;
        let data = folder.join("Data");
        let place = |item: &Item| -> Result<PathBuf, Error> {
            let outside = |part: &str| part.is_empty() || part == "." || part == "..";
            match item.path.split('/').any(outside) {
                true => Err(malformed(format!("{MANIFEST}: `{}` is not a place within the package", item.path))),
                false => Ok(data.join(&item.path)),
            }
        };
        let items = &manifest.item_info_entries;
        let root = items.get(&manifest.root_model_identifier);
        let root = root.ok_or_else(|| malformed(format!("{MANIFEST}: the root model is not listed")))?;
        let model = read(place(root)?)?;
        let weights = match items.values().find(|item| item.name == "weights") {
            Some(item) => read(place(item)?.join("weight.bin"))?,
            None => Vec::new(),
        };
        Self::of_bytes(&model, &weights, folder)
    }

    /// A package of the bytes of its model and weights; `place` is its name in errors.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the model is none.
    pub fn of_bytes(model: &[u8], weights: &[u8], place: &Path) -> Result<Self, Error> {
        let model = Model::decode(model).map_err(|cause| Error::Malformed {
            format: FORMAT,
            path: place.to_owned(),
            reason: format!("its model: {cause}"),
        })?;
        Ok(Self { model, weights: weights.to_vec() })
    }

    /// The texts of its metadata by name.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let description = self.model.description.as_ref();
        description
            .and_then(|description| description.metadata.as_ref())
            .map(|all| all.user_defined.clone())
            .unwrap_or_default()
    }

    /// The oldest version of iOS that runs it, by the version of its format.
    pub fn oldest_ios(&self) -> i32 {
        // 6 is iOS 15, and each year has added one.
        self.model.specification_version + 9
    }
}
