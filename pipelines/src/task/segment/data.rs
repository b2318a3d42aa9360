//! Where a segmenter's images and masks come from.

use datasets::segmentation::pairs::{self, PairOptions};
use datasets::segmentation::{SegmentationRecord, SegmentationSet, ade20k, coco, voc};
use datasets::{Checked, Class, ErrorHandler, Findings, PixelOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::task::data::below;
use crate::task::{AnnotatedSet, Member, Source};

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
        /// The folder of lists, below `folder`; `ImageSets/Segmentation` where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lists: Option<PathBuf>,
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
    /// COCO's polygons and run lengths: each pixel has the category of the last object over it, or is background.
    Coco {
        /// The folder of images, below `data.root`.
        images: PathBuf,
        /// The JSON file, below `data.root`.
        annotations: PathBuf,
        /// A list of the images to use, by their file names, below `data.root`; all of them where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        list: Option<PathBuf>,
    },
    /// A folder of images and a folder of masks, paired by name.
    Pairs {
        /// The folder of images, below `data.root`.
        images: PathBuf,
        /// The folder of masks, below `data.root`.
        masks: PathBuf,
        /// A list of images, or of images and their masks, below `data.root`; every pair where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        list: Option<PathBuf>,
        /// Classes, ids, colours and names of files.
        options: PairOptions,
    },
}

/// The list of a VOC split, below the devkit.
fn list(lists: &Option<PathBuf>, split: &str) -> PathBuf {
    lists.clone().unwrap_or_else(|| "ImageSets/Segmentation".into()).join(format!("{split}.txt"))
}

impl Source for SegmentationSource {
    type Set = SegmentationSet;

    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        let needed = match self {
            Self::Voc { split, folder, lists, .. } => {
                let list = list(lists, split);
                ["JPEGImages".into(), "SegmentationClass".into(), list].map(|path| folder.join(path)).to_vec()
            }
            Self::Ade20k { split, folder } => {
                ["images", "annotations"].map(|part| folder.join(part).join(split)).to_vec()
            }
            Self::Coco { images, annotations, list } => {
                [Some(images), Some(annotations), list.as_ref()].into_iter().flatten().cloned().collect()
            }
            Self::Pairs { images, masks, list, .. } => {
                [Some(images), Some(masks), list.as_ref()].into_iter().flatten().cloned().collect()
            }
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
            Self::Coco { images, annotations, .. } => {
                format!(
                    "Put COCO there so that {} and {} exist",
                    root.join(images).display(),
                    root.join(annotations).display()
                )
            }
            Self::Pairs { images, masks, .. } => {
                format!("Put images into {} and masks into {}", root.join(images).display(), root.join(masks).display())
            }
        }
    }

    fn read(
        &self,
        root: &Path,
        _: Option<&[Class]>,
        pixels: &PixelOptions,
        on_error: ErrorHandler<'_>,
    ) -> Result<SegmentationSet, datasets::Error> {
        match self {
            Self::Voc { split, folder, lists, classes } => {
                let folder = root.join(folder);
                voc::read_with(&folder, &folder.join(list(lists, split)), classes.as_deref(), on_error)
            }
            Self::Ade20k { split, folder } => ade20k::read_with(&root.join(folder), split, None, on_error),
            Self::Coco { images, annotations, list } => {
                let images = root.join(images);
                let set = coco::read_with(&images, &root.join(annotations), pixels.orientation, on_error)?;
                match list {
                    Some(list) => set.listed(&images, &root.join(list), on_error),
                    None => Ok(set),
                }
            }
            Self::Pairs { images, masks, list, options } => {
                let list = list.as_ref().map(|list| root.join(list));
                pairs::read_with(&root.join(images), &root.join(masks), list.as_deref(), options, on_error)
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

    fn members(&self) -> Vec<Member> {
        let member = |record: &SegmentationRecord| Member {
            image: record.image.clone(),
            mask: Some(record.mask.path().to_path_buf()),
            class: None,
            label: None,
        };
        self.records.iter().map(member).collect()
    }

    fn checked(self) -> Checked {
        Checked::Segmentation(self)
    }

    fn of(checked: &Checked) -> Option<&Self> {
        match checked {
            Checked::Segmentation(set) => Some(set),
            _ => None,
        }
    }
}
