//! Where a segmenter's images and masks come from.

use datasets::segmentation::pairs::{self, PairOptions};
use datasets::segmentation::{SegmentationSet, ade20k, voc};
use datasets::{Checked, Class, ErrorHandler, Findings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::task::data::below;
use crate::task::{AnnotatedSet, Source};

/// A set of images with masks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "format", rename_all = "lowercase", deny_unknown_fields)]
pub enum SegmentationSource {
    /// A VOC devkit folder: `JPEGImages`, `SegmentationClass`, `ImageSets/Segmentation`.
    Voc {
        /// The list in `ImageSets/Segmentation`, without its ending.
        split: String,
        /// The devkit folder, below `data.root`.
        #[serde(default)]
        folder: PathBuf,
        /// Class names in the order of their indices after the background; VOC's 20 where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classes: Option<Vec<String>>,
    },
    /// ADE20K's scene parsing benchmark: `images/SPLIT`, `annotations/SPLIT`.
    Ade20k {
        /// `training` or `validation`.
        split: String,
        /// The folder of the benchmark, below `data.root`.
        #[serde(default)]
        folder: PathBuf,
    },
    /// A folder of images and a folder of masks, paired by name.
    Pairs {
        /// The folder of images, below `data.root`.
        images: PathBuf,
        /// The folder of masks, below `data.root`.
        masks: PathBuf,
        /// Classes, ids and names of files.
        options: PairOptions,
    },
}

impl Source for SegmentationSource {
    type Set = SegmentationSet;

    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        let needed = match self {
            Self::Voc { split, folder, .. } => {
                let list = PathBuf::from("ImageSets/Segmentation").join(format!("{split}.txt"));
                ["JPEGImages".into(), "SegmentationClass".into(), list].map(|path| folder.join(path)).to_vec()
            }
            Self::Ade20k { split, folder } => {
                ["images", "annotations"].map(|part| folder.join(part).join(split)).to_vec()
            }
            Self::Pairs { images, masks, .. } => vec![images.clone(), masks.clone()],
        };
        needed.into_iter().map(|path| root.join(path)).collect()
    }

    fn layout_hint(&self, root: &Path) -> String {
        match self {
            Self::Voc { folder, .. } => format!(
                "Put a VOC devkit there so that {} holds JPEGImages, SegmentationClass and ImageSets/Segmentation",
                below(root, folder).display()
            ),
            Self::Ade20k { folder, .. } => format!(
                "Put ADEChallengeData2016 there so that {} holds images and annotations",
                below(root, folder).display()
            ),
            Self::Pairs { images, masks, .. } => {
                format!("Put images into {} and masks into {}", root.join(images).display(), root.join(masks).display())
            }
        }
    }

    fn read(
        &self,
        root: &Path,
        _: Option<&[Class]>,
        on_error: ErrorHandler<'_>,
    ) -> Result<SegmentationSet, datasets::Error> {
        match self {
            Self::Voc { split, folder, classes } => {
                voc::read_with(&root.join(folder), split, classes.as_deref(), on_error)
            }
            Self::Ade20k { split, folder } => ade20k::read_with(&root.join(folder), split, None, on_error),
            Self::Pairs { images, masks, options } => {
                pairs::read_with(&root.join(images), &root.join(masks), options, on_error)
            }
        }
    }
}

impl AnnotatedSet for SegmentationSet {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn checked(self) -> Checked {
        Checked::Segmentation(self)
    }
}
