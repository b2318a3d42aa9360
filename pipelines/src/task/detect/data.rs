//! Where a detector's images and boxes come from.

use datasets::{Class, DetectionSet, ErrorHandler, coco, voc};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::DetectKeys;
use crate::config::Config;
use crate::failure::Failure;
use crate::task::{below, tolerate};

/// A set of images with boxes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "lowercase", deny_unknown_fields)]
pub enum DetectionSource {
    /// A folder of images and an instances JSON.
    Coco {
        /// The folder of images, below `data.root`.
        images: PathBuf,
        /// The JSON file, below `data.root`.
        annotations: PathBuf,
    },
    /// A VOC devkit folder: `JPEGImages`, `Annotations`, `ImageSets/Main`.
    Voc {
        /// The list in `ImageSets/Main`, without its ending.
        split: String,
        /// The devkit folder, below `data.root`.
        #[serde(default)]
        folder: PathBuf,
        /// Class names in the order of their indices; collected from the training annotations where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classes: Option<Vec<String>>,
    },
}

impl DetectionSource {
    /// The first path that the source needs and that is not there.
    pub fn missing(&self, root: &Path) -> Option<PathBuf> {
        let needed = match self {
            Self::Coco { images, annotations } => vec![root.join(images), root.join(annotations)],
            Self::Voc { split, folder, .. } => {
                let folder = root.join(folder);
                let list = folder.join("ImageSets/Main").join(format!("{split}.txt"));
                vec![folder.join("JPEGImages"), folder.join("Annotations"), list]
            }
        };
        needed.into_iter().find(|path| !path.exists())
    }
}

/// Reads the annotations of `source`; a VOC set's classes are `classes` where they are given.
pub(super) fn read(
    config: &Config<DetectKeys>,
    source: &DetectionSource,
    classes: Option<&[Class]>,
) -> Result<DetectionSet, Failure> {
    let root = &config.data.root;
    present(root, source)?;
    Ok(tolerate(config.data.on_error, |on_error| read_with(root, source, classes, on_error))?)
}

/// As [`read`] for data that is there, but `on_error` decides about what cannot be used.
pub(super) fn read_with(
    root: &Path,
    source: &DetectionSource,
    classes: Option<&[Class]>,
    on_error: ErrorHandler<'_>,
) -> Result<DetectionSet, datasets::Error> {
    match source {
        DetectionSource::Coco { images, annotations } => {
            coco::read_with(&root.join(images), &root.join(annotations), on_error)
        }
        DetectionSource::Voc { split, folder, classes: named, .. } => {
            let known: Option<Vec<String>> = classes
                .map(|classes| classes.iter().map(|class| class.name.clone()).collect())
                .or_else(|| named.clone());
            let known = known.as_deref().map_or(voc::Classes::Collected, voc::Classes::Given);
            voc::read_with(&root.join(folder), split, known, on_error)
        }
    }
}

/// Fails with where to put the data, unless it is there.
pub(super) fn present(root: &Path, source: &DetectionSource) -> Result<(), Failure> {
    source.missing(root).map_or(Ok(()), |missing| Err(missing_data(root, source, &missing)))
}

fn missing_data(root: &Path, source: &DetectionSource, missing: &Path) -> Failure {
    let layout = match source {
        DetectionSource::Coco { images, annotations } => format!(
            "Put COCO there so that {} and {} exist (from COCO 2017: the archives train2017, val2017 and \
             annotations_trainval2017), or name another place with --set data.root=FOLDER",
            root.join(images).display(),
            root.join(annotations).display()
        ),
        DetectionSource::Voc { folder, .. } => format!(
            "Put a VOC devkit there so that {} holds JPEGImages, Annotations and ImageSets/Main, or name another place \
             with --set data.root=FOLDER",
            below(root, folder).display()
        ),
    };
    Failure::failed(format!("the data is not there: {} does not exist", missing.display()))
        .hint(format!("{layout}; `make demo` shows everything working without a data set."))
}
