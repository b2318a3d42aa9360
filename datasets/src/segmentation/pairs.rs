//! A folder of images and a folder of masks, paired by file name: `CamVid`, Cityscapes, your own.
//!
//! Both folders are searched with their sub-folders. A file's name is its path below the folder without the extension and the
//! suffix: with `image_suffix: _leftImg8bit` and `mask_suffix: _gtFine_labelIds`, Cityscapes' files pair as they are.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::colours::Colours;
use super::{LabelMap, SegmentationRecord, SegmentationSet, Unmapped};
use crate::annotations::Class;
use crate::finder::{Finder, fold};
use crate::findings::{FindingKind, Findings};
use crate::folder::images_below;
use crate::voc::entries;
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
    /// The colour of each class in masks of colours, as red, green, blue; where it is not given, those of a `labelmap.txt`
    /// (CVAT, Datumaro) in or above the folder of masks, or else VOC's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub colors: BTreeMap<String, [u8; 3]>,
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
            colors: BTreeMap::new(),
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
    read_with(images, masks, None, options, &mut Err)
}

/// As [`read`], but `on_error` decides about each file without a partner or with the name of another. A list names the images, or
/// each image and its mask, where not every pair is wanted.
///
/// # Errors
/// As [`read`] for the folders; for a file, what `on_error` returns.
pub fn read_with(
    images: &Path,
    masks: &Path,
    list: Option<&Path>,
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
    let labels = labels.with_colours(Colours::find(&options.classes, options.ignore, &options.colors, masks)?);
    let mut findings = Findings::default();
    let records = match list {
        Some(list) => listed(list, [images, masks], &mut findings, on_error)?,
        None => matched(images, masks, options, &mut findings, on_error)?,
    };
    if records.is_empty() {
        return Err(Error::Empty { path: images.to_path_buf(), what: "images" });
    }
    let classes = Class::numbered(0, options.classes.clone());
    Ok(SegmentationSet { classes, records, ignore: options.ignore, labels, findings })
}

/// The pairs that a list names.
fn listed(
    list: &Path,
    folders: [&Path; 2],
    findings: &mut Findings,
    on_error: ErrorHandler<'_>,
) -> Result<Vec<SegmentationRecord>, Error> {
    let (mut finder, mut records) = (Finder::default(), Vec::new());
    for entry in entries(list, findings, on_error)? {
        match super::voc::listed(entry, folders, &mut finder, findings) {
            Ok(record) => records.push(record),
            Err(error) => on_error(error)?,
        }
    }
    Ok(records)
}

/// The pairs of files with one name.
fn matched(
    images: &Path,
    masks: &Path,
    options: &PairOptions,
    findings: &mut Findings,
    on_error: ErrorHandler<'_>,
) -> Result<Vec<SegmentationRecord>, Error> {
    let mut images_of = named(images, &options.image_suffix, findings, on_error)?;
    let mut masks_of = named(masks, &options.mask_suffix, findings, on_error)?;
    if images == masks {
        // In one folder, a mask is an image by its ending.
        let files: HashSet<PathBuf> = masks_of.values().cloned().collect();
        images_of.retain(|_, image| !files.contains(image));
    }
    let mut records = Vec::new();
    let mut alone = Vec::new();
    for (id, image) in images_of {
        match masks_of.remove(&id).or_else(|| mask_of_file(&image, images, &mut masks_of)) {
            Some(mask) => records.push(SegmentationRecord { id, image, mask: mask.into() }),
            None => alone.push((id, image)),
        }
    }
    for (id, image) in alone {
        let alike: Vec<String> = masks_of.keys().filter(|name| fold(name) == fold(&id)).cloned().collect();
        match alike.first().filter(|_| alike.len() == 1).and_then(|name| masks_of.remove(name)) {
            Some(mask) => {
                let names = [&image, &mask].map(|file| file.file_name().unwrap_or_default().to_string_lossy());
                findings.note_text(FindingKind::NameDiffers, format!("the mask of {} as {}", names[0], names[1]));
                records.push(SegmentationRecord { id, image, mask: mask.into() });
            }
            None => {
                let mut reason = format!("there is no mask {id}{} for it in {}", options.mask_suffix, masks.display());
                let longer = masks_of.keys().find_map(|name| name.strip_prefix(id.as_str()));
                if let Some(suffix) = longer.filter(|suffix| suffix.starts_with(['_', '-', '.'])) {
                    reason.push_str(&format!(", but {id}{suffix}: options.mask_suffix: {suffix} pairs them"));
                }
                on_error(Error::Layout { path: image, reason })?;
            }
        }
    }
    for (id, mask) in masks_of {
        let reason = format!("there is no image {id}{} for it in {}", options.image_suffix, images.display());
        on_error(Error::Layout { path: mask, reason })?;
    }
    records.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(records)
}

/// The mask that is called like the image file with its ending: `001.jpg.png`, as Supervisely writes it.
fn mask_of_file(image: &Path, root: &Path, masks_of: &mut BTreeMap<String, PathBuf>) -> Option<PathBuf> {
    masks_of.remove(&joined(image.strip_prefix(root).unwrap_or(image)))
}

/// A relative path with slashes.
fn joined(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
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
        let name = joined(&file.strip_prefix(root).unwrap_or(&file).with_extension(""));
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
