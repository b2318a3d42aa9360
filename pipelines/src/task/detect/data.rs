//! Where a detector's images and boxes come from.

use datasets::{Checked, Class, DetectionSet, ErrorHandler, Findings, coco, voc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::task::data::below;
use crate::task::{AnnotatedSet, Source};

/// A set of images with boxes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
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

impl Source for DetectionSource {
    type Set = DetectionSet;

    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        match self {
            Self::Coco { images, annotations } => vec![root.join(images), root.join(annotations)],
            Self::Voc { split, folder, .. } => {
                let folder = root.join(folder);
                let list = folder.join("ImageSets/Main").join(format!("{split}.txt"));
                vec![folder.join("JPEGImages"), folder.join("Annotations"), list]
            }
        }
    }

    fn layout_hint(&self, root: &Path) -> String {
        match self {
            Self::Coco { images, annotations } => format!(
                "Put COCO there so that {} and {} exist (from COCO 2017: the archives train2017, val2017 and \
                 annotations_trainval2017)",
                root.join(images).display(),
                root.join(annotations).display()
            ),
            Self::Voc { folder, .. } => format!(
                "Put a VOC devkit there so that {} holds JPEGImages, Annotations and ImageSets/Main",
                below(root, folder).display()
            ),
        }
    }

    fn read(
        &self,
        root: &Path,
        classes: Option<&[Class]>,
        on_error: ErrorHandler<'_>,
    ) -> Result<DetectionSet, datasets::Error> {
        match self {
            Self::Coco { images, annotations } => {
                coco::read_with(&root.join(images), &root.join(annotations), on_error)
            }
            Self::Voc { split, folder, classes: named } => {
                let known: Option<Vec<String>> = classes
                    .map(|classes| classes.iter().map(|class| class.name.clone()).collect())
                    .or_else(|| named.clone());
                let known = known.as_deref().map_or(voc::Classes::Collected, voc::Classes::Given);
                voc::read_with(&root.join(folder), split, known, on_error)
            }
        }
    }
}

impl AnnotatedSet for DetectionSet {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn checked(self) -> Checked {
        Checked::Detection(self)
    }
}
