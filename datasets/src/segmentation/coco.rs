//! COCO's `instances_*.json` or `stuff_*.json` as masks: polygons and run lengths, drawn when a sample is read.
//!
//! Class 0 is the background, a pixel of no object; the file's categories follow, sorted by id. Objects are painted in the file's
//! order, crowds too, and later ones over earlier ones, as the COCO-Stuff API paints them (`cocoSegmentationToSegmentationMap`).
//! (torchvision's reference ignores pixels of several objects instead, even where those are of one class.) Polygons become pixels
//! by the rules of pycocotools.

use std::path::Path;
use std::sync::Arc;

use annotation_files::coco::{self, FileIds, Geometry, Problem, RecordKind};

use super::mask_source::{MaskSource, Objects};
use super::{LabelMap, SegmentationRecord, SegmentationSet};
use crate::annotations::{Class, Record};
use crate::coco::{Reader, place, read_file};
use crate::image::Orientation;
use crate::{Error, ErrorHandler};

const BACKGROUND: &str = "background";
const IGNORE: u8 = 255;

/// Reads an annotation file whose images are in the folder `images`.
///
/// The image files are not opened, except to measure one whose size the annotation does not state.
///
/// # Errors
/// As [`crate::coco::read`], and [`Error::Record`] for an annotation without a mask or with one that does not fit its image;
/// [`Error::Setting`] for more than 254 categories.
pub fn read(images: &Path, annotations: &Path) -> Result<SegmentationSet, Error> {
    read_with(images, annotations, Orientation::default(), &mut Err)
}

/// As [`read`], but `on_error` decides about each image, category or annotation that cannot be used. Images of unstated size are
/// measured, upright or as stored.
///
/// # Errors
/// As [`read`] for the file; for a record, what `on_error` returns.
pub fn read_with(
    images: &Path,
    annotations: &Path,
    orientation: Orientation,
    on_error: ErrorHandler<'_>,
) -> Result<SegmentationSet, Error> {
    let mut file = read_file(annotations, Geometry::Masks, on_error)?;
    let ids = FileIds::of(&file);
    let mut reader = Reader::new((images, annotations), &ids, orientation, on_error);
    let (categories, class_of) = reader.classes(std::mem::take(&mut file.categories))?;
    let labels = LabelMap::identity(1 + categories.len(), IGNORE)?;
    let (records, record_of) = reader.records(std::mem::take(&mut file.images))?;
    let mut objects: Vec<Vec<(u8, coco::Mask)>> = vec![Vec::new(); records.len()];
    for mut annotation in file.annotations {
        let mask = annotation.mask.take();
        let placed = place(&annotation, &ids, &record_of, &class_of).and_then(|(record, class)| {
            let Some(record) = record else { return Ok(None) };
            let mask = mask.ok_or_else(|| "is missing".to_owned());
            let checked = mask.and_then(|mask| {
                let fits = size_of(&records[record]).and_then(|size| mask.check(size));
                fits.map(|()| mask).map_err(|reason| format!("cannot be drawn: {reason}"))
            });
            checked.map(|mask| Some((record, class, mask))).map_err(|reason| Problem {
                record: RecordKind::Annotation,
                index: annotation.index,
                id: annotation.id.clone(),
                image: Some(annotation.image_id.clone()),
                field: "segmentation",
                reason,
            })
        });
        match placed {
            // `LabelMap::identity` has checked that the classes are few.
            Ok(Some((record, class, mask))) => objects[record].push((class as u8 + 1, *mask)),
            Ok(None) => {}
            Err(problem) => reader.refuse(problem)?,
        }
    }
    let origin: Arc<Path> = annotations.into();
    let records = records.into_iter().zip(objects).map(|(record, objects)| {
        let size = record.size();
        let below = record.file.strip_prefix(images).unwrap_or(&record.file).with_extension("");
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let mask = MaskSource::Objects(Objects { file: origin.clone(), size, objects });
        SegmentationRecord { id: parts.join("/"), image: record.file, mask }
    });
    let background = Class { id: 0, name: BACKGROUND.to_owned() };
    let classes = [background].into_iter().chain(categories).collect();
    Ok(SegmentationSet { classes, records: records.collect(), ignore: IGNORE, labels, findings: reader.findings })
}

/// Height and width of an image that can have masks.
fn size_of(record: &Record) -> Result<[u32; 2], String> {
    let side = |side: usize| u32::try_from(side).map_err(|_| "its image is too large".to_owned());
    Ok([side(record.height)?, side(record.width)?])
}
