//! COCO's annotation file, read and written.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ground_truth::{Annotation, Category, GroundTruth, Image};
use crate::Error;
use crate::file::{PendingFile, read_json};

const LAYOUT: &str = "a COCO annotation file, an object with images, categories and annotations";

/// Something about an annotation file that a user comparing numbers wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Annotations of images that are not listed are left out, as pycocotools leaves them out.
    UnlistedImage {
        /// How many.
        annotations: usize,
    },
    /// Annotations of categories that are not listed are left out, as pycocotools leaves them out.
    UnlistedCategory {
        /// How many.
        annotations: usize,
    },
    /// The area of these annotations is their box's; pycocotools cannot evaluate such a file.
    NoArea {
        /// How many.
        annotations: usize,
    },
    /// Annotations share an id; each counts here, where pycocotools counts the last one several times.
    RepeatedId {
        /// How many have the id of another.
        annotations: usize,
    },
    /// An annotation has the id 0, which pycocotools takes for "unmatched" and so scores lower than is right.
    ZeroId,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::UnlistedImage { annotations } => {
                write!(f, "left out {annotations} annotation(s) of images that are not listed")
            }
            Finding::UnlistedCategory { annotations } => {
                write!(f, "left out {annotations} annotation(s) of categories that are not listed")
            }
            Finding::NoArea { annotations } => {
                write!(f, "{annotations} annotation(s) without an area, taken as width x height of the box")
            }
            Finding::RepeatedId { annotations } => write!(
                f,
                "{annotations} annotation(s) with the id of another: each counts here, pycocotools counts the last one for all"
            ),
            Finding::ZeroId => f.write_str(
                "an annotation has the id 0, which pycocotools counts as never found: its numbers are lower",
            ),
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl GroundTruth {
    /// Ground truth from a COCO annotation file (`instances_val2017.json`).
    ///
    /// As pycocotools does, annotations of images or categories that the file does not list are left out;
    /// [`findings`](Self::findings) says so, and what else there is to know.
    ///
    /// # Errors
    /// A file that cannot be read, is cut short, or is no COCO annotation file with boxes, with the place; repeated image
    /// or category ids.
    pub fn from_file(path: impl AsRef<Path>) -> Result<GroundTruth, Error> {
        let path = path.as_ref();
        let AnnotationFile { images, categories, annotations } = read_json(path, b'{', LAYOUT)?;
        let listed_images: HashSet<u64> = images.iter().map(|image| image.id).collect();
        let listed_categories: HashSet<u64> = categories.iter().map(|category| category.id).collect();

        let mut unlisted_image = 0;
        let mut unlisted_category = 0;
        let mut without_area = 0;
        let mut ids = Vec::with_capacity(annotations.len());
        let mut kept = Vec::with_capacity(annotations.len());
        for annotation in annotations {
            if !listed_images.contains(&annotation.image_id) {
                unlisted_image += 1;
            } else if !listed_categories.contains(&annotation.category_id) {
                unlisted_category += 1;
            } else {
                ids.extend(annotation.id);
                without_area += usize::from(annotation.area.is_none());
                kept.push(annotation.into());
            }
        }
        let mut ground_truth =
            GroundTruth::from_parts(images, categories, kept).map_err(|error| error.in_file(path))?;

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
    /// The file is written aside, synced and renamed.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let annotations = self.annotations().iter().zip(1..).map(|(annotation, id)| WrittenAnnotation {
            id,
            image_id: annotation.image_id,
            category_id: annotation.category_id,
            bbox: annotation.bbox,
            area: annotation.area,
            iscrowd: u8::from(annotation.crowd),
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
struct AnnotationFile {
    images: Vec<Image>,
    categories: Vec<Category>,
    annotations: Vec<ReadAnnotation>,
}

#[derive(Deserialize)]
struct ReadAnnotation {
    id: Option<u64>,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: Option<f64>,
    #[serde(default)]
    iscrowd: Flag,
}

impl From<ReadAnnotation> for Annotation {
    fn from(read: ReadAnnotation) -> Annotation {
        let ReadAnnotation { id: _, image_id, category_id, bbox, area, iscrowd } = read;
        let crowd = match iscrowd {
            Flag::Number(number) => number != 0,
            Flag::Boolean(boolean) => boolean,
        };
        Annotation { image_id, category_id, bbox, area: area.unwrap_or(bbox[2] * bbox[3]), crowd }
    }
}

/// COCO spells `iscrowd` 0 or 1; other writers spell it as a boolean.
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
struct WrittenAnnotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
}
