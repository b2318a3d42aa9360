//! Where a segmenter's images and masks come from.

use datasets::ErrorHandler;
use datasets::segmentation::pairs::{self, PairOptions};
use datasets::segmentation::{SegmentationSet, ade20k, voc};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use super::SegmentKeys;
use crate::config::Config;
use crate::failure::Failure;
use crate::task::{below, tolerate};

/// A set of images with masks.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl SegmentationSource {
    fn missing(&self, root: &Path) -> Option<PathBuf> {
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
        needed.into_iter().map(|path| root.join(path)).find(|path| !path.exists())
    }
}

/// Reads the images of `source`.
pub(super) fn read(config: &Config<SegmentKeys>, source: &SegmentationSource) -> Result<SegmentationSet, Failure> {
    let root = &config.data.root;
    present(root, source)?;
    Ok(tolerate(config.data.on_error, |on_error| read_with(root, source, on_error))?)
}

/// As [`read`] for data that is there, but `on_error` decides about what cannot be used.
pub(super) fn read_with(
    root: &Path,
    source: &SegmentationSource,
    on_error: ErrorHandler<'_>,
) -> Result<SegmentationSet, datasets::Error> {
    match source {
        SegmentationSource::Voc { split, folder, classes } => {
            voc::read_with(&root.join(folder), split, classes.as_deref(), on_error)
        }
        SegmentationSource::Ade20k { split, folder } => ade20k::read_with(&root.join(folder), split, None, on_error),
        SegmentationSource::Pairs { images, masks, options } => {
            pairs::read_with(&root.join(images), &root.join(masks), options, on_error)
        }
    }
}

/// Fails with where to put the data, unless it is there.
pub(super) fn present(root: &Path, source: &SegmentationSource) -> Result<(), Failure> {
    source.missing(root).map_or(Ok(()), |missing| Err(missing_data(root, source, &missing)))
}

fn missing_data(root: &Path, source: &SegmentationSource, missing: &Path) -> Failure {
    let layout = match source {
        SegmentationSource::Voc { folder, .. } => format!(
            "Put a VOC devkit there so that {} holds JPEGImages, SegmentationClass and ImageSets/Segmentation",
            below(root, folder).display()
        ),
        SegmentationSource::Ade20k { folder, .. } => format!(
            "Put ADEChallengeData2016 there so that {} holds images and annotations",
            below(root, folder).display()
        ),
        SegmentationSource::Pairs { images, masks, .. } => {
            format!("Put images into {} and masks into {}", root.join(images).display(), root.join(masks).display())
        }
    };
    Failure::failed(format!("the data is not there: {} does not exist", missing.display())).hint(format!(
        "{layout}, or name another place with --set data.root=FOLDER; `make demo` shows everything working without a \
         data set."
    ))
}
