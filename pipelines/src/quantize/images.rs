//! The images of a calibration: of the training set, of other configurations, or of folders; prepared as in evaluation.

use datasets::inputs::image_files;
use datasets::{Dataset, Image, PixelOptions, SampleRng};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tch::Tensor;

use crate::config::{Config, ConfigFile};
use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::model::{Normalizer, stack};
use crate::task::{Data, Evaluate};

/// Images that are calibrated together.
const BATCH: usize = 16;

/// Calibration images as bytes, a byte for each channel of a pixel.
pub struct Images {
    /// `[n, H, W, C]`.
    batches: Vec<Tensor>,
    summary: Summary,
}

/// Which images a network was calibrated with.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Where they are from.
    pub sources: Vec<String>,
}

impl Images {
    /// As many images as `wanted`, or as there are, spread evenly over the sources (folders of images or configurations; the training set
    /// where none is named) and drawn by the configuration's seed.
    ///
    /// # Errors
    /// When a source cannot be read, or all are empty.
    pub fn collect<T: Evaluate>(
        config: &Config<T::Keys>,
        task: &T,
        wanted: usize,
        sources: &[PathBuf],
    ) -> Result<Self, Failure> {
        let mut pools: Vec<Pool<T>> = Vec::new();
        if sources.is_empty() {
            pools.push(Pool::set(config, "the training set".to_owned())?);
        }
        for path in sources {
            pools.push(Pool::open(config, path)?);
        }
        for pool in &mut pools {
            SampleRng::for_order(config.seed, 0).shuffle(&mut pool.order);
        }
        let counts = dealt(wanted, &pools.iter().map(|pool| pool.order.len()).collect::<Vec<_>>());
        let total: usize = counts.iter().sum();
        if total == 0 {
            return Err(Failure::usage("there are no images to calibrate with")
                .hint("--calibration-data names a folder of images, or a configuration."));
        }
        if total < wanted {
            console::warning(format!("{total} images to calibrate with, fewer than the {wanted} asked for"));
        }
        let mut collected = Collected::default();
        let mut progress = Progress::new("reading calibration images", total as u64);
        let of_pool = |(pool, count): (&'_ Pool<T>, usize)| pool.order[..count].to_vec();
        let drawn = pools.iter().zip(counts).map(of_pool).enumerate();
        let mut drawn: Vec<(usize, usize)> =
            drawn.flat_map(|(pool, indices)| indices.into_iter().map(move |index| (pool, index))).collect();
        // Some steps of a quantisation look at the first images only: they must be of all sources.
        SampleRng::for_order(config.seed, 1).shuffle(&mut drawn);
        for (pool, index) in drawn {
            let pool = &pools[pool];
            let sample = pool.sample(task, index)?;
            if pool.is_labelled() {
                collected.classes.extend(T::classes_in(&sample));
            }
            collected.push(T::image(&sample));
            progress.advance(1, String::new);
        }
        progress.finish();
        if collected.classes.len() == 1 {
            console::warning("all calibration images show one class only: ranges of what others show are unknown");
        }
        let sources = pools.iter().map(|pool| pool.name.clone()).collect();
        Ok(Self { batches: collected.finish(), summary: Summary { count: total, sources } })
    }

    /// How many there are, and where they are from.
    pub fn summary(&self) -> Summary {
        self.summary.clone()
    }

    /// The images as a graph takes them.
    pub fn normalized<'a>(&'a self, normalizer: &'a Normalizer) -> impl formats::quantize::Images + 'a {
        Normalized { images: self, normalizer }
    }
}

struct Normalized<'a> {
    images: &'a Images,
    normalizer: &'a Normalizer,
}

impl formats::quantize::Images for Normalized<'_> {
    fn batches(&self) -> usize {
        self.images.batches.len()
    }

    fn batch(&self, index: usize) -> Result<Tensor, formats::Error> {
        Ok(self.normalizer.bytes(&self.images.batches[index]))
    }
}

/// `count` divided over sources of these sizes, as evenly as they allow.
fn dealt(count: usize, sizes: &[usize]) -> Vec<usize> {
    let mut dealt = vec![0; sizes.len()];
    let mut left = count;
    loop {
        let open: Vec<usize> = (0..sizes.len()).filter(|&index| dealt[index] < sizes[index]).collect();
        if left == 0 || open.is_empty() {
            return dealt;
        }
        for &index in open.iter().take(left) {
            let share = (left / open.len()).max(1).min(sizes[index] - dealt[index]);
            dealt[index] += share;
        }
        left = count - dealt.iter().sum::<usize>();
    }
}

/// Images to draw from.
struct Pool<T: Evaluate> {
    name: String,
    images: Kept<T>,
    /// The order in which they are drawn.
    order: Vec<usize>,
}

enum Kept<T: Evaluate> {
    Set(Data<T::Dataset>),
    Files(Vec<PathBuf>, PixelOptions),
}

impl<T: Evaluate> Pool<T> {
    fn open(config: &Config<T::Keys>, path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        if !path.is_dir() {
            let file = ConfigFile::open(&path.to_string_lossy(), &[])?;
            if file.task()? != config.task {
                return Err(Failure::usage(format!("{} is for another task than the network", file.path().display())));
            }
            let mut other: Config<T::Keys> = file.config()?;
            // The network decides how its images are prepared.
            other.data.size = config.data.size;
            other.eval = config.eval.clone();
            other.backbone = config.backbone.clone();
            return Self::set(&other, name);
        }
        let files = image_files(path).map_err(Failure::failed)?;
        Ok(Self { name, order: (0..files.len()).collect(), images: Kept::Files(files, config.pixels()) })
    }

    /// The training set of a configuration.
    fn set(config: &Config<T::Keys>, name: String) -> Result<Self, Failure> {
        let data = T::calibration_data(config)?;
        Ok(Self { name, order: (0..data.samples.len()).collect(), images: Kept::Set(data) })
    }

    fn is_labelled(&self) -> bool {
        matches!(self.images, Kept::Set(_))
    }

    fn sample(&self, task: &T, index: usize) -> Result<T::Sample, Failure> {
        match &self.images {
            Kept::Set(data) => {
                let rng = &mut SampleRng::for_sample(0, 0, index as u64);
                data.samples.load(index, 0, rng).map_err(Failure::failed)
            }
            Kept::Files(files, pixels) => {
                let image = Image::read(&files[index], pixels).map_err(Failure::failed)?;
                task.prepare(&image, &files[index])
            }
        }
    }
}

/// Images in batches of one size.
#[derive(Default)]
struct Collected {
    batches: Vec<Tensor>,
    open: Vec<Image>,
    classes: BTreeSet<usize>,
}

impl Collected {
    fn push(&mut self, image: &Image) {
        let same = self.open.first().is_none_or(|first| first.size() == image.size());
        if !same || self.open.len() == BATCH {
            self.close();
        }
        self.open.push(image.clone());
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.batches.push(stack(self.open.iter()));
            self.open.clear();
        }
    }

    fn finish(mut self) -> Vec<Tensor> {
        self.close();
        self.batches
    }
}

#[cfg(test)]
mod tests {
    use super::dealt;

    #[test]
    fn images_are_dealt_evenly_as_far_as_sources_have_them() {
        assert_eq!(dealt(10, &[100, 100]), [5, 5]);
        assert_eq!(dealt(10, &[2, 100]), [2, 8]);
        assert_eq!(dealt(3, &[5, 5]), [2, 1]);
        assert_eq!(dealt(10, &[2, 3]), [2, 3]);
        assert_eq!(dealt(4, &[0, 9]), [0, 4]);
        assert_eq!(dealt(4, &[]), [0; 0]);
    }
}
