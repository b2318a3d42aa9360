//! COCO's `instances_*.json` (<https://cocodataset.org/#format-data>) as a [`DetectionSet`].
//!
//! Only the fields that detection needs are read; masks, licences and unknown fields are skipped. Classes are sorted by category
//! id and images by image id, as in torchvision and detectron2, so that the class index does not depend on the file's order.
//! Boxes and areas are what pycocotools reads, unchanged.

mod file;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::annotations::{Class, DetectionSet, Object, Record, examine, stated_or_measured, stays_inside};
use crate::findings::Findings;
use crate::{Error, ErrorHandler};
use file::{Annotation, Category, File, Image};

const GIVEN_TWICE: &str = "is given twice";

/// Reads an annotation file whose images are in the folder `images`.
///
/// The image files are not opened, except to measure one whose size the annotation does not state.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Json`] with line and column where it is cut short or malformed,
/// [`Error::Record`] for ids that are unknown or given twice, for a `bbox` that is not four finite numbers or has no finite
/// area, and for a file name that leaves the folder, [`Error::Empty`] where it has no image or no category.
pub fn read(images: &Path, annotations: &Path) -> Result<DetectionSet, Error> {
    read_with(images, annotations, &mut Err)
}

/// As [`read`], but `on_error` decides about each image, category or annotation that cannot be used. The annotations of an image
/// that is left out are left out too.
///
/// # Errors
/// As [`read`] for the file; for a record, what `on_error` returns.
pub fn read_with(images: &Path, annotations: &Path, on_error: ErrorHandler<'_>) -> Result<DetectionSet, Error> {
    let file = File::read(annotations)?;
    let mut findings = Findings::default();
    let (classes, class_of) = classes(file.categories, annotations, on_error)?;
    let (mut records, record_of) = records(file.images, images, annotations, &mut findings, on_error)?;
    let mut seen = HashSet::with_capacity(file.annotations.len());
    for raw in file.annotations {
        match placed(&raw, seen.insert(raw.id), &record_of, &class_of) {
            Ok(Some((record, object))) => records[record].objects.push(object),
            Ok(None) => {}
            Err(problem) => on_error(record_error(annotations, "annotation", raw.id, problem))?,
        }
    }
    for record in &records {
        examine(record, &mut findings);
    }
    Ok(DetectionSet { classes, records, findings })
}

fn classes(
    mut categories: Vec<Category>,
    file: &Path,
    on_error: ErrorHandler<'_>,
) -> Result<(Vec<Class>, HashMap<u64, usize>), Error> {
    if categories.is_empty() {
        return Err(Error::Empty { path: file.to_path_buf(), what: "categories" });
    }
    categories.sort_by_key(|category| category.id);
    let mut indices = HashMap::with_capacity(categories.len());
    let mut classes = Vec::with_capacity(categories.len());
    for Category { id, name } in categories {
        match indices.entry(id) {
            Entry::Occupied(_) => on_error(record_error(file, "category", id, GIVEN_TWICE))?,
            Entry::Vacant(entry) => {
                entry.insert(classes.len());
                classes.push(Class { id, name });
            }
        }
    }
    Ok((classes, indices))
}

/// The index of each image's record, by image id; `None` where the image is left out.
type RecordIndices = HashMap<u64, Option<usize>>;

fn records(
    mut images: Vec<Image>,
    folder: &Path,
    file: &Path,
    findings: &mut Findings,
    on_error: ErrorHandler<'_>,
) -> Result<(Vec<Record>, RecordIndices), Error> {
    if images.is_empty() {
        return Err(Error::Empty { path: file.to_path_buf(), what: "images" });
    }
    images.sort_by_key(|image| image.id);
    let mut indices = HashMap::with_capacity(images.len());
    let mut records = Vec::with_capacity(images.len());
    for image in images {
        let Entry::Vacant(entry) = indices.entry(image.id) else {
            on_error(record_error(file, "image", image.id, GIVEN_TWICE))?;
            continue;
        };
        match record(&image, folder, file, findings) {
            Ok(record) => {
                entry.insert(Some(records.len()));
                records.push(record);
            }
            Err(error) => {
                entry.insert(None);
                on_error(error)?;
            }
        }
    }
    Ok((records, indices))
}

fn record(image: &Image, folder: &Path, file: &Path, findings: &mut Findings) -> Result<Record, Error> {
    if !stays_inside(&image.file_name) {
        let problem = format!("has file name {:?}, which leaves the image folder", image.file_name);
        return Err(record_error(file, "image", image.id, problem));
    }
    let path = folder.join(&image.file_name);
    let size = stated_or_measured(image.width, image.height, &path, findings)?;
    Ok(Record { image_id: image.id, file: path, width: size.width, height: size.height, objects: Vec::new() })
}

fn record_error(file: &Path, record: &'static str, id: u64, problem: impl Into<String>) -> Error {
    Error::Record { path: file.to_path_buf(), record, id, problem: problem.into() }
}

/// The object with the index of its record; `None` where its image is left out.
fn placed(
    raw: &Annotation,
    is_first: bool,
    record_of: &RecordIndices,
    class_of: &HashMap<u64, usize>,
) -> Result<Option<(usize, Object)>, String> {
    if !is_first {
        return Err(GIVEN_TWICE.to_owned());
    }
    let &record = record_of.get(&raw.image_id).ok_or_else(|| format!("is on unknown image {}", raw.image_id))?;
    let &class = class_of.get(&raw.category_id).ok_or_else(|| format!("has unknown category {}", raw.category_id))?;
    let object = object(raw, class)?;
    Ok(record.map(|record| (record, object)))
}

fn object(raw: &Annotation, class: usize) -> Result<Object, String> {
    let bbox = match &raw.bbox {
        None => return Err("has no bbox".to_owned()),
        Some(bbox) if bbox.count != 4 => return Err(format!("has a bbox of {} numbers instead of 4", bbox.count)),
        Some(bbox) => bbox.values,
    };
    if !bbox.iter().all(|number| number.is_finite()) {
        return Err("has a bbox with a number that is not finite".to_owned());
    }
    let crowd = match raw.iscrowd {
        0 => false,
        1 => true,
        other => return Err(format!("has iscrowd {other} instead of 0 or 1")),
    };
    let area = raw.area.unwrap_or(bbox[2] * bbox[3]);
    if !area.is_finite() {
        return Err("has a bbox whose area is not finite".to_owned());
    }
    Ok(Object { class, bbox, area, crowd, difficult: false })
}
