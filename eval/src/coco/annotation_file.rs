//! COCO's annotation file, read and written.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;

use annotation_files::coco::{self as file, File, FileIds, FileName, Geometry, Id, Mask, Problem, RecordKind};
use serde::Serialize;

use super::annotation::{Annotation, Category, Image};
use super::finding::Finding;
use super::ground_truth::GroundTruth;
use super::mask::{self, size_for_masks};
use crate::file::{PendingFile, unreadable};
use crate::{Error, Place};

impl GroundTruth {
    /// Ground truth from a COCO annotation file (`instances_val2017.json`), read as [`annotation_files::coco`] says.
    ///
    /// As in pycocotools, annotations of images or categories that the file does not list are left out;
    /// [`findings`](Self::findings) reports them, and other differences from pycocotools.
    ///
    /// # Errors
    /// The file cannot be read, is cut short, or is not a COCO annotation file, with the place; a record that cannot be used.
    pub fn from_file(path: impl AsRef<Path>) -> Result<GroundTruth, Error> {
        GroundTruth::read(path.as_ref(), Geometry::Boxes)
    }

    /// Ground truth with masks from a COCO annotation file, as [`from_file`](Self::from_file).
    ///
    /// # Errors
    /// Also an annotation without a mask, or with one that does not fit its image, by its place in the file.
    pub fn from_file_with_masks(path: impl AsRef<Path>) -> Result<GroundTruth, Error> {
        GroundTruth::read(path.as_ref(), Geometry::Masks)
    }

    fn read(path: &Path, geometry: Geometry) -> Result<GroundTruth, Error> {
        let file = File::read(path, geometry).map_err(|error| unreadable(path, error))?;
        let ids = FileIds::of(&file);
        let mut left_out = LeftOut::of(&file.problems).map_err(|problem| Error::read(Place::file(path), problem))?;
        let (images, repeated_images) = unique(file.images, |image| ids.images.number(&image.id));
        let (categories, repeated_categories) = unique(file.categories, |category| ids.categories.number(&category.id));
        let images: Vec<Image> = images.into_iter().map(|(id, image)| listed(id, image)).collect();
        let categories: Vec<Category> =
            categories.into_iter().map(|(id, category)| Category { id, name: category.name }).collect();

        let image_of: HashMap<u64, &Image> = images.iter().map(|image| (image.id, image)).collect();
        let known: HashSet<u64> = categories.iter().map(|category| category.id).collect();
        let mut annotation_ids = Vec::with_capacity(file.annotations.len());
        let (mut zero, mut without_area, mut degenerate) = (false, 0, 0);
        let mut kept = Vec::with_capacity(file.annotations.len());
        let mut masks = Vec::new();
        for annotation in file.annotations {
            let image = ids.images.number(&annotation.image_id).and_then(|id| image_of.get(&id));
            let Some(image) = image else {
                left_out.images += 1;
                continue;
            };
            let category_id = ids.categories.number(&annotation.category_id).filter(|id| known.contains(id));
            let Some(category_id) = category_id else {
                left_out.categories += 1;
                continue;
            };
            zero |= annotation.id.as_ref().is_some_and(|id| id.number() == Some(0));
            annotation_ids.extend(annotation.id);
            without_area += usize::from(annotation.area.is_none());
            let mut bbox = annotation.bbox;
            if geometry == Geometry::Masks {
                let place = |error: Error| error.within(Place::element("annotations", annotation.index));
                let in_file = |error| place(error).within(Place::file(path));
                let mask = annotation.mask.ok_or_else(|| Error::Mask { problem: "there is none".to_owned() });
                let mask = mask.and_then(|mask| mask::check(&mask, image).map(|()| mask)).map_err(in_file)?;
                degenerate += usize::from(mask.degenerate_polygons() > 0);
                bbox = bbox.or_else(|| mask.bounds(size_for_masks(image)?).ok());
                masks.push(*mask);
            }
            let bbox = bbox.unwrap_or_default();
            let area = annotation.area.unwrap_or(bbox[2] * bbox[3]);
            kept.push(Annotation { image_id: image.id, category_id, bbox, area, crowd: annotation.crowd });
        }
        let masks = (geometry == Geometry::Masks).then_some(masks);
        let ground_truth = GroundTruth::new(images, categories, kept, masks);
        let mut ground_truth = ground_truth.map_err(|error| error.within(Place::file(path)))?.with_ids(ids);

        let repeated = Id::count_repeated(annotation_ids);
        let counted = [
            (left_out.images, Finding::UnlistedImage { annotations: left_out.images }),
            (left_out.categories, Finding::UnlistedCategory { annotations: left_out.categories }),
            (without_area, Finding::NoArea { annotations: without_area }),
            (repeated, Finding::RepeatedId { annotations: repeated }),
            (usize::from(zero), Finding::ZeroId),
            (repeated_images, Finding::RepeatedImage { images: repeated_images }),
            (repeated_categories, Finding::RepeatedCategory { categories: repeated_categories }),
            (degenerate, Finding::DegeneratePolygons { annotations: degenerate }),
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
        let ids = self.ids();
        let images = self.images().iter().map(|Image { id, width, height, file_name }| WrittenImage {
            id: ids.images.id(*id),
            width: *width,
            height: *height,
            file_name,
        });
        let categories =
            self.categories().iter().map(|Category { id, name }| WrittenCategory { id: ids.categories.id(*id), name });
        let (images, categories): (Vec<_>, Vec<_>) = (images.collect(), categories.collect());
        let annotations = self.annotations().iter().zip(1..).map(|(annotation, id)| WrittenAnnotation {
            id,
            image_id: ids.images.id(annotation.image_id),
            category_id: ids.categories.id(annotation.category_id),
            bbox: annotation.bbox,
            area: annotation.area,
            iscrowd: u8::from(annotation.crowd),
            segmentation: self.masks().map(|masks| &masks[id - 1]),
        });
        let mut file = PendingFile::create(path.as_ref())?;
        file.write(|out| {
            // Some releases of pycocotools cannot load results without `info`.
            out.write_all(br#"{"info":{},"images":"#)?;
            serde_json::to_writer(&mut *out, &images)?;
            out.write_all(br#","categories":"#)?;
            serde_json::to_writer(&mut *out, &categories)?;
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

/// Annotations that pycocotools leaves out, since no image or category has their id.
#[derive(Default)]
struct LeftOut {
    images: usize,
    categories: usize,
}

impl LeftOut {
    /// The annotations among the problems that only lack an id; the first other problem is an error.
    fn of(problems: &[Problem]) -> Result<LeftOut, String> {
        let mut left_out = LeftOut::default();
        for problem in problems {
            match (problem.record, problem.field) {
                (RecordKind::Annotation, "image_id") => left_out.images += 1,
                (RecordKind::Annotation, "category_id") => left_out.categories += 1,
                _ => return Err(problem.to_string()),
            }
        }
        Ok(left_out)
    }
}

/// The records by number, and how many of them have the number of another: of those the last counts, as in pycocotools.
fn unique<T>(records: Vec<T>, number: impl Fn(&T) -> Option<u64>) -> (Vec<(u64, T)>, usize) {
    let mut positions: HashMap<u64, usize> = HashMap::with_capacity(records.len());
    let mut unique: Vec<(u64, T)> = Vec::with_capacity(records.len());
    let mut repeated = 0;
    for record in records {
        let Some(id) = number(&record) else { continue };
        match positions.entry(id) {
            Entry::Occupied(position) => {
                unique[*position.get()].1 = record;
                repeated += 1;
            }
            Entry::Vacant(entry) => {
                entry.insert(unique.len());
                unique.push((id, record));
            }
        }
    }
    (unique, repeated)
}

fn listed(id: u64, image: file::Image) -> Image {
    let file_name = match image.file_name {
        FileName::Stated(name) | FileName::InUrl(name) => name,
        FileName::Unusable(_) => String::new(),
    };
    Image { id, width: image.width.unwrap_or_default(), height: image.height.unwrap_or_default(), file_name }
}

#[derive(Serialize)]
struct WrittenImage<'a> {
    id: Id,
    width: usize,
    height: usize,
    file_name: &'a str,
}

#[derive(Serialize)]
struct WrittenCategory<'a> {
    id: Id,
    name: &'a str,
}

#[derive(Serialize)]
struct WrittenAnnotation<'a> {
    id: usize,
    image_id: Id,
    category_id: Id,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<&'a Mask>,
}
