//! Masks of a PASCAL VOC devkit (`JPEGImages`, `SegmentationClass`, `ImageSets/Segmentation`): background 0, classes from 1,
//! void 255.

use std::collections::BTreeMap;
use std::path::Path;

use super::colours::Colours;
use super::{LabelMap, SegmentationRecord, SegmentationSet};
use crate::annotations::Class;
use crate::finder::Finder;
use crate::findings::Findings;
use crate::lists::without_ending;
use crate::voc::{Entry, entries};
use crate::{Error, ErrorHandler};

/// The class of pixels outside all objects.
pub const BACKGROUND: &str = "background";
/// The void label.
pub const IGNORE: u8 = 255;
/// The challenge's classes, after the background.
pub const CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// Reads the images that `ImageSets/Segmentation/<split>.txt` under `root` lists.
///
/// The classes are VOC's 20, or those given; background comes first and does not have to be named.
///
/// # Errors
/// [`Error::Io`] where the list cannot be read, [`Error::ImageList`] for a name that is listed twice or leaves the folder,
/// [`Error::ImageMissing`] for an image or a mask that does not exist, [`Error::Empty`] for a split
/// without images, [`Error::Setting`] for more than 254 classes. The masks themselves are read later, with their samples.
pub fn read(root: &Path, split: &str, classes: Option<&[String]>) -> Result<SegmentationSet, Error> {
    let list = root.join("ImageSets/Segmentation").join(format!("{split}.txt"));
    read_with(root, &list, classes, &mut Err)
}

/// As [`read`] for any list, and `on_error` decides about each of its lines that cannot be used.
///
/// # Errors
/// As [`read`] for the split; for a line, what `on_error` returns.
pub fn read_with(
    root: &Path,
    list: &Path,
    classes: Option<&[String]>,
    on_error: ErrorHandler<'_>,
) -> Result<SegmentationSet, Error> {
    let (mut finder, mut findings) = (Finder::default(), Findings::default());
    let given = classes.map_or_else(|| CLASSES.map(str::to_owned).to_vec(), <[String]>::to_vec);
    let names = std::iter::once(BACKGROUND.to_owned()).chain(given.into_iter().filter(|name| name != BACKGROUND));
    let classes = Class::numbered(0, names.collect());
    let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
    let colours = Colours::find(&names, IGNORE, &BTreeMap::new(), &root.join("SegmentationClass"))?;
    // VOC's own files are indices with a palette, and a label map beside them says the same.
    let labels = LabelMap::identity(classes.len(), IGNORE)?.with_colours(colours);
    let mut records = Vec::new();
    let (images, masks) = (root.join("JPEGImages"), root.join("SegmentationClass"));
    for entry in entries(list, &mut findings, on_error)? {
        match listed(entry, [&images, &masks], &mut finder, &mut findings) {
            Ok(record) => records.push(record),
            Err(error) => on_error(error)?,
        }
    }
    Ok(SegmentationSet { classes, records, ignore: IGNORE, labels, findings })
}

/// The image of a list's entry and its mask: that in the second column, or that of the image's name.
pub(super) fn listed(
    entry: Entry,
    [images, masks]: [&Path; 2],
    finder: &mut Finder,
    findings: &mut Findings,
) -> Result<SegmentationRecord, Error> {
    let name = without_ending(&entry.name);
    let image = finder.image(images, &entry.name, findings)?;
    let mask = finder.image(masks, entry.second.as_deref().unwrap_or(name), findings)?;
    Ok(SegmentationRecord { id: name.to_owned(), image, mask: mask.into() })
}
