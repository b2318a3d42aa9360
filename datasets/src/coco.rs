//! COCO's `instances_*.json` (<https://cocodataset.org/#format-data>) as a [`DetectionSet`].
//!
//! Only the fields that detection needs are read; masks, licences and unknown fields are skipped. Classes are sorted by category
//! id and images by image id, as in torchvision and detectron2, so that the class index does not depend on the file's order.
//! Boxes and areas are what pycocotools reads, unchanged. What files of other programs may differ in is described at
//! [`annotation_files::coco`].

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use annotation_files::coco::{
    self, Annotation, Category, File, FileIds, FileName, Geometry, Image, Problem, RecordKind,
};

use crate::annotations::{Class, DetectionSet, Object, Record, examine, stated_or_measured};
use crate::finder::{Finder, is_inside};
use crate::findings::{FindingKind, Findings};
use crate::image::Orientation;
use crate::{Error, ErrorHandler};

/// Reads an annotation file whose images are in the folder `images`.
///
/// The image files are looked for, but not opened, except to measure one whose size the annotation does not state.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Json`] with line and column where it is cut short, malformed or of
/// another format, [`Error::Layout`] where it is no JSON object, [`Error::Record`] for a record that cannot be used,
/// [`Error::Empty`] where it has no image or no category.
pub fn read(images: &Path, annotations: &Path) -> Result<DetectionSet, Error> {
    read_with(images, annotations, Orientation::default(), &mut Err)
}

/// As [`read`], but `on_error` decides about each image, category or annotation that cannot be used. The annotations of an image
/// that is left out are left out too. Images of unstated size are measured, upright or as stored.
///
/// # Errors
/// As [`read`] for the file; for a record, what `on_error` returns.
pub fn read_with(
    images: &Path,
    annotations: &Path,
    orientation: Orientation,
    on_error: ErrorHandler<'_>,
) -> Result<DetectionSet, Error> {
    let mut file = read_file(annotations, Geometry::Boxes, on_error)?;
    let ids = FileIds::of(&file);
    let mut reader = Reader::new((images, annotations), &ids, orientation, on_error);
    let (classes, class_of) = reader.classes(std::mem::take(&mut file.categories))?;
    let (mut records, record_of) = reader.records(std::mem::take(&mut file.images))?;
    let mut seen = HashSet::with_capacity(file.annotations.len());
    for annotation in file.annotations {
        match placed(&annotation, &ids, &record_of, &class_of) {
            Ok(Some((record, object))) => {
                let record = &mut records[record];
                if annotation.id.clone().is_some_and(|id| !seen.insert(id)) {
                    reader.findings.note(FindingKind::RepeatedAnnotation, &record.file);
                }
                if annotation.category_id.is_quoted() || annotation.image_id.is_quoted() {
                    let name = annotation.id.as_ref().map_or_else(|| annotation.index.to_string(), coco::Id::text);
                    reader.findings.note_text(FindingKind::IdAsText, format!("annotation {name}"));
                }
                if annotation.area.is_none() {
                    reader.findings.note(FindingKind::AreaNotStated, &record.file);
                } else if object.area == 0.0 && object.bbox[2] * object.bbox[3] > 0.0 {
                    reader.findings.note(FindingKind::AreaZero, &record.file);
                }
                record.objects.push(object);
            }
            Ok(None) => {}
            Err(problem) => reader.refuse(problem)?,
        }
    }
    let mut findings = reader.findings;
    for record in &records {
        examine(record, &mut findings);
    }
    Ok(DetectionSet { classes, records, ids, findings })
}

/// The records of a file; those that cannot be used are `on_error`'s.
pub(crate) fn read_file(path: &Path, geometry: Geometry, on_error: ErrorHandler<'_>) -> Result<File, Error> {
    let file = File::read(path, geometry).map_err(|error| match error {
        coco::Error::Io(error) => Error::io("read", path)(error),
        coco::Error::Json { line, column, reason } => Error::Json { path: path.to_path_buf(), line, column, reason },
        coco::Error::Format(reason) => Error::Layout { path: path.to_path_buf(), reason },
    })?;
    for problem in &file.problems {
        on_error(Error::Record { path: path.to_path_buf(), problem: Box::new(problem.clone()) })?;
    }
    Ok(file)
}

/// The index of each image's record, by the image's number; `None` where the image is left out.
pub(crate) type RecordIndices = HashMap<u64, Option<usize>>;

/// Puts a file's images and categories in their order.
pub(crate) struct Reader<'a, 'b> {
    folder: &'a Path,
    file: &'a Path,
    ids: &'a FileIds,
    orientation: Orientation,
    finder: Finder,
    pub(crate) findings: Findings,
    on_error: ErrorHandler<'b>,
}

impl<'a, 'b> Reader<'a, 'b> {
    pub(crate) fn new(
        (folder, file): (&'a Path, &'a Path),
        ids: &'a FileIds,
        orientation: Orientation,
        on_error: ErrorHandler<'b>,
    ) -> Reader<'a, 'b> {
        Reader { folder, file, ids, orientation, finder: Finder::default(), findings: Findings::default(), on_error }
    }

    pub(crate) fn refuse(&mut self, problem: Problem) -> Result<(), Error> {
        (self.on_error)(Error::Record { path: self.file.to_path_buf(), problem: Box::new(problem) })
    }

    /// The classes by number, and the index of each.
    pub(crate) fn classes(&mut self, categories: Vec<Category>) -> Result<(Vec<Class>, HashMap<u64, usize>), Error> {
        if categories.is_empty() {
            return Err(Error::Empty { path: self.file.to_path_buf(), what: "categories" });
        }
        let mut numbered = numbered(categories, |category| self.ids.categories.number(&category.id));
        numbered.sort_by_key(|(number, _)| *number);
        let mut indices: HashMap<u64, usize> = HashMap::with_capacity(numbered.len());
        let mut names = HashSet::with_capacity(numbered.len());
        let mut classes: Vec<Class> = Vec::with_capacity(numbered.len());
        for (id, Category { index, id: written, name }) in numbered {
            match indices.entry(id) {
                Entry::Occupied(first) if classes[*first.get()].name == name => {
                    self.findings.note(FindingKind::RepeatedName, Path::new(&name));
                }
                Entry::Occupied(_) => self.refuse(repeated(RecordKind::Category, index, written))?,
                Entry::Vacant(entry) => {
                    entry.insert(classes.len());
                    if !names.insert(name.clone()) {
                        self.findings.note(FindingKind::RepeatedName, Path::new(&name));
                    }
                    classes.push(Class { id, name });
                }
            }
        }
        Ok((classes, indices))
    }

    /// The images by number, and the index of each.
    pub(crate) fn records(&mut self, images: Vec<Image>) -> Result<(Vec<Record>, RecordIndices), Error> {
        if images.is_empty() {
            return Err(Error::Empty { path: self.file.to_path_buf(), what: "images" });
        }
        let mut numbered = numbered(images, |image| self.ids.images.number(&image.id));
        numbered.sort_by_key(|(number, _)| *number);
        let mut indices = HashMap::with_capacity(numbered.len());
        let mut records: Vec<Record> = Vec::with_capacity(numbered.len());
        let mut first: Option<(u64, Image)> = None;
        for (image_id, image) in numbered {
            if let Some((_, first)) = first.as_ref().filter(|(number, _)| *number == image_id) {
                let alike = |image: &Image| (image.file_name.clone(), image.width, image.height);
                if alike(first) == alike(&image) {
                    let name = match &image.file_name {
                        FileName::Stated(name) | FileName::InUrl(name) | FileName::Unusable(name) => Path::new(name),
                    };
                    self.findings.note(FindingKind::RepeatedImage, name);
                } else {
                    self.refuse(repeated(RecordKind::Image, image.index, image.id))?;
                }
                continue;
            }
            indices.insert(image_id, None);
            match self.record(image_id, &image) {
                Ok(record) => {
                    indices.insert(image_id, Some(records.len()));
                    records.push(record);
                }
                Err(error) => (self.on_error)(error)?,
            }
            first = Some((image_id, image));
        }
        Ok((records, indices))
    }

    fn record(&mut self, image_id: u64, image: &Image) -> Result<Record, Error> {
        let refused = |reason: String| {
            let (index, id) = (image.index, Some(image.id.clone()));
            let problem = Problem { record: RecordKind::Image, index, id, image: None, field: "file_name", reason };
            Error::Record { path: self.file.to_path_buf(), problem: Box::new(problem) }
        };
        let name = match &image.file_name {
            FileName::Stated(name) | FileName::InUrl(name) => name,
            FileName::Unusable(reason) => return Err(refused(reason.clone())),
        };
        // `images` may be COCO's root, as in detectron2, or the folder of one of its splits.
        let name = match (&image.file_name, name.rsplit_once('/')) {
            (FileName::InUrl(_), Some((split, last))) if !self.folder.join(split).is_dir() => last,
            _ => name,
        };
        let path = match self.finder.file(self.folder, name, &mut self.findings) {
            Ok(path) => path,
            // The image is missing, which its first reader says.
            Err(_) if is_inside(Path::new(name)) => self.folder.join(name),
            Err(_) => return Err(refused(format!("is {name:?}, which leaves the image folder"))),
        };
        let size = stated_or_measured((image.width, image.height), &path, self.orientation, &mut self.findings)?;
        Ok(Record { image_id, file: path, width: size.width, height: size.height, objects: Vec::new() })
    }
}

/// Every record has a number: they are those that were numbered.
fn numbered<T>(records: Vec<T>, number: impl Fn(&T) -> Option<u64>) -> Vec<(u64, T)> {
    records.into_iter().filter_map(|record| Some((number(&record)?, record))).collect()
}

fn repeated(record: RecordKind, index: usize, id: coco::Id) -> Problem {
    let reason = format!("is that of an earlier {record}, which is another");
    Problem { record, index, id: Some(id), image: None, field: "id", reason }
}

/// The index of an annotation's record, `None` where its image is left out, and that of its class.
pub(crate) fn place(
    annotation: &Annotation,
    ids: &FileIds,
    record_of: &RecordIndices,
    class_of: &HashMap<u64, usize>,
) -> Result<(Option<usize>, usize), Problem> {
    let wrong = |field, reason| Problem {
        record: RecordKind::Annotation,
        index: annotation.index,
        id: annotation.id.clone(),
        image: Some(annotation.image_id.clone()),
        field,
        reason,
    };
    let record = ids.images.number(&annotation.image_id).and_then(|number| record_of.get(&number));
    let &record = record.ok_or_else(|| wrong("image_id", "is not the id of an image in the file".to_owned()))?;
    let class = ids.categories.number(&annotation.category_id).and_then(|number| class_of.get(&number));
    let &class = class.ok_or_else(|| {
        wrong("category_id", format!("is {}, which is not the id of a category in the file", annotation.category_id))
    })?;
    Ok((record, class))
}

/// The object with the index of its record; `None` where its image is left out.
fn placed(
    annotation: &Annotation,
    ids: &FileIds,
    record_of: &RecordIndices,
    class_of: &HashMap<u64, usize>,
) -> Result<Option<(usize, Object)>, Problem> {
    let (record, class) = place(annotation, ids, record_of, class_of)?;
    let Some((record, bbox)) = record.zip(annotation.bbox) else { return Ok(None) };
    let area = annotation.area.unwrap_or(bbox[2] * bbox[3]);
    Ok(Some((record, Object { class, bbox, area, crowd: annotation.crowd, difficult: false })))
}
