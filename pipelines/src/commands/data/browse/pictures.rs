//! Pictures of images, made when they are asked for. Nothing outside of the data's folder is read.

use datasets::mask::Mask;
use datasets::{Checked, Dataset, Encoding, Image, PixelOptions, SampleRng, Split, draw};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::listing::Listing;
use crate::config::Config;
use crate::failure::Failure;
use crate::report::page::Picture;
use crate::task::{Data, Evaluate, Train, training_data_of};

const JPEG_QUALITY: u8 = 80;
/// The opacity of a class's pixels over an image.
const OPACITY: u8 = 150;
/// Augmented samples of one answer at most.
const MOST_SAMPLES: usize = 48;

/// What is shown of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The image, as JPEG.
    Image,
    /// Its mask to lay over it, as PNG.
    Mask,
}

/// How large a picture is at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// In the list.
    Small,
    /// Alone.
    Large,
}

impl Kind {
    /// The folder of its small pictures in a page's folder, as in addresses.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Image => "image/small",
            Self::Mask => "mask/small",
        }
    }

    /// The file of the small picture of an image.
    pub(super) fn path(self, number: usize) -> String {
        format!("{}/{number}.{}", self.folder(), self.ending())
    }

    /// The ending of its files.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Image => "jpg",
            Self::Mask => "png",
        }
    }
}

impl Side {
    fn pixels(self) -> usize {
        match self {
            Self::Small => 240,
            Self::Large => 1600,
        }
    }
}

/// What a page can show.
pub(super) struct Pictures {
    root: PathBuf,
    pixels: PixelOptions,
    splits: Arc<[Split]>,
    augmented: Box<Augment>,
    seed: u64,
}

/// What augmented samples are made from.
struct Prepared<T: Train> {
    task: T,
    data: Data<T::Dataset>,
}

/// Samples from one on, so many, of an epoch and a seed.
type Augment = dyn Fn(usize, usize, u64, u64) -> Result<Samples, Failure> + Send + Sync;

/// What training sees of some images.
#[derive(Serialize)]
pub(super) struct Samples {
    /// How many samples an epoch has.
    all: usize,
    /// Those that cannot be read are sentences.
    samples: Vec<Result<Augmented, String>>,
}

/// What training sees of an image.
#[derive(Serialize)]
pub(super) struct Augmented {
    /// The file, below the data's folder.
    name: String,
    picture: Picture,
}

impl Pictures {
    /// For the sets of a configuration, read as `splits`, of which the first is the training set. What training sees of it is
    /// prepared when it is first asked for: that reads the headers of all its images.
    pub(super) fn new<T: Train + Evaluate + Send + Sync + 'static>(
        config: &Config<T::Keys>,
        splits: Arc<[Split]>,
    ) -> Result<Self, Failure>
    where
        Config<T::Keys>: Send + Sync,
    {
        let root = std::fs::canonicalize(&config.data.root)
            .map_err(|error| Failure::cannot("read", &config.data.root, &error))?;
        let (pixels, seed) = (config.pixels(), config.seed);
        let (config, of) = (config.clone(), Arc::clone(&splits));
        let prepared: OnceLock<Result<Prepared<T>, String>> = OnceLock::new();
        let prepare = move || -> Result<Prepared<T>, Failure> {
            let data = training_data_of::<T>(&config, &of[0])?;
            Ok(Prepared { task: T::new(&config, &data.classes)?, data })
        };
        let folder = root.clone();
        let augmented = move |first: usize, count: usize, epoch: u64, seed: u64| {
            let prepared = prepared.get_or_init(|| prepare().map_err(|failure| failure.to_string()));
            let Prepared { task, data: Data { samples, .. } } = prepared.as_ref().map_err(Failure::failed)?;
            let all = samples.len();
            let one = |index: usize| -> Result<Augmented, Failure> {
                let sample = samples.load(index, epoch, &mut SampleRng::for_sample(seed, epoch, index as u64))?;
                let path = samples.path(index);
                let name = path.strip_prefix(&folder).unwrap_or(path).display().to_string();
                Ok(Augmented { name, picture: task.truth(&sample, T::image(&sample).size())? })
            };
            let last = first.saturating_add(count.min(MOST_SAMPLES)).min(all);
            let samples = (first..last).map(|index| one(index).map_err(|failure| failure.to_string())).collect();
            Ok(Samples { all, samples })
        };
        Ok(Self { root, pixels, splits, augmented: Box::new(augmented), seed })
    }

    /// The data's folder, behind all links.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration's seed.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// A picture of the image with a number, as the bytes of a file; nothing where it has none.
    pub(super) fn picture(
        &self,
        listing: &Listing,
        kind: Kind,
        number: usize,
        side: Side,
    ) -> Result<Option<Vec<u8>>, Failure> {
        match (kind, listing.files.get(number), listing.places.get(number)) {
            (Kind::Image, Some(file), _) => self.image(file, side.pixels()).map(Some),
            (Kind::Mask, _, Some(place)) => self.mask(*place, side.pixels()),
            _ => Ok(None),
        }
    }

    /// What training sees of `count` samples of an epoch, from one on. Where there are none, a sentence says why.
    pub(super) fn augmented(&self, first: usize, count: usize, epoch: u64, seed: u64) -> Samples {
        let failed = |failure: Failure| Samples { all: 0, samples: vec![Err(failure.to_string())] };
        (self.augmented)(first, count, epoch, seed).unwrap_or_else(failed)
    }

    /// An image file as JPEG, with at most so many pixels along its longer side.
    fn image(&self, file: &Path, side: usize) -> Result<Vec<u8>, Failure> {
        let small = Image::thumbnail(&self.inside(file)?, side, &self.pixels)?;
        small.encode(Encoding::Jpeg(JPEG_QUALITY)).map_err(Failure::failed)
    }

    /// The mask of an image as a PNG to lay over it; nothing where it has none.
    fn mask(&self, (split, place): (usize, usize), side: usize) -> Result<Option<Vec<u8>>, Failure> {
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
