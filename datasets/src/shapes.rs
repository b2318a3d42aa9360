//! A synthetic set: coloured shapes on noisy grey, written as files in the layouts of the readers.
//!
//! ```text
//! <root>/JPEGImages/<id>.jpg                      images of both splits
//! <root>/Annotations/<id>.xml                     VOC objects
//! <root>/ImageSets/{Main,Segmentation}/<split>.txt
//! <root>/SegmentationClass/<id>.png               label images: classes from 1, outlines 255
//! <root>/coco/instances_{train,val}.json          COCO objects over JPEGImages, with masks
//! <root>/classify/{train,val}/<class>/<n>.jpg     one large shape per image, one folder per class
//! <root>/shapes.json                              the options
//! ```
//!
//! The class decides the shape and the hue; place, size, rotation, shade and background are random. Objects may overlap a
//! little; boxes, areas and masks are those of the visible pixels. A small detector learns the set in minutes.

mod figure;
mod files;
mod scene;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::Size;
use crate::random::SampleRng;
use crate::settings::{check, check_range};
use figure::Figure;
use files::{Annotated, Folder, create_folder};
use scene::Scene;

/// What to draw. The same options give the same bytes under one version of OpenCV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShapesOptions {
    /// The seed of everything random.
    pub seed: u64,
    /// Images of the split `train`.
    pub train: usize,
    /// Images of the split `val`.
    pub val: usize,
    /// Images per class in `classify/train`; 0 leaves the folder out.
    pub classify_train: usize,
    /// Images per class in `classify/val`.
    pub classify_val: usize,
    /// Mean width of an image; each differs from it by up to an eighth.
    pub width: usize,
    /// Mean height of an image; each differs from it by up to an eighth.
    pub height: usize,
    /// Least and greatest number of objects per image; fewer where they do not fit.
    pub objects: [usize; 2],
    /// Least and greatest diameter of an object, as a share of the image's shorter side.
    pub diameter: [f64; 2],
}

impl Default for ShapesOptions {
    fn default() -> ShapesOptions {
        ShapesOptions {
            seed: 0,
            train: 400,
            val: 100,
            classify_train: 60,
            classify_val: 20,
            width: 320,
            height: 240,
            objects: [1, 4],
            diameter: [0.2, 0.5],
        }
    }
}

/// What [`write()`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The set was written.
    Written,
    /// Nothing: the folder has the same set already.
    Present,
}

const MANIFEST: &str = "shapes.json";

#[derive(Clone, Copy)]
enum Part {
    Train,
    Val,
    ClassifyTrain,
    ClassifyVal,
}

/// The names of the classes, in the order of their ids.
pub fn classes() -> Vec<String> {
    Figure::ALL.iter().map(|figure| figure.name().to_owned()).collect()
}

/// Writes the set into the folder `root`, which must be absent or empty, or contain the set of the same options already.
///
/// Everything is written beside `root` first and renamed in one step, so that a folder with this name is complete.
///
/// # Errors
/// [`Error::Setting`] for options out of range, [`Error::Occupied`] where the folder has other content, [`Error::Io`].
pub fn write(root: &Path, options: &ShapesOptions) -> Result<Outcome, Error> {
    options.validate()?;
    if is_present(root, options)? {
        return Ok(Outcome::Present);
    }
    let aside = Aside::create(root)?;
    let folder = Folder::create(&aside.path)?;
    let counts = [(Part::Train, "train", options.train), (Part::Val, "val", options.val)];
    let mut splits = Vec::new();
    for (part, name, count) in counts {
        let draw = |index| options.annotated(&folder, part, splits_total(&splits) + index, index);
        splits.push((name, (0..count).into_par_iter().map(draw).collect::<Result<Vec<_>, _>>()?));
    }
    folder.write_lists(&splits)?;
    for (part, name, count) in
        [(Part::ClassifyTrain, "train", options.classify_train), (Part::ClassifyVal, "val", options.classify_val)]
    {
        let figures = Figure::ALL.len();
        (0..count * figures).into_par_iter().try_for_each(|index| {
            let mut rng = SampleRng::for_synthesis(options.seed, part as u64, index as u64);
            let figure = Figure::ALL[index % figures];
            let scene = Scene::portrait(options.size(&mut rng), figure, &mut rng);
            folder.write_portrait(name, figure, index / figures, &scene)
        })?;
    }
    folder.write_json(MANIFEST, options)?;
    aside.rename_to(root)?;
    Ok(Outcome::Written)
}

fn splits_total(splits: &[(&str, Vec<Annotated>)]) -> usize {
    splits.iter().map(|(_, images)| images.len()).sum()
}

impl ShapesOptions {
    fn validate(&self) -> Result<(), Error> {
        let (sides, [fewest, most]) = (32..=4096, self.objects);
        check(self.train > 0, "train", self.train, "1 image or more")?;
        check(self.val > 0, "val", self.val, "1 image or more")?;
        check(sides.contains(&self.width), "width", self.width, "32 to 4096 pixels")?;
        check(sides.contains(&self.height), "height", self.height, "32 to 4096 pixels")?;
        let is_valid = 1 <= fewest && fewest <= most && most <= 100;
        let expected = "two counts from 1 to 100, the smaller first";
        check(is_valid, "objects", format!("[{fewest}, {most}]"), expected)?;
        let expected = "two fractions from 0.12 to 0.9, the smaller first";
        check_range("diameter", self.diameter, [0.12, 0.9], expected)
    }

    fn size(&self, rng: &mut SampleRng) -> Size {
        let mut side = |mean: usize| mean - mean / 8 + rng.below(mean / 4 + 1);
        Size { width: side(self.width), height: side(self.height) }
    }

    fn annotated(&self, folder: &Folder, part: Part, place: usize, index: usize) -> Result<Annotated, Error> {
        let mut rng = SampleRng::for_synthesis(self.seed, part as u64, index as u64);
        let size = self.size(&mut rng);
        let count = self.objects[0] + rng.below(self.objects[1] - self.objects[0] + 1);
        folder.write_annotated(place as u64 + 1, &Scene::crowded(size, count, self.diameter, &mut rng))
    }
}

/// Whether the folder has the set of these options; an error where it has other content.
fn is_present(root: &Path, options: &ShapesOptions) -> Result<bool, Error> {
    let occupied = |reason: &str| Err(Error::Occupied { path: root.to_path_buf(), reason: reason.to_owned() });
    if !root.exists() {
        return Ok(false);
    }
    if !root.is_dir() {
        return occupied("is not a folder");
    }
    let manifest = root.join(MANIFEST);
    if manifest.exists() {
        let text = fs::read(&manifest).map_err(Error::io("read", &manifest))?;
        return match serde_json::from_slice::<ShapesOptions>(&text) {
            Ok(found) if found == *options => Ok(true),
            _ => occupied("contains a set with other options"),
        };
    }
    match fs::read_dir(root).map_err(Error::io("read", root))?.next() {
        None => Ok(false),
        Some(_) => occupied("is not empty"),
    }
}

/// A folder beside the final one, removed unless it is renamed.
struct Aside {
    path: PathBuf,
}

impl Aside {
    fn create(root: &Path) -> Result<Aside, Error> {
        let mut name = root.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{}", process::id()));
        let path = root.with_file_name(name);
        create_folder(&path)?;
        Ok(Aside { path })
    }

    fn rename_to(self, root: &Path) -> Result<(), Error> {
        fs::rename(&self.path, root).map_err(Error::io("create", root))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // After the rename nothing has this name; after a failure, that failure is the one to report.
        drop(fs::remove_dir_all(&self.path));
    }
}
