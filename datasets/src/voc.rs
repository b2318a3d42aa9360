//! PASCAL VOC's XML files as a [`DetectionSet`], in a devkit folder or wherever the tools put them.
//!
//! VOC counts pixels from one and includes the last: counted from zero with the end excluded, a box `xmin, ymin, xmax, ymax`
//! covers `xmin - 1 .. xmax` by `ymin - 1 .. ymax`, as in detectron2. (torchvision's reference takes the four numbers as they
//! are, one pixel less at the upper left.) A box whose corners coincide on an axis, or are swapped, has no extent there: the
//! rule would give it one pixel, but it is an annotator's mistake.
//!
//! Image ids are the indices in the split, from one. Coordinates may have fractions. A document type declaration, and so every
//! entity that it would define, is refused.

mod layout;
mod xml;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use annotation_files::coco::FileIds;

use crate::annotations::{Class, DetectionSet, Record, examine, stated_or_measured};
use crate::finder::Finder;
use crate::findings::Findings;
use crate::image::Orientation;
use crate::{Error, ErrorHandler};
use layout::Places;
use xml::Annotation;

pub use crate::annotations::Classes;
pub use layout::Layout;
pub(crate) use layout::{Entry, entries};

/// Reads the images that `ImageSets/Main/<split>.txt` under `root` lists.
///
/// # Errors
/// As [`read_with`], at the first record that cannot be used.
pub fn read(root: &Path, split: &str, classes: Classes<'_>) -> Result<DetectionSet, Error> {
    read_with(&Layout::devkit(root, split), classes, Orientation::default(), &mut Err)
}

/// Reads the annotations of the images that `ImageSets/Main/<split>.txt` under `root` lists, to score predictions: an image needs
/// not be there where its annotation states its size, and has the annotation's name then.
///
/// # Errors
/// As [`read`].
pub fn read_annotations(root: &Path, split: &str, classes: Classes<'_>) -> Result<DetectionSet, Error> {
    let layout = Layout::devkit(root, split);
    read_records(&layout, classes, Images::Optional, Orientation::default(), &mut Err)
}

/// Reads a split; images whose size is not stated are measured, upright or as stored. `on_error` decides about each line of the
/// list, each annotation and each object that cannot be used.
///
/// # Errors
/// [`Error::Io`] where the list cannot be read, [`Error::Layout`] where there are no annotations, [`Error::Empty`] for a split
/// without images or objects. What `on_error` returns of [`Error::ImageList`] for a name that is listed twice,
/// [`Error::ImageMissing`] for an image or annotation that does not exist, [`Error::Xml`] with its line where an annotation or
/// object is malformed, lacks a field or has a class that was not given.
pub fn read_with(
    layout: &Layout,
    classes: Classes<'_>,
    orientation: Orientation,
    on_error: ErrorHandler<'_>,
) -> Result<DetectionSet, Error> {
    read_records(layout, classes, Images::Required, orientation, on_error)
}

/// Whether a record may be without its image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Images {
    Required,
    /// Where the annotation states the image's size.
    Optional,
}

fn read_records(
    layout: &Layout,
    classes: Classes<'_>,
    images: Images,
    orientation: Orientation,
    on_error: ErrorHandler<'_>,
) -> Result<DetectionSet, Error> {
    let mut findings = Findings::default();
    let mut finder = Finder::default();
    let places = layout.resolve(&mut findings)?;
    let mut annotations = Vec::new();
    for (image_id, xml) in (1..).zip(places.annotation_files(&mut finder, &mut findings, on_error)?) {
        match annotation(&xml, (&places, images), (&mut finder, &mut findings), orientation, on_error) {
            Ok((annotation, mut record)) => {
                record.image_id = image_id;
                annotations.push((xml, annotation, record));
            }
            Err(error) => on_error(error)?,
        }
    }
    let names = match classes {
        Classes::Given(names) => names.to_vec(),
        Classes::Collected => collected(annotations.iter().map(|(_, annotation, _)| annotation)),
    };
    if names.is_empty() {
        return Err(Error::Empty { path: places.origin().to_path_buf(), what: "classes" });
    }
    let class_of: HashMap<&str, usize> = names.iter().enumerate().map(|(class, name)| (name.as_str(), class)).collect();
    let mut records = Vec::with_capacity(annotations.len());
    for (path, annotation, mut record) in annotations {
        for (mut object, name, line) in annotation.objects {
            match class_of.get(name.as_str()) {
                Some(&class) => {
                    object.class = class;
                    record.objects.push(object);
                }
                None => {
                    let reason = format!("class {name:?} is not among the set's classes");
                    on_error(Error::Xml { path: path.clone(), line, reason })?;
                }
            }
        }
        examine(&record, &mut findings);
        records.push(record);
    }
    Ok(DetectionSet { classes: Class::numbered(1, names), records, ids: FileIds::default(), findings })
}

fn collected<'a>(annotations: impl Iterator<Item = &'a Annotation>) -> Vec<String> {
    let names: BTreeSet<&String> = annotations.flat_map(|a| a.objects.iter().map(|(_, name, _)| name)).collect();
    names.into_iter().cloned().collect()
}

/// An annotation file, and its image's record without the objects.
fn annotation(
    xml: &Path,
    (places, images): (&Places, Images),
    (finder, findings): (&mut Finder, &mut Findings),
    orientation: Orientation,
    on_error: ErrorHandler<'_>,
) -> Result<(Annotation, Record), Error> {
    let annotation = Annotation::read(xml, findings, on_error)?;
    let name = places.name_of(xml);
    let found = image_of(&name, annotation.filename.as_deref(), &places.images, finder, findings);
    let is_stated = annotation.width.is_some() && annotation.height.is_some();
    let file = match found {
        Err(Error::ImageMissing { .. }) if images == Images::Optional && is_stated => {
            places.images.join(format!("{name}.jpg"))
        }
        found => found?,
    };
    let size = stated_or_measured((annotation.width, annotation.height), &file, orientation, findings)?;
    Ok((annotation, Record { image_id: 0, file, width: size.width, height: size.height, objects: Vec::new() }))
}

/// The image with the name of its annotation file, or else with the name that the annotation states.
fn image_of(
    name: &str,
    stated: Option<&str>,
    images: &Path,
    finder: &mut Finder,
    findings: &mut Findings,
) -> Result<PathBuf, Error> {
    finder.image(images, name, findings).or_else(|error| match stated {
        Some(name) => finder.image(images, name, findings).map_err(|_| error),
        None => Err(error),
    })
}
