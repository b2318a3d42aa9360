//! Where a detector's images and boxes come from.

use datasets::{Checked, Class, DetectionSet, ErrorHandler, Findings, PixelOptions, Record, coco, voc, yolo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::task::data::below;
use crate::task::{AnnotatedSet, Member, Source};

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
        /// A list of the images to use, by their file names, below `data.root`; all of them where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        list: Option<PathBuf>,
    },
    /// VOC's XML files: a devkit, or images and XML in folders of their own, in one, or in one for each split.
    Voc {
        /// The list, without its ending, or the split's folder; every annotated image where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split: Option<String>,
        /// The set's folder, below `data.root`.
        #[serde(default)]
        folder: PathBuf,
        /// The folder of images, below `folder`; looked for where not given: `JPEGImages`, `images`, the split's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        images: Option<PathBuf>,
        /// The folder of XML files, below `folder`; looked for where not given: `Annotations`, `annots`, beside the images.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        annotations: Option<PathBuf>,
        /// The folder of lists, below `folder`; `ImageSets/Main`, where there is one, if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lists: Option<PathBuf>,
        /// Class names in the order of their indices; collected from the training annotations where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classes: Option<Vec<String>>,
    },
    /// YOLO's text files: a `data.yaml` of Ultralytics or Roboflow, or a folder of images with its labels.
    Yolo {
        /// The `data.yaml`, below `data.root`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<PathBuf>,
        /// The split in `data`: `train`, `val` or `test`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split: Option<String>,
        /// The folder or list of images, below `data.root`, where there is no `data`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        images: Option<PathBuf>,
        /// The folder of labels, below `data.root`; `labels` in place of `images`, or beside the images, if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        labels: Option<PathBuf>,
        /// Class names in the order of their indices; from `data`, or a `classes.txt` beside the labels, where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        classes: Option<Vec<String>>,
    },
}

/// The layout that the keys of a YOLO source describe.
fn yolo_layout(
    root: &Path,
    (data, split): (&Option<PathBuf>, &Option<String>),
    (images, labels): (&Option<PathBuf>, &Option<PathBuf>),
    classes: &Option<Vec<String>>,
) -> Result<yolo::Layout, datasets::Error> {
    let names = classes.clone();
    match (data, split, images) {
        (Some(data), Some(split), None) => {
            let file = root.join(data);
            let layout = yolo::DataFile::read(&file)?.layout(&file, split)?;
            let labels = labels.as_ref().map(|labels| root.join(labels));
            Ok(yolo::Layout { labels, names: names.or(layout.names), ..layout })
        }
        (None, None, Some(images)) => Ok(yolo::Layout {
            images: vec![root.join(images)],
            labels: labels.as_ref().map(|labels| root.join(labels)),
            names,
        }),
        _ => Err(datasets::Error::Layout {
            path: root.to_path_buf(),
            reason: "format: yolo needs data: data.yaml with split: train, or images: FOLDER".to_owned(),
        }),
    }
}

impl Source for DetectionSource {
    type Set = DetectionSet;

    fn paths(&self, root: &Path) -> Vec<PathBuf> {
        match self {
            Self::Coco { images, annotations, list } => [Some(images), Some(annotations), list.as_ref()]
                .into_iter()
                .flatten()
                .map(|path| root.join(path))
                .collect(),
            Self::Voc { folder, images, annotations, lists, .. } => {
                let given = [images, annotations, lists].into_iter().flatten();
                let folder = root.join(folder);
                std::iter::once(folder.clone()).chain(given.map(|given| folder.join(given))).collect()
            }
            Self::Yolo { data, images, labels, .. } => {
                [data, images, labels].into_iter().flatten().map(|path| root.join(path)).collect()
            }
        }
    }

    fn layout_hint(&self, root: &Path) -> String {
        match self {
            Self::Coco { images, annotations, .. } => format!(
                "Put COCO there so that {} and {} exist (from COCO 2017: the archives train2017, val2017 and \
                 annotations_trainval2017)",
                root.join(images).display(),
                root.join(annotations).display()
            ),
            Self::Voc { folder, .. } => format!(
                "Put a VOC devkit there so that {} holds JPEGImages, Annotations and ImageSets/Main, or name the folders with \
                 images and annotations",
                below(root, folder).display()
            ),
            Self::Yolo { data, images, .. } => {
                let path = data.as_ref().or(images.as_ref()).map_or(root.to_path_buf(), |path| root.join(path));
                format!("Put the set there so that {} exists", path.display())
            }
        }
    }

    fn read(
        &self,
        root: &Path,
        classes: Option<&[Class]>,
        pixels: &PixelOptions,
        on_error: ErrorHandler<'_>,
    ) -> Result<DetectionSet, datasets::Error> {
        match self {
            Self::Coco { images, annotations, list } => {
                let images = root.join(images);
                let set = coco::read_with(&images, &root.join(annotations), pixels.orientation, on_error)?;
                match list {
                    Some(list) => set.listed(&images, &root.join(list), on_error),
                    None => Ok(set),
                }
            }
            Self::Voc { split, folder, images, annotations, lists, classes: named } => {
                let known: Option<Vec<String>> = classes
                    .map(|classes| classes.iter().map(|class| class.name.clone()).collect())
                    .or_else(|| named.clone());
                let known = known.as_deref().map_or(voc::Classes::Collected, voc::Classes::Given);
                let folder = root.join(folder);
                let given = |place: &Option<PathBuf>| place.as_ref().map(|place| folder.join(place));
                let layout = voc::Layout {
                    split: split.clone(),
                    images: given(images),
                    annotations: given(annotations),
                    lists: given(lists),
                    folder: folder.clone(),
                };
                voc::read_with(&layout, known, pixels.orientation, on_error)
            }
            Self::Yolo { data, split, images, labels, classes } => {
                let layout = yolo_layout(root, (data, split), (images, labels), classes)?;
                yolo::read(&layout, pixels.orientation, on_error)
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

    fn members(&self) -> Vec<Member> {
        let mut counts = vec![0_usize; self.classes.len()];
        let objects = || self.records.iter().flat_map(|record| &record.objects);
        for object in objects() {
            if let Some(count) = counts.get_mut(object.class) {
                *count += 1;
            }
        }
        let rarest =
            |record: &Record| record.objects.iter().map(|object| object.class).min_by_key(|class| counts[*class]);
        let member =
            |record: &Record| Member { image: record.file.clone(), mask: None, class: rarest(record), label: None };
        self.records.iter().map(member).collect()
    }

    fn checked(self) -> Checked {
        Checked::Detection(self)
    }

    fn of(checked: &Checked) -> Option<&Self> {
        match checked {
            Checked::Detection(set) => Some(set),
            _ => None,
        }
    }
}
