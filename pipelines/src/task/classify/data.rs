//! Where a classifier's pictures and classes come from.

use datasets::annotations::Classes;
use datasets::classification::ClassificationSet;
use datasets::imagenet::{self, Synsets};
use datasets::{Class, ErrorHandler, folder};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::ClassifyKeys;
use crate::config::Config;
use crate::failure::Failure;
use crate::task::tolerate;

/// A set of pictures of one class each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClassificationSource {
    /// A folder for each class, in the order of their names: `ImageFolder`, ImageNet.
    Folder {
        /// The folder of class folders, below `data.root`.
        path: PathBuf,
        /// Readable names, one a line in the order of the folders, or `id name` lines, below `data.root`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_names: Option<PathBuf>,
    },
    /// One folder of pictures and a file of `picture label` lines, as ImageNet's validation set comes.
    Flat {
        /// The folder of pictures, below `data.root`.
        images: PathBuf,
        /// The file of labels, WordNet ids or indices from 0, below `data.root`.
        labels: PathBuf,
        /// The classes: one name a line, or `id name` lines; those of the training set where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_names: Option<PathBuf>,
    },
}

impl ClassificationSource {
    fn missing(&self, root: &Path) -> Option<PathBuf> {
        let (needed, names) = match self {
            Self::Folder { path, class_names } => (vec![path], class_names),
            Self::Flat { images, labels, class_names } => (vec![images, labels], class_names),
        };
        needed.into_iter().chain(names).map(|path| root.join(path)).find(|path| !path.exists())
    }
}

/// Reads the pictures of `source`; its classes are `classes` where they are given.
pub(super) fn read(
    config: &Config<ClassifyKeys>,
    source: &ClassificationSource,
    classes: Option<&[Class]>,
) -> Result<ClassificationSet, Failure> {
    let root = &config.data.root;
    present(root, source)?;
    Ok(tolerate(config.data.on_error, |on_error| read_with(root, source, classes, on_error))?)
}

/// As [`read`] for data that is there, but `on_error` decides about what cannot be used.
pub(super) fn read_with(
    root: &Path,
    source: &ClassificationSource,
    classes: Option<&[Class]>,
    on_error: ErrorHandler<'_>,
) -> Result<ClassificationSet, datasets::Error> {
    let known: Option<Vec<String>> = classes.map(|classes| classes.iter().map(|class| class.name.clone()).collect());
    match source {
        ClassificationSource::Folder { path, class_names: None } => {
            folder::read(&root.join(path), known.as_deref().map_or(Classes::Collected, Classes::Given))
        }
        ClassificationSource::Folder { path, class_names: Some(names) } => {
            let path = root.join(path);
            let synsets = Synsets::from_folders(&path, Some(&root.join(names)))?;
            imagenet::read_folders(&path, &synsets)
        }
        ClassificationSource::Flat { images, labels, class_names } => {
            let labels = root.join(labels);
            let synsets = match (class_names, known) {
                (Some(names), _) => Synsets::from_names(&root.join(names))?,
                // Folders named by WordNet ids: the names are the ids, in their order.
                (None, Some(names)) => Synsets { ids: names.clone(), names },
                (None, None) => {
                    let reason =
                        "it does not say which classes there are: add class_names: FILE to the source".to_owned();
                    return Err(datasets::Error::Layout { path: labels, reason });
                }
            };
            imagenet::read_flat_with(&root.join(images), &labels, &synsets, on_error)
        }
    }
}

/// Fails with where to put the data, unless it is there.
pub(super) fn present(root: &Path, source: &ClassificationSource) -> Result<(), Failure> {
    source.missing(root).map_or(Ok(()), |missing| Err(missing_data(root, source, &missing)))
}

fn missing_data(root: &Path, source: &ClassificationSource, missing: &Path) -> Failure {
    let layout = match source {
        ClassificationSource::Folder { path, .. } => format!(
            "Put class folders of pictures below {} (ImageNet: the archive ILSVRC2012_img_train, a folder a WordNet id, and \
             the validation pictures sorted likewise), or name another place with --set data.root=FOLDER",
            root.join(path).display()
        ),
        ClassificationSource::Flat { images, labels, .. } => format!(
            "Put the pictures into {} and a file of `picture label` lines at {}, or name another place with \
             --set data.root=FOLDER",
            root.join(images).display(),
            root.join(labels).display()
        ),
    };
    Failure::failed(format!("the data is not there: {} does not exist", missing.display()))
        .hint(format!("{layout}; `make demo` shows everything working without a data set."))
}
