//! Which layout a folder has: what a person would see by looking into it.
//!
//! The first that fits: a `data.yaml` (YOLO), COCO's JSON, VOC's XML or masks, YOLO's text files, images and masks, a file of labels,
//! class folders. Splits are the folders or files whose names have a word of [`TRAIN`] or [`VAL`].

mod masks;

use std::fs;
use std::path::{Path, PathBuf};

use annotation_files::coco::{File, FileName, Geometry};

use crate::Error;
use crate::findings::Findings;
use crate::folder::{class_folders, entries, files_below, has_extension, images_below, images_in};
use crate::image::Image;
use crate::yolo::DataFile;

pub use masks::MaskClasses;

/// Words of a training split's name, the most usual first.
const TRAIN: [&str; 3] = ["train", "training", "trainval"];
/// Words of a validation split's name.
const VAL: [&str; 6] = ["val", "valid", "validation", "test", "testing", "eval"];
/// Names of folders of masks.
const MASKS: [&str; 9] =
    ["masks", "mask", "labels", "annotations", "gt", "labelsTr", "SegmentationClass", "segmentation", "masks_machine"];
/// Names of folders of images.
const IMAGES: [&str; 6] = ["images", "image", "imgs", "img", "JPEGImages", "data"];
/// Files that belong to a set.
const DATA_FILES: [&str; 8] = ["json", "yaml", "yml", "csv", "tsv", "xml", "txt", "names"];
/// How many folders may be around a set.
const MAX_DEPTH: usize = 4;
/// How many files of a kind are looked at.
const SAMPLE: usize = 20;

/// Where one split is, below the folder that was looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// A folder for each class.
    Folder(PathBuf),
    /// A folder of images and a file of labels.
    Flat {
        /// The images.
        images: PathBuf,
        /// The file.
        labels: PathBuf,
    },
    /// COCO's JSON.
    Coco {
        /// The images.
        images: PathBuf,
        /// The file.
        annotations: PathBuf,
    },
    /// VOC's XML.
    Voc {
        /// The devkit, or the folder of the images and the XML.
        folder: PathBuf,
        /// Its list.
        split: Option<String>,
    },
    /// VOC's masks: `SegmentationClass` and a list.
    VocMasks {
        /// The list.
        split: String,
    },
    /// YOLO's `data.yaml`.
    YoloData {
        /// The file.
        data: PathBuf,
        /// Its split.
        split: String,
    },
    /// YOLO's text files.
    Yolo {
        /// The images.
        images: PathBuf,
    },
    /// Images and masks.
    Pairs {
        /// The images.
        images: PathBuf,
        /// The masks.
        masks: PathBuf,
        /// The end of a mask's name.
        suffix: String,
    },
}

/// The splits of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The training set, or all there is.
    pub train: Layout,
    /// The validation set, where there is one.
    pub val: Option<Layout>,
}

/// The folder itself, or the only one in it, where archives put one more around a set.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn innermost(root: &Path) -> Result<PathBuf, Error> {
    let mut folder = root.to_path_buf();
    // A link may lead back to a folder above.
    for _ in 0..MAX_DEPTH {
        let inside = entries(&folder)?;
        let is_data = |path: &PathBuf| has_extension(path, &DATA_FILES) || has_extension(path, &Image::EXTENSIONS);
        let folders: Vec<&PathBuf> = inside.iter().filter(|path| path.is_dir()).collect();
        match folders[..] {
            [only] if !inside.iter().any(is_data) && entries(only)?.iter().any(|path| path.is_dir()) => {
                folder = only.clone();
            }
            _ => break,
        }
    }
    Ok(folder)
}

/// Looks into a folder. Where a VOC devkit has both boxes and masks, `masks` decides.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Layout`] where no layout fits.
pub fn recognise(root: &Path, masks: bool) -> Result<Recognised, Error> {
    if let Some(found) = data_file(root)? {
        return Ok(found);
    }
    if let Some(found) = voc_lists(root, masks) {
        return Ok(found);
    }
    if let Some(found) = coco_files(root)? {
        return Ok(found);
    }
    let folders = class_folders(root, &mut Findings::default())?;
    let named = |words: &[&str]| {
        words.iter().find_map(|word| folders.iter().find(|name| name.eq_ignore_ascii_case(word)).map(PathBuf::from))
    };
    if let Some(train) = named(&TRAIN)
        && let Some(found) = alone(root, &train)?
    {
        let val = named(&VAL).map(|folder| alone(root, &folder)).transpose()?.flatten();
        return Ok(Recognised { train: found, val });
    }
    // Folders of images and of masks, XML or text, each with folders for the splits.
    for images in IMAGES.map(Path::new) {
        let split = |words: &[&str]| words.iter().map(|word| images.join(word)).find(|path| root.join(path).is_dir());
        if let Some(train) = split(&TRAIN)
            && let Some(found) = beside(root, &train)?
        {
            let val = split(&VAL).map(|folder| beside(root, &folder)).transpose()?.flatten();
            return Ok(Recognised { train: found, val });
        }
    }
    match alone(root, Path::new(""))? {
        Some(train) => Ok(Recognised { train, val: None }),
        None => Err(Error::Layout {
            path: root.to_path_buf(),
            reason:
                "no known layout: class folders, COCO JSON, VOC XML, YOLO text, images with masks, or a CSV of labels"
                    .to_owned(),
        }),
    }
}

fn data_file(root: &Path) -> Result<Option<Recognised>, Error> {
    let is_yaml = |path: &PathBuf| path.is_file() && has_extension(path, &["yaml", "yml"]);
    for path in entries(root)?.into_iter().filter(is_yaml) {
        let Ok(data) = DataFile::read(&path) else { continue };
        let name = || PathBuf::from(path.file_name().unwrap_or_default());
        let split = |split: &str| Layout::YoloData { data: name(), split: split.to_owned() };
        if data.layout(&path, "train").is_ok() {
            let val = ["val", "test"].into_iter().find(|name| data.layout(&path, name).is_ok());
            return Ok(Some(Recognised { train: split("train"), val: val.map(split) }));
        }
    }
    Ok(None)
}

fn voc_lists(root: &Path, masks: bool) -> Option<Recognised> {
    let find = |folder: &str, words: &[&str]| {
        let exists = |word: &&&str| root.join(folder).join(format!("{word}.txt")).is_file();
        words.iter().find(exists).map(|word| (*word).to_owned())
    };
    let of_masks = || {
        let masks = |split| Layout::VocMasks { split };
        let val = || find("ImageSets/Segmentation", &VAL).map(masks);
        find("ImageSets/Segmentation", &TRAIN).map(|split| Recognised { train: masks(split), val: val() })
    };
    let of_boxes = || {
        let voc = |split| Layout::Voc { folder: PathBuf::new(), split: Some(split) };
        let split = find("ImageSets/Main", &TRAIN).filter(|_| root.join("Annotations").is_dir())?;
        Some(Recognised { train: voc(split), val: find("ImageSets/Main", &VAL).map(voc) })
    };
    if masks { of_masks().or_else(of_boxes) } else { of_boxes().or_else(of_masks) }
}

/// COCO files at most two folders deep.
fn coco_files(root: &Path) -> Result<Option<Recognised>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    folders.extend(entries(root)?.into_iter().filter(|path| path.is_dir()));
    for path in folders.iter().map(|folder| entries(folder)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        if !has_extension(&path, &["json"]) || !path.is_file() {
            continue;
        }
        let Ok(file) = File::read(&path, Geometry::Boxes) else { continue };
        let names: Vec<&str> = file
            .images
            .iter()
            .take(SAMPLE)
            .filter_map(|image| match &image.file_name {
                FileName::Stated(name) | FileName::InUrl(name) => Some(name.as_str()),
                FileName::Unusable(_) => None,
            })
            .collect();
        let images = images_of(root, &path, &names);
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_path_buf();
        found.extend(images.map(|images| (below(&path), below(&images))));
    }
    let words = |path: &Path| -> Vec<String> {
        let text = path.to_string_lossy().to_lowercase();
        text.split(|letter: char| !letter.is_ascii_alphabetic()).map(str::to_owned).collect()
    };
    let named = |wanted: &[&str]| {
        let has = |path: &Path| words(path).iter().any(|word| wanted.contains(&word.as_str()));
        found.iter().find(|(annotations, _)| has(annotations)).cloned()
    };
    let layout = |(annotations, images)| Layout::Coco { images, annotations };
    let train = named(&TRAIN).or_else(|| found.first().filter(|_| found.len() == 1).cloned());
    Ok(train.map(|train| Recognised { val: named(&VAL).filter(|val| *val != train).map(layout), train: layout(train) }))
}

/// The folder below which the named images are.
fn images_of(root: &Path, annotations: &Path, names: &[&str]) -> Option<PathBuf> {
    let stem = annotations.file_stem()?.to_string_lossy().into_owned();
    let word = stem.rsplit('_').next().unwrap_or_default().to_owned();
    let folder = annotations.parent()?;
    let bases = [folder, root].into_iter().flat_map(|base| {
        let inside = IMAGES.map(|name| base.join(name));
        let named = inside.iter().map(|images| images.join(&word)).collect::<Vec<_>>();
        [base.join(&word)].into_iter().chain(named).chain(inside).chain([base.to_path_buf()])
    });
    let count = |base: &PathBuf| names.iter().filter(|name| base.join(name).is_file()).count();
    let counted: Vec<(usize, PathBuf)> = bases.map(|base| (count(&base), base)).collect();
    let most = counted.iter().map(|(count, _)| *count).max().filter(|most| *most > 0)?;
    counted.into_iter().find(|(count, _)| *count == most).map(|(_, base)| base)
}

/// The layout of images whose annotations are in a folder of the same name under another parent: `images/train`, `masks/train`.
fn beside(root: &Path, images: &Path) -> Result<Option<Layout>, Error> {
    let (Some(split), Some(parent)) = (images.file_name(), images.parent().and_then(Path::parent)) else {
        return Ok(None);
    };
    for name in MASKS {
        let other = parent.join(name).join(split);
        if !root.join(&other).is_dir() {
            continue;
        }
        let files = files_below(&root.join(&other))?;
        let of_kind = |kind: &[&str]| files.iter().any(|file| has_extension(file, kind));
        if of_kind(&["xml"]) {
            let split = Some(split.to_string_lossy().into_owned());
            return Ok(Some(Layout::Voc { folder: parent.to_path_buf(), split }));
        }
        if files.iter().take(SAMPLE).any(|file| is_yolo(file)) {
            return Ok(Some(Layout::Yolo { images: images.to_path_buf() }));
        }
        if of_kind(&Image::EXTENSIONS) {
            return Ok(Some(Layout::Pairs { images: images.to_path_buf(), masks: other, suffix: String::new() }));
        }
    }
    Ok(None)
}

/// The layout of a folder without splits.
fn alone(root: &Path, below: &Path) -> Result<Option<Layout>, Error> {
    let folder = root.join(below);
    let files = files_below(&folder)?;
    if files.iter().filter(|file| has_extension(file, &["xml"])).take(SAMPLE).any(|file| is_voc(file)) {
        return Ok(Some(Layout::Voc { folder: below.to_path_buf(), split: None }));
    }
    let first = |names: &[&str]| names.iter().map(|name| below.join(name)).find(|path| root.join(path).is_dir());
    let images = first(&IMAGES);
    let texts = files.iter().filter(|file| has_extension(file, &["txt"]));
    if texts.take(SAMPLE).any(|file| is_yolo(file)) {
        return Ok(Some(Layout::Yolo { images: images.unwrap_or_else(|| below.to_path_buf()) }));
    }
    if let (Some(images), Some(masks)) = (&images, first(&MASKS)) {
        let (images, masks) = (images.clone(), masks);
        let suffix = common_suffix(&root.join(&images), &root.join(&masks))?;
        return Ok(Some(Layout::Pairs { images, masks, suffix }));
    }
    let of_images = images_in(&folder)?;
    if let Some(suffix) = ["_mask", "_labelIds", "_label", "_gt"].into_iter().find(|suffix| {
        of_images.iter().any(|file| file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with(suffix)))
    }) {
        let suffix = suffix.to_owned();
        return Ok(Some(Layout::Pairs { images: below.to_path_buf(), masks: below.to_path_buf(), suffix }));
    }
    let csv = entries(&folder)?.into_iter().find(|path| has_extension(path, &["csv", "tsv"]));
    if let Some(csv) = csv {
        let name = |path: &Path| below.join(path.file_name().unwrap_or_default());
        let stem = below.join(csv.file_stem().unwrap_or_default());
        let images = images.or_else(|| Some(stem).filter(|stem| root.join(stem).is_dir()));
        return Ok(Some(Layout::Flat { images: images.unwrap_or_else(|| below.to_path_buf()), labels: name(&csv) }));
    }
    let classes = class_folders(&folder, &mut Findings::default())?;
    let mut with_images = 0;
    for class in &classes {
        with_images += usize::from(!images_below(&folder.join(class), &mut Findings::default())?.is_empty());
    }
    Ok((with_images >= 2).then(|| Layout::Folder(below.to_path_buf())))
}

/// The end of the masks' names after those of their images.
fn common_suffix(images: &Path, masks: &Path) -> Result<String, Error> {
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let images: Vec<String> = images_in(images)?.iter().map(stem).take(SAMPLE).collect();
    let masks: Vec<String> = images_in(masks)?.iter().map(stem).collect();
    let suffixes = images.iter().filter_map(|image| masks.iter().find_map(|mask| mask.strip_prefix(image.as_str())));
    let suffixes: Vec<&str> = suffixes.collect();
    let first = suffixes.first().copied().unwrap_or_default();
    Ok(if suffixes.iter().all(|suffix| *suffix == first) { first.to_owned() } else { String::new() })
}

fn is_voc(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.windows(11).take(4096).any(|window| window == b"<annotation"))
}

/// Whether the first line is a class and four numbers or more.
fn is_yolo(file: &Path) -> bool {
    let Ok(text) = fs::read_to_string(file) else { return false };
    let Some(line) = text.lines().next() else { return false };
    let numbers: Option<Vec<f64>> = line.split_whitespace().map(|number| number.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.len() >= 5 && numbers[0].fract() == 0.0)
}
