//! A PASCAL VOC devkit folder (`JPEGImages`, `Annotations`, `ImageSets/Main`) as a [`DetectionSet`].
//!
//! VOC counts pixels from one and includes the last: counted from zero with the end excluded, a box `xmin, ymin, xmax, ymax`
//! covers `xmin - 1 .. xmax` by `ymin - 1 .. ymax`, as in detectron2. (torchvision's reference takes the four numbers as they
//! are, one pixel less at the upper left.) A box whose corners coincide on an axis, or are swapped, has no extent there: the
//! rule would give it one pixel, but it is an annotator's mistake.
//!
//! Image ids are the indices in the split, from one. Coordinates may have fractions. A document type declaration, and so every
//! entity that it would define, is refused.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use roxmltree::{Document, Node};

use crate::annotations::{Class, DetectionSet, Object, Record, examine, stated_or_measured};
use crate::findings::Findings;
use crate::lists::image_ids;
use crate::{Error, ErrorHandler};

pub use crate::annotations::Classes;

const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "JPG", "JPEG", "PNG"];

/// Reads the images that `ImageSets/Main/<split>.txt` under `root` lists.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read, [`Error::Xml`] with its line where an annotation is malformed, lacks a field
/// or has a class that was not given, [`Error::ImageList`] for a name that is listed twice or leaves the folder,
/// [`Error::ImageMissing`] for an image that does not exist, [`Error::Empty`] for a split without images or objects.
pub fn read(root: &Path, split: &str, classes: Classes<'_>) -> Result<DetectionSet, Error> {
    read_with(root, split, classes, &mut Err)
}

/// As [`read`], but `on_error` decides about each line of the list and each annotation that cannot be used.
///
/// # Errors
/// As [`read`] for the split; for an image, what `on_error` returns.
pub fn read_with(
    root: &Path,
    split: &str,
    classes: Classes<'_>,
    on_error: ErrorHandler<'_>,
) -> Result<DetectionSet, Error> {
    let list = root.join("ImageSets/Main").join(format!("{split}.txt"));
    let mut findings = Findings::default();
    let mut annotations = Vec::new();
    for (image_id, id) in (1..).zip(image_ids(&list, on_error)?) {
        match annotation(root, &id, image_id, &mut findings) {
            Ok(annotation) => annotations.push(annotation),
            Err(error) => on_error(error)?,
        }
    }
    let names = match classes {
        Classes::Given(names) => names.to_vec(),
        Classes::Collected => collected(&annotations),
    };
    if names.is_empty() {
        return Err(Error::Empty { path: list, what: "classes" });
    }
    let class_of: HashMap<&str, usize> = names.iter().enumerate().map(|(class, name)| (name.as_str(), class)).collect();
    let mut records = Vec::with_capacity(annotations.len());
    for annotation in annotations {
        match annotation.into_record(&class_of) {
            Ok(record) => {
                examine(&record, &mut findings);
                records.push(record);
            }
            Err(error) => on_error(error)?,
        }
    }
    Ok(DetectionSet { classes: Class::numbered(1, names), records, findings })
}

struct Annotation {
    xml: PathBuf,
    record: Record,
    names: Vec<(String, u32)>,
}

impl Annotation {
    fn into_record(mut self, class_of: &HashMap<&str, usize>) -> Result<Record, Error> {
        for (object, (name, line)) in self.record.objects.iter_mut().zip(self.names) {
            object.class = *class_of.get(name.as_str()).ok_or_else(|| Error::Xml {
                path: self.xml.clone(),
                line,
                reason: format!("class {name:?} is not among the set's classes"),
            })?;
        }
        Ok(self.record)
    }
}

fn collected(annotations: &[Annotation]) -> Vec<String> {
    let names: BTreeSet<&String> = annotations.iter().flat_map(|a| a.names.iter().map(|(name, _)| name)).collect();
    names.into_iter().cloned().collect()
}

fn annotation(root: &Path, id: &str, image_id: u64, findings: &mut Findings) -> Result<Annotation, Error> {
    let xml = root.join("Annotations").join(format!("{id}.xml"));
    let text = fs::read_to_string(&xml).map_err(Error::io("read", &xml))?;
    let document = Document::parse(&text).map_err(|error| Error::Xml {
        path: xml.clone(),
        line: error.pos().row,
        reason: error.to_string(),
    })?;
    let source = Source { document: &document, xml: &xml };
    let annotation = document.root_element();
    let file = image_file(root, id)?;
    let size = match child(annotation, "size") {
        Some(size) => (source.optional(size, "width")?, source.optional(size, "height")?),
        None => (None, None),
    };
    let size = stated_or_measured(size.0, size.1, &file, findings)?;
    let mut names = Vec::new();
    let mut objects = Vec::new();
    for node in annotation.children().filter(|node| node.has_tag_name("object")) {
        names.push((source.required::<String>(node, "name")?, source.line(node)));
        objects.push(object(&source, node)?);
    }
    let record = Record { image_id, file, width: size.width, height: size.height, objects };
    Ok(Annotation { xml, record, names })
}

fn object(source: &Source<'_, '_>, node: Node<'_, '_>) -> Result<Object, Error> {
    let bndbox = child(node, "bndbox").ok_or_else(|| source.error(node, "the object has no <bndbox>".to_owned()))?;
    let corner = |name| match source.required::<f64>(bndbox, name) {
        Ok(value) if !value.is_finite() => Err(source.error(bndbox, format!("<{name}> is not finite"))),
        corner => corner,
    };
    let (left, top, right, bottom) = (corner("xmin")?, corner("ymin")?, corner("xmax")?, corner("ymax")?);
    let extent = |first: f64, last: f64| if last > first { last - first + 1.0 } else { 0.0 };
    let bbox = [left - 1.0, top - 1.0, extent(left, right), extent(top, bottom)];
    let area = bbox[2] * bbox[3];
    if !area.is_finite() {
        return Err(source.error(bndbox, "the area of the box is not finite".to_owned()));
    }
    let difficult = match source.optional::<u8>(node, "difficult")? {
        None | Some(0) => false,
        Some(1) => true,
        Some(other) => return Err(source.error(node, format!("<difficult> is {other} instead of 0 or 1"))),
    };
    Ok(Object { class: 0, bbox, area, crowd: false, difficult })
}

pub(crate) fn image_file(root: &Path, id: &str) -> Result<PathBuf, Error> {
    let folder = root.join("JPEGImages");
    let path = |extension: &str| folder.join(format!("{id}.{extension}"));
    EXTENSIONS.iter().map(|extension| path(extension)).find(|path| path.is_file()).ok_or_else(|| Error::ImageMissing {
        id: id.to_owned(),
        path: path(EXTENSIONS[0]),
        extensions: EXTENSIONS.join(", "),
    })
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The document and its file, for the place in errors.
struct Source<'a, 'input> {
    document: &'a Document<'input>,
    xml: &'a Path,
}

impl Source<'_, '_> {
    fn line(&self, node: Node<'_, '_>) -> u32 {
        self.document.text_pos_at(node.range().start).row
    }

    fn error(&self, node: Node<'_, '_>, reason: String) -> Error {
        Error::Xml { path: self.xml.to_path_buf(), line: self.line(node), reason }
    }

    fn optional<T: FromStr>(&self, parent: Node<'_, '_>, name: &str) -> Result<Option<T>, Error> {
        let Some(node) = child(parent, name) else { return Ok(None) };
        let text = node.text().unwrap_or_default().trim();
        if text.is_empty() {
            return Err(self.error(node, format!("<{name}> is empty")));
        }
        text.parse().map(Some).map_err(|_| self.error(node, format!("<{name}> is {text:?}, which is not a number")))
    }

    fn required<T: FromStr>(&self, parent: Node<'_, '_>, name: &str) -> Result<T, Error> {
        let parent_name = parent.tag_name().name();
        self.optional(parent, name)?.ok_or_else(|| self.error(parent, format!("<{parent_name}> has no <{name}>")))
    }
}
