//! YOLO text labels as a [`DetectionSet`]: the `data.yaml` of ultralytics and Roboflow, darknet's folders, or a folder of images
//! alone.
//!
//! An image's labels are in a text file of its name, in the folder `labels` beside the folder `images`, or beside the image. A line
//! is `class x y width height` (the centre, all relative to the image), or a class and the corners of a polygon, whose bounds are
//! the box, as in ultralytics. An image without a label file has no objects. Two equal lines are one object.

mod data_file;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use annotation_files::coco::FileIds;
use annotation_files::text;

use crate::annotations::{Class, DetectionSet, Object, Record, examine};
use crate::finder::Finder;
use crate::findings::Findings;
use crate::folder::images_below;
use crate::image::{Image, Orientation, Size};
use crate::lists::lines;
use crate::voc::entries;
use crate::{Error, ErrorHandler};

pub use data_file::DataFile;

/// Files of class names that tools write beside the labels.
const NAMES: [&str; 4] = ["classes.txt", "obj.names", "_darknet.labels", "names.txt"];

/// Where a YOLO set has its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Folders of images, or lists of images (`.txt`).
    pub images: Vec<PathBuf>,
    /// The folder of labels, where it is neither that of the images nor `labels` in place of `images`.
    pub labels: Option<PathBuf>,
    /// The names of the classes in the order of their indices; from a file of names beside the labels where not given.
    pub names: Option<Vec<String>>,
}

/// Reads a split. Images are measured, upright or as stored.
///
/// # Errors
/// [`Error::Io`], [`Error::Empty`] where there is no image, [`Error::Layout`] where the classes have no names. What `on_error`
/// returns of [`Error::ImageMissing`] and [`Error::Decode`] for an image, and of [`Error::ImageList`] with the line for an object
/// that cannot be used.
pub fn read(layout: &Layout, orientation: Orientation, on_error: ErrorHandler<'_>) -> Result<DetectionSet, Error> {
    let mut findings = Findings::default();
    let images = images(&layout.images, &mut findings, on_error)?;
    let names = match &layout.names {
        Some(names) => names.clone(),
        None => names_beside(layout, &images)?,
    };
    let mut records = Vec::with_capacity(images.len());
    for (image_id, file) in (1..).zip(images) {
        let size = match Image::measure(&file, orientation) {
            Ok(size) => size,
            Err(error) => {
                on_error(error)?;
                continue;
            }
        };
        let labels = labels_of(&file, layout);
        let objects = match labels.is_file() {
            true => objects(&labels, size, names.len(), on_error)?,
            false => Vec::new(),
        };
        let record = Record { image_id, file, width: size.width, height: size.height, objects };
        examine(&record, &mut findings);
        records.push(record);
    }
    Ok(DetectionSet { classes: Class::numbered(0, names), records, ids: FileIds::default(), findings })
}

/// The images of folders and lists.
fn images(sources: &[PathBuf], findings: &mut Findings, on_error: ErrorHandler<'_>) -> Result<Vec<PathBuf>, Error> {
    let mut images = Vec::new();
    for source in sources {
        if source.is_dir() {
            // Labels beside the images are expected.
            images.extend(images_below(source, &mut Findings::default())?);
            continue;
        }
        let folder = source.parent().unwrap_or(Path::new(""));
        let mut finder = Finder::default();
        for entry in entries(source, findings, on_error)? {
            let absolute = PathBuf::from(&entry.name);
            let found = match absolute.is_absolute() && absolute.is_file() {
                true => Ok(absolute),
                false => finder.image(folder, &entry.name, findings),
            };
            match found {
                Ok(image) => images.push(image),
                Err(error) => on_error(error)?,
            }
        }
    }
    match (images.is_empty(), sources.first()) {
        (true, Some(source)) => Err(Error::Empty { path: source.clone(), what: "images" }),
        _ => Ok(images),
    }
}

/// The label file of an image: in the given folder, in `labels` in place of the last `images`, or beside it.
fn labels_of(image: &Path, layout: &Layout) -> PathBuf {
    if let Some(labels) = &layout.labels {
        let root = layout.images.iter().find(|root| image.starts_with(root));
        let below = root.and_then(|root| image.strip_prefix(root).ok()).or(image.file_name().map(Path::new));
        return labels.join(below.unwrap_or(image)).with_extension("txt");
    }
    let parts: Vec<_> = image.components().collect();
    let last = parts.iter().rposition(|part| part.as_os_str().eq_ignore_ascii_case("images"));
    let replaced = last.map(|last| {
        let path: PathBuf = (0..parts.len())
            .map(|place| if place == last { "labels".as_ref() } else { parts[place].as_os_str() })
            .collect();
        path.with_extension("txt")
    });
    replaced.filter(|path| path.parent().is_some_and(Path::is_dir)).unwrap_or_else(|| image.with_extension("txt"))
}

/// The classes that a file beside the labels names.
fn names_beside(layout: &Layout, images: &[PathBuf]) -> Result<Vec<String>, Error> {
    let image = images.first().map_or(Path::new(""), PathBuf::as_path);
    let labels = labels_of(image, layout);
    let folders = labels.ancestors().skip(1).take(3).chain(image.ancestors().skip(1).take(3));
    let mut candidates = folders.flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let Some(file) = candidates.find(|file| file.is_file()) else {
        let reason = "nothing says what the classes are called: add names: [...], or data: with the set's data.yaml";
        return Err(Error::Layout { path: labels, reason: reason.to_owned() });
    };
    let text = text::read(&file).map_err(Error::io("read", &file))?;
    Ok(lines(&text.content).map(|(_, name)| name.to_owned()).collect())
}

fn objects(path: &Path, size: Size, classes: usize, on_error: ErrorHandler<'_>) -> Result<Vec<Object>, Error> {
    let text = text::read(path).map_err(Error::io("read", path))?.content;
    let (mut objects, mut seen) = (Vec::new(), HashSet::new());
    for (line, text) in lines(&text) {
        match object(text, size, classes) {
            Ok(object) if seen.insert(text.to_owned()) => objects.push(object),
            Ok(_) => {}
            Err(reason) => on_error(Error::ImageList { path: path.to_path_buf(), line, reason })?,
        }
    }
    Ok(objects)
}

/// # Errors
/// What is wrong with the line.
fn object(line: &str, size: Size, classes: usize) -> Result<Object, String> {
    let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
    let numbers = numbers.map_err(|_| format!("{line:?} is not a class and numbers"))?;
    let [class, rest @ ..] = &numbers[..] else { return Err("the line is empty".to_owned()) };
    if class.fract() != 0.0 || !(0.0..classes as f64).contains(class) {
        return Err(format!("class {class} is not an index from 0 to {}", classes.saturating_sub(1)));
    }
    if let Some(outside) = rest.iter().find(|number| !(-0.01..=1.01).contains(*number)) {
        return Err(format!(
            "{outside} is not a number from 0 to 1; are these pixels? YOLO's are relative to the image"
        ));
    }
    let [left, top, right, bottom] = match rest {
        [x, y, width, height] => [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0],
        polygon if polygon.len() >= 6 && polygon.len().is_multiple_of(2) => bounds(polygon),
        other => return Err(format!("{} numbers after the class are neither a box nor a polygon", other.len())),
    };
    let [width, height] = [size.width as f64, size.height as f64];
    let bbox = [left * width, top * height, (right - left) * width, (bottom - top) * height];
    Ok(Object { class: *class as usize, bbox, area: bbox[2] * bbox[3], crowd: false, difficult: false })
}

fn bounds(polygon: &[f64]) -> [f64; 4] {
    polygon.chunks_exact(2).fold(
        [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY],
        |bounds, point| {
            let [left, top, right, bottom] = bounds;
            [left.min(point[0]), top.min(point[1]), right.max(point[0]), bottom.max(point[1])]
        },
    )
}
