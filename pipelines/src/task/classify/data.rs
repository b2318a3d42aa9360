//! Where a classifier's images and classes come from.

use datasets::annotations::Classes;
use datasets::classification::{ClassificationRecord, ClassificationSet};
use datasets::imagenet::{self, Synsets};
use datasets::{Checked, Class, ErrorHandler, Findings, PixelOptions, flat, folder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::task::{AnnotatedSet, Member, Source};

/// A set of images of one class each.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
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
    /// One folder of images and a file of their labels: `image label` lines, or CSV with or without names of columns.
    Flat {
        /// The folder of images, below `data.root`.
        images: PathBuf,
        /// The file of labels, below `data.root`: class names, WordNet ids or indices from 0.
        labels: PathBuf,
        /// The classes: one name a line, or `id name` lines; where not given those of the training set, or all that occur.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_names: Option<PathBuf>,
    },
}

impl Source for ClassificationSource {
    type Set = ClassificationSet;

    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        let (needed, names) = match self {
            Self::Folder { path, class_names } => (vec![path], class_names),
            Self::Flat { images, labels, class_names } => (vec![images, labels], class_names),
        };
        needed.into_iter().chain(names).map(|path| root.join(path)).collect()
    }

    fn layout_hint(&self, root: &Path) -> String {
        match self {
            Self::Folder { path, .. } => format!(
                "Put a folder of images for each class into {} (ImageNet: the archive ILSVRC2012_img_train, a folder for each \
                 WordNet id, and the validation images sorted in the same way)",
                root.join(path).display()
            ),
            Self::Flat { images, labels, .. } => format!(
                "Put the images into {} and a file of `image label` lines at {}",
                root.join(images).display(),
                root.join(labels).display()
            ),
        }
    }

    fn read(
        &self,
        root: &Path,
        classes: Option<&[Class]>,
        _: &PixelOptions,
        on_error: ErrorHandler<'_>,
    ) -> Result<ClassificationSet, datasets::Error> {
        let known: Option<Vec<String>> =
            classes.map(|classes| classes.iter().map(|class| class.name.clone()).collect());
        match self {
            Self::Folder { path, class_names: None } => {
                folder::read(&root.join(path), known.as_deref().map_or(Classes::Collected, Classes::Given))
            }
            Self::Folder { path, class_names: Some(names) } => {
                let path = root.join(path);
                let synsets = Synsets::from_folders(&path, Some(&root.join(names)))?;
                imagenet::read_folders(&path, &synsets)
            }
            Self::Flat { images, labels, class_names } => {
                let synsets = match (class_names, known) {
                    (Some(names), _) => Some(Synsets::from_names(&root.join(names))?),
                    // Folders named by WordNet ids: the names are the ids, in their order.
                    (None, Some(names)) => Some(Synsets { ids: names.clone(), names }),
                    (None, None) => None,
                };
                flat::read(&root.join(images), &root.join(labels), synsets.as_ref(), on_error)
            }
        }
    }
}

impl AnnotatedSet for ClassificationSet {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn members(&self) -> Vec<Member> {
        let member = |record: &ClassificationRecord| Member {
            image: record.file.clone(),
            mask: None,
            class: Some(record.class),
            label: self.classes.get(record.class).map(|class| class.name.clone()),
        };
        self.records.iter().map(member).collect()
    }

    fn checked(self) -> Checked {
        Checked::Classification(self)
    }

    fn of(checked: &Checked) -> Option<&Self> {
        match checked {
            Checked::Classification(set) => Some(set),
            _ => None,
        }
    }
}
