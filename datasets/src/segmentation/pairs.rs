//! A folder of images and a folder of masks, paired by file name: `CamVid`, Cityscapes, your own.
//!
//! Both folders are searched with their sub-folders. A file's name is its path below the folder without the extension and the
//! suffix: with `image_suffix: _leftImg8bit` and `mask_suffix: _gtFine_labelIds`, Cityscapes' files pair as they are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LabelMap, SegmentationRecord, SegmentationSet, Unmapped};
use crate::annotations::Class;
use crate::findings::Findings;
use crate::folder::images_below;
use crate::{Error, ErrorHandler};

/// The meaning of the ids in masks, and how files pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PairOptions {
    /// Class names in the order of their indices; at least one.
    #[schemars(length(min = 1, max = 255))]
    pub classes: Vec<String>,
    /// The index of ignored pixels.
    pub ignore: u8,
    /// The class index of each id in the files; empty where ids are indices.
    pub ids: BTreeMap<u16, u8>,
    /// What happens with an id that is not in `ids`.
    pub unmapped: Unmapped,
    /// The end of an image's name, before its extension; other files in the folder are ignored.
    pub image_suffix: String,
    /// The end of a mask's name, before its extension; other files in the folder are ignored.
    pub mask_suffix: String,
}

impl Default for PairOptions {
    fn default() -> PairOptions {
        PairOptions {
            classes: Vec::new(),
            ignore: 255,
            ids: BTreeMap::new(),
            unmapped: Unmapped::Error,
            image_suffix: String::new(),
            mask_suffix: String::new(),
        }
    }
}

/// Reads the pairs, sorted by name.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be read, [`Error::Empty`] where there is no image, [`Error::Layout`] for an image
/// without a mask, a mask without an image, and two files with one name; [`Error::Setting`] as for [`LabelMap::new`]. The
/// masks themselves are read later, with their samples.
pub fn read(images: &Path, masks: &Path, options: &PairOptions) -> Result<SegmentationSet, Error> {
    read_with(images, masks, options, &mut Err)
}

/// As [`read`], but `on_error` decides about each file without a partner or with the name of another.
///
/// # Errors
/// As [`read`] for the folders; for a file, what `on_error` returns.
pub fn read_with(
    images: &Path,
    masks: &Path,
    options: &PairOptions,
    on_error: ErrorHandler<'_>,
) -> Result<SegmentationSet, Error> {
    let count = options.classes.len();
    let labels = match options.ids.is_empty() && options.unmapped == Unmapped::Error {
        true => LabelMap::identity(count, options.ignore)?,
        false if options.ids.is_empty() => {
            let ids = (0..count.min(255)).map(|class| (class as u16, class as u8)).collect();
            LabelMap::new(count, options.ignore, &ids, options.unmapped)?
        }
        false => LabelMap::new(count, options.ignore, &options.ids, options.unmapped)?,
    };
    let mut findings = Findings::default();
    let mut masks_of = named(masks, &options.mask_suffix, &mut findings, on_error)?;
    let mut records = Vec::new();
    for (id, image) in named(images, &options.image_suffix, &mut findings, on_error)? {
        match masks_of.remove(&id) {
            Some(mask) => records.push(SegmentationRecord { id, image, mask }),
            None => {
                let reason = format!("there is no mask {id}{} for it in {}", options.mask_suffix, masks.display());
                on_error(Error::Layout { path: image, reason })?;
            }
        }
    }
    for (id, mask) in masks_of {
        let reason = format!("there is no image {id}{} for it in {}", options.image_suffix, images.display());
        on_error(Error::Layout { path: mask, reason })?;
    }
    if records.is_empty() {
        return Err(Error::Empty { path: images.to_path_buf(), what: "images" });
    }
    let classes = Class::numbered(0, options.classes.clone());
    Ok(SegmentationSet { classes, records, ignore: options.ignore, labels, findings })
}

/// The files below a folder whose names end in `suffix`, by name.
fn named(
    root: &Path,
    suffix: &str,
    findings: &mut Findings,
    on_error: ErrorHandler<'_>,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut names = BTreeMap::new();
    let mut unused = Findings::default();
    // With a suffix, other files in the folder are expected.
    for file in images_below(root, if suffix.is_empty() { findings } else { &mut unused })? {
        let below = file.strip_prefix(root).unwrap_or(&file).with_extension("");
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/");
        let Some(name) = name.strip_suffix(suffix) else { continue };
        match names.entry(name.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(file);
            }
            Entry::Occupied(other) => {
                let reason = format!("it has the same name as {}", other.get().display());
                on_error(Error::Layout { path: file, reason })?;
            }
        }
    }
    Ok(names)
}
