//! Pictures of images, made when they are asked for. Nothing outside of the data's folder is read.

use datasets::mask::Mask;
use datasets::{Checked, Dataset, Encoding, Image, PixelOptions, SampleRng, Split, draw};
use serde::Serialize;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::failure::Failure;
use crate::report::page::Picture;
use crate::task::{Evaluate, Train};

const JPEG_QUALITY: u8 = 80;
/// The opacity of a class's pixels over an image.
const OPACITY: u8 = 150;
/// Augmented samples of one answer at most.
const MOST_SAMPLES: usize = 48;

/// What the server can show.
pub(super) struct Pictures {
    root: PathBuf,
    pixels: PixelOptions,
    splits: Vec<Split>,
    augmented: Box<dyn Fn(usize, u64, u64) -> Result<Augmented, Failure> + Send + Sync>,
    /// How many samples an epoch has, and the configuration's seed.
    samples: usize,
    seed: u64,
}

/// What training sees of an image.
#[derive(Serialize)]
pub(super) struct Augmented {
    /// The file, below the data's folder.
    name: String,
    picture: Picture,
}

impl Pictures {
    /// For the sets of a configuration, read as `splits`.
    pub(super) fn new<T: Train + Evaluate + Send + Sync + 'static>(
        config: &Config<T::Keys>,
        splits: Vec<Split>,
    ) -> Result<Self, Failure> {
        let training = T::training_data(config)?;
        let task = T::new(config, &training.classes)?;
        let samples = training.samples.len();
        let root = config.data.root.clone();
        let augmented = move |index: usize, epoch: u64, seed: u64| {
            let mut rng = SampleRng::for_sample(seed, epoch, index as u64);
            let sample = training.samples.load(index, epoch, &mut rng)?;
            let path = training.samples.path(index);
            let name = path.strip_prefix(&root).unwrap_or(path).display().to_string();
            Ok(Augmented { name, picture: task.truth(&sample, T::image(&sample).size())? })
        };
        let root = std::fs::canonicalize(&config.data.root)
            .map_err(|error| Failure::cannot("read", &config.data.root, &error))?;
        let augmented = Box::new(augmented);
        Ok(Self { root, pixels: config.pixels(), splits, augmented, samples, seed: config.seed })
    }

    /// How many samples an epoch has, and the configuration's seed.
    pub(super) fn training(&self) -> (usize, u64) {
        (self.samples, self.seed)
    }

    /// An image file as JPEG, with at most so many pixels along its longer side.
    pub(super) fn image(&self, file: &Path, side: usize) -> Result<Vec<u8>, Failure> {
        let small = Image::thumbnail(&self.inside(file)?, side, &self.pixels)?;
        small.encode(Encoding::Jpeg(JPEG_QUALITY)).map_err(Failure::failed)
    }

    /// The mask of an image as a PNG to lay over it; nothing where it has none.
    pub(super) fn mask(&self, (split, place): (usize, usize), side: usize) -> Result<Option<Vec<u8>>, Failure> {
        let Some(Checked::Segmentation(set)) = self.splits.get(split).and_then(Split::set) else { return Ok(None) };
        let Some(record) = set.records.get(place) else { return Ok(None) };
        self.inside(record.mask.path())?;
        let mask = set.mask(place, self.pixels.orientation)?;
        let small = within(&mask, side);
        let classes = set.classes.len();
        let bare = set.classes.first().is_some_and(|class| class.name == datasets::segmentation::voc::BACKGROUND);
        let colour = |class: u8| {
            let [red, green, blue] = draw::class_colour(class.into());
            let is_shown = usize::from(class) < classes && !(bare && class == 0);
            [red, green, blue, if is_shown { OPACITY } else { 0 }]
        };
        small.overlay(colour).map(Some).map_err(Failure::failed)
    }

    /// What training sees of `count` samples of an epoch, from one on; those that cannot be read are sentences.
    pub(super) fn augmented(
        &self,
        first: usize,
        count: usize,
        epoch: u64,
        seed: u64,
    ) -> Vec<Result<Augmented, String>> {
        let last = first.saturating_add(count.min(MOST_SAMPLES)).min(self.samples);
        let sample = |index| (self.augmented)(index, epoch, seed).map_err(|failure| failure.to_string());
        (first..last).map(sample).collect()
    }

    /// The file itself, behind all links, where that lies in the data's folder.
    fn inside(&self, file: &Path) -> Result<PathBuf, Failure> {
        let real = std::fs::canonicalize(file).map_err(|error| Failure::cannot("read", file, &error))?;
        match real.starts_with(&self.root) {
            true => Ok(real),
            false => Err(Failure::failed(format!("{} is outside of the data's folder", file.display()))),
        }
    }
}

/// A mask with at most so many pixels along its longer side.
fn within(mask: &Mask, side: usize) -> Mask {
    let size = mask.size();
    let longer = size.height.max(size.width).max(1);
    let shrunk = |pixels: usize| if longer > side { (pixels * side / longer).max(1) } else { pixels };
    mask.resize(datasets::Size { height: shrunk(size.height), width: shrunk(size.width) })
}
