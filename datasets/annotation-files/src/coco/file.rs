//! The annotation file: images, categories and annotations.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{self, Error};
use super::field::{Element, Key, List, Scalar, bbox, flag, side};
use super::id::Id;
use super::mask::Mask;
use super::problem::{Problem, RecordKind};

const EXPECTED: &str = "a COCO annotation file, an object with images, categories and annotations";
const LISTS: [&str; 3] = ["images", "categories", "annotations"];
const IMAGE: [&str; 5] = ["id", "file_name", "coco_url", "width", "height"];
const CATEGORY: [&str; 2] = ["id", "name"];
const ANNOTATION: [&str; 7] = ["id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"];

/// What an annotation has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Geometry {
    /// A box; masks are not read.
    Boxes,
    /// A mask in a known form, or none; a box may be missing.
    Masks,
}

/// The records of a file, in its order. References are not resolved: an annotation's image may not be listed.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// The images with an id.
    pub images: Vec<Image>,
    /// The categories with an id.
    pub categories: Vec<Category>,
    /// The annotations that can be used.
    pub annotations: Vec<Annotation>,
    /// The records that cannot: images, categories, annotations.
    pub problems: Vec<Problem>,
}

/// An image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The place in the list, from 0.
    pub index: usize,
    /// The id.
    pub id: Id,
    /// The name of its file.
    pub file_name: FileName,
    /// Pixels; `None` where it is not stated.
    pub width: Option<usize>,
    /// Pixels; `None` where it is not stated.
    pub height: Option<usize>,
}

/// Where an image's file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileName {
    /// `file_name` as written.
    Stated(String),
    /// The last two components of `coco_url`, `train2017/000000391895.jpg`, which LVIS has in its place.
    InUrl(String),
    /// Neither can be used: the rest of a sentence about `file_name`.
    Unusable(String),
}

/// A category.
#[derive(Debug, Clone)]
pub struct Category {
    /// The place in the list, from 0.
    pub index: usize,
    /// The id.
    pub id: Id,
    /// The name; the id where none is stated.
    pub name: String,
}

/// An annotation.
#[derive(Debug, Clone)]
pub struct Annotation {
    /// The place in the list, from 0.
    pub index: usize,
    /// The id; nothing refers to it.
    pub id: Option<Id>,
    /// The image's id.
    pub image_id: Id,
    /// The category's id.
    pub category_id: Id,
    /// x, y, width, height in pixels, all finite; `None` with [`Geometry::Masks`] only.
    pub bbox: Option<[f64; 4]>,
    /// Square pixels, finite; `None` where it is not stated.
    pub area: Option<f64>,
    /// Whether it is a region of many objects.
    pub crowd: bool,
    /// With [`Geometry::Masks`] only.
    pub mask: Option<Box<Mask>>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Json`] where it is malformed, cut short or lacks one of the three lists,
    /// [`Error::Format`] where it is no JSON object.
    pub fn read(path: &Path, geometry: Geometry) -> Result<File, Error> {
        document::read(path, EXPECTED, b'{', |text| {
            let mut parser = serde_json::Deserializer::from_str(text);
            let file = Root(geometry).deserialize(&mut parser)?;
            parser.end()?;
            Ok(file)
        })
    }
}

struct Root(Geometry);

impl<'de> DeserializeSeed<'de> for Root {
    type Value = File;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<File, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut images = Records::new("images", RecordKind::Image);
        let mut categories = Records::new("categories", RecordKind::Category);
        let mut annotations = Records::new("annotations", RecordKind::Annotation);
        while let Some(key) = map.next_key_seed(Key(&LISTS))? {
            match key {
                Some(0) => map.next_value_seed(images.reader(&IMAGE, image))?,
                Some(1) => map.next_value_seed(categories.reader(&CATEGORY, category))?,
                Some(_) => {
                    let read = |index, fields: &_| annotation(index, fields, self.0);
                    map.next_value_seed(annotations.reader(&ANNOTATION, read))?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let (images, mut problems) = images.finish()?;
        let (annotations, of_annotations) = annotations.finish()?;
        let (categories, of_categories) = categories.finish()?;
        problems.extend(of_categories);
        problems.extend(of_annotations);
        Ok(File { images, categories, annotations, problems })
    }
}

/// The records of one list.
pub(super) struct Records<T> {
    name: &'static str,
    kind: RecordKind,
    /// `None` before the list is read.
    records: Option<Vec<T>>,
    problems: Vec<Problem>,
}

impl<T> Records<T> {
    pub(super) fn new(name: &'static str, kind: RecordKind) -> Records<T> {
        Records { name, kind, records: None, problems: Vec::new() }
    }

    /// Reads the list, in place of one that was read before.
    pub(super) fn reader<'a, 'de: 'a, const N: usize>(
        &'a mut self,
        keys: &'static [&'static str; N],
        read: impl Fn(usize, &[Option<&'de RawValue>; N]) -> Result<T, Problem> + 'a,
    ) -> List<impl FnMut(usize, Element<'de, N>) + 'a, N> {
        self.problems.clear();
        let (kind, problems) = (self.kind, &mut self.problems);
        let records = self.records.insert(Vec::new());
        let each = move |index, element: Element<'de, N>| {
            let record = match element {
                Ok(fields) => read(index, &fields),
                Err(words) => Err(problem(kind, index, "", words)),
            };
            match record {
                Ok(record) => records.push(record),
                Err(problem) => problems.push(problem),
            }
        };
        List { name: self.name, keys, each }
    }

    pub(super) fn finish<E: serde::de::Error>(self) -> Result<(Vec<T>, Vec<Problem>), E> {
        let records = self.records.ok_or_else(|| E::missing_field(self.name))?;
        Ok((records, self.problems))
    }
}

/// A problem of a record of which nothing else is known.
pub(super) fn problem(record: RecordKind, index: usize, field: &'static str, reason: impl Into<String>) -> Problem {
    Problem { record, index, id: None, image: None, field, reason: reason.into() }
}

fn image(index: usize, fields: &[Option<&RawValue>; 5]) -> Result<Image, Problem> {
    let [id, file_name, coco_url, width, height] = *fields;
    let id = Id::read(&Scalar::of(id)).map_err(|words| problem(RecordKind::Image, index, "id", words))?;
    Ok(Image { index, id, file_name: name_of_file(file_name, coco_url), width: side(width), height: side(height) })
}

fn name_of_file(file_name: Option<&RawValue>, coco_url: Option<&RawValue>) -> FileName {
    match (Scalar::of(file_name), Scalar::of(coco_url)) {
        (Scalar::Text(name), _) => FileName::Stated(name.into_owned()),
        (Scalar::Missing | Scalar::Null, Scalar::Text(url)) => {
            let mut components = url.rsplit('/');
            match (components.next(), components.next()) {
                (Some(name), Some(folder)) if !folder.is_empty() => FileName::InUrl(format!("{folder}/{name}")),
                _ => FileName::InUrl(url.into_owned()),
            }
        }
        (name, _) => FileName::Unusable(name.describe()),
    }
}

fn category(index: usize, fields: &[Option<&RawValue>; 2]) -> Result<Category, Problem> {
    let [id, name] = *fields;
    let id = Id::read(&Scalar::of(id)).map_err(|words| problem(RecordKind::Category, index, "id", words))?;
    let name = match Scalar::of(name) {
        Scalar::Text(name) => name.into_owned(),
        Scalar::Number(number) => number.to_owned(),
        Scalar::Boolean(boolean) => boolean.to_string(),
        Scalar::Missing | Scalar::Null | Scalar::List | Scalar::Object => id.text(),
    };
    Ok(Category { index, id, name })
}

fn annotation(index: usize, fields: &[Option<&RawValue>; 7], geometry: Geometry) -> Result<Annotation, Problem> {
    let [id, image_id, category_id, raw_bbox, area, iscrowd, segmentation] = *fields;
    let id = Id::read(&Scalar::of(id)).ok();
    let image = Id::read(&Scalar::of(image_id));
    let known = image.as_ref().ok().cloned();
    let wrong = |field, reason| Problem {
        id: id.clone(),
        image: known.clone(),
        ..problem(RecordKind::Annotation, index, field, reason)
    };
    let image_id = image.map_err(|reason| wrong("image_id", reason))?;
    let category_id = Id::read(&Scalar::of(category_id)).map_err(|reason| wrong("category_id", reason))?;
    let (bbox, mask) = match geometry {
        Geometry::Boxes => (Some(bbox(raw_bbox).map_err(|reason| wrong("bbox", reason))?), None),
        Geometry::Masks => {
            let mask = Mask::read(segmentation).map_err(|reason| wrong("segmentation", reason))?;
            (bbox(raw_bbox).ok(), mask.map(Box::new))
        }
    };
    let area_of = Scalar::of(area);
    // -1 is what programs write for an area that they do not know.
    let area = area_of.float().map_err(|reason| wrong("area", reason))?.filter(|&area| area != -1.0);
    if area.is_some_and(f64::is_infinite) {
        return Err(wrong("area", area_of.describe()));
    }
    if bbox.is_some_and(|bbox| area.is_none() && !(bbox[2] * bbox[3]).is_finite()) {
        return Err(wrong("bbox", "has an area that is not finite".to_owned()));
    }
    let crowd = flag(iscrowd).map_err(|reason| wrong("iscrowd", reason))?;
    Ok(Annotation { index, id, image_id, category_id, bbox, area, crowd, mask })
}
