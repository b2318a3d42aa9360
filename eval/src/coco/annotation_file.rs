//! COCO's annotation file, read and written.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::annotation::{Annotation, Category, Image};
use super::finding::Finding;
use super::ground_truth::GroundTruth;
use super::mask::Mask;
use crate::file::{PendingFile, read_json};
use crate::{Error, Place};

const EXPECTED: &str = "a COCO annotation file, an object with images, categories and annotations";

impl GroundTruth {
    /// Ground truth from a COCO annotation file (`instances_val2017.json`).
    ///
    /// As in pycocotools, annotations of images or categories that the file does not list are left out;
    /// [`findings`](Self::findings) reports them, and other differences from pycocotools.
    ///
    /// # Errors
    /// The file cannot be read, is cut short, or is not a COCO annotation file with boxes, with the place; image or category
    /// ids repeat.
    pub fn from_file(path: impl AsRef<Path>) -> Result<GroundTruth, Error> {
        GroundTruth::read::<IgnoredAny>(path.as_ref(), |_, _| Ok(()), |_| None)
    }

    /// Ground truth with masks from a COCO annotation file, as [`from_file`](Self::from_file).
    ///
    /// # Errors
    /// Also an annotation without a mask, or with one that does not fit its image, by its place in the file.
    pub fn from_file_with_masks(path: impl AsRef<Path>) -> Result<GroundTruth, Error> {
        let check = |mask: &Option<Mask>, image: &Image| match mask {
            Some(mask) => mask.check(image),
            None => Err(Error::Mask { problem: "there is none".to_owned() }),
        };
        GroundTruth::read(path.as_ref(), check, |masks| Some(masks.into_iter().flatten().collect()))
    }

    /// Reads a file whose masks are kept as `M`: checked, then collected in the order of the annotations.
    fn read<M: DeserializeOwned + Default>(
        path: &Path,
        check: impl Fn(&M, &Image) -> Result<(), Error>,
        collect: impl FnOnce(Vec<M>) -> Option<Vec<Mask>>,
    ) -> Result<GroundTruth, Error> {
        let AnnotationFile::<M> { images, categories, annotations } = read_json(path, b'{', EXPECTED)?;
        let in_file = |error: Error| error.within(Place::file(path));
        let listed_images: HashMap<u64, &Image> = images.iter().map(|image| (image.id, image)).collect();
        let listed_categories: HashSet<u64> = categories.iter().map(|category| category.id).collect();

        let mut unlisted_image = 0;
        let mut unlisted_category = 0;
        let mut without_area = 0;
        let mut ids = Vec::with_capacity(annotations.len());
        let mut kept = Vec::with_capacity(annotations.len());
        let mut masks = Vec::with_capacity(annotations.len());
        for (index, annotation) in annotations.into_iter().enumerate() {
            let Some(image) = listed_images.get(&annotation.image_id) else {
                unlisted_image += 1;
                continue;
            };
            if !listed_categories.contains(&annotation.category_id) {
                unlisted_category += 1;
                continue;
            }
            ids.extend(annotation.id);
            without_area += usize::from(annotation.area.is_none());
            let (annotation, mask) = annotation.split();
            check(&mask, image).map_err(|error| in_file(error.within(Place::element("annotations", index))))?;
            kept.push(annotation);
            masks.push(mask);
        }
        let mut ground_truth = GroundTruth::new(images, categories, kept, collect(masks)).map_err(in_file)?;

        ids.sort_unstable();
        let repeated = ids.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let counted = [
            (unlisted_image, Finding::UnlistedImage { annotations: unlisted_image }),
            (unlisted_category, Finding::UnlistedCategory { annotations: unlisted_category }),
            (without_area, Finding::NoArea { annotations: without_area }),
            (repeated, Finding::RepeatedId { annotations: repeated }),
            (usize::from(ids.first() == Some(&0)), Finding::ZeroId),
        ];
        ground_truth.findings =
            counted.into_iter().filter_map(|(count, finding)| (count > 0).then_some(finding)).collect();
        Ok(ground_truth)
    }

    /// Writes a COCO annotation file that pycocotools reads; annotation ids count from 1.
    ///
    /// A reader sees the old file or the complete new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let annotations = self.annotations().iter().zip(1..).map(|(annotation, id)| WrittenAnnotation {
            id,
            image_id: annotation.image_id,
            category_id: annotation.category_id,
            bbox: annotation.bbox,
            area: annotation.area,
            iscrowd: u8::from(annotation.crowd),
            segmentation: self.masks().map(|masks| &masks[id - 1]),
        });
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| {
            // Some releases of pycocotools cannot load results without `info`.
            out.write_all(br#"{"info":{},"images":"#)?;
            serde_json::to_writer(&mut *out, self.images())?;
            out.write_all(br#","categories":"#)?;
            serde_json::to_writer(&mut *out, self.categories())?;
            out.write_all(br#","annotations":["#)?;
            for annotation in annotations {
                if annotation.id > 1 {
                    out.write_all(b",\n")?;
                }
                serde_json::to_writer(&mut *out, &annotation)?;
            }
            out.write_all(b"]}\n")
        })?;
        file.commit()
    }
}

#[derive(Deserialize)]
#[serde(bound = "M: DeserializeOwned + Default")]
struct AnnotationFile<M> {
    images: Vec<Image>,
    categories: Vec<Category>,
    annotations: Vec<ReadAnnotation<M>>,
}

#[derive(Deserialize)]
#[serde(bound = "M: DeserializeOwned + Default")]
struct ReadAnnotation<M> {
    id: Option<u64>,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: Option<f64>,
    #[serde(default)]
    iscrowd: Flag,
    #[serde(default)]
    segmentation: M,
}

impl<M> ReadAnnotation<M> {
    fn split(self) -> (Annotation, M) {
        let ReadAnnotation { id: _, image_id, category_id, bbox, area, iscrowd, segmentation } = self;
        let crowd = match iscrowd {
            Flag::Number(number) => number != 0,
            Flag::Boolean(boolean) => boolean,
        };
        let area = area.unwrap_or(bbox[2] * bbox[3]);
        (Annotation { image_id, category_id, bbox, area, crowd }, segmentation)
    }
}

/// COCO writes `iscrowd` as 0 or 1; other writers use a boolean.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected 0, 1, false or true")]
enum Flag {
    Number(u64),
    Boolean(bool),
}

impl Default for Flag {
    fn default() -> Flag {
        Flag::Number(0)
    }
}

#[derive(Serialize)]
struct WrittenAnnotation<'a> {
    id: usize,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<&'a Mask>,
}
