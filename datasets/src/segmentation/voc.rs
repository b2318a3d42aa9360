//! Masks of a PASCAL VOC devkit (`JPEGImages`, `SegmentationClass`, `ImageSets/Segmentation`): background 0, classes from 1,
//! void 255.

use std::path::Path;

use super::{LabelMap, SegmentationRecord, SegmentationSet};
use crate::annotations::Class;
use crate::findings::Findings;
use crate::lists::image_ids;
use crate::voc::image_file;
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
/// [`Error::ImageMissing`] for an image and [`Error::Layout`] for a mask that does not exist, [`Error::Empty`] for a split
/// without images, [`Error::Setting`] for more than 254 classes. The masks themselves are read later, with their samples.
pub fn read(root: &Path, split: &str, classes: Option<&[String]>) -> Result<SegmentationSet, Error> {
    read_with(root, split, classes, &mut Err)
}

/// As [`read`], but `on_error` decides about each line of the list that cannot be used.
///
/// # Errors
/// As [`read`] for the split; for a line, what `on_error` returns.
pub fn read_with(
    root: &Path,
    split: &str,
    classes: Option<&[String]>,
    on_error: ErrorHandler<'_>,
) -> Result<SegmentationSet, Error> {
    let list = root.join("ImageSets/Segmentation").join(format!("{split}.txt"));
    let given = classes.map_or_else(|| CLASSES.map(str::to_owned).to_vec(), <[String]>::to_vec);
    let names = std::iter::once(BACKGROUND.to_owned()).chain(given.into_iter().filter(|name| name != BACKGROUND));
    let classes = Class::numbered(0, names.collect());
    let labels = LabelMap::identity(classes.len(), IGNORE)?;
    let mut records = Vec::new();
    for id in image_ids(&list, on_error)? {
        match record(root, id) {
            Ok(record) => records.push(record),
            Err(error) => on_error(error)?,
        }
    }
    Ok(SegmentationSet { classes, records, ignore: IGNORE, labels, findings: Findings::default() })
}

fn record(root: &Path, id: String) -> Result<SegmentationRecord, Error> {
    let image = image_file(root, &id)?;
    let mask = root.join("SegmentationClass").join(format!("{id}.png"));
    if !mask.is_file() {
        let reason = format!("the mask of image {} does not exist", image.display());
        return Err(Error::Layout { path: mask, reason });
    }
    Ok(SegmentationRecord { id, image, mask })
}
