//! An exported file compared with its network.

use datasets::{Dataset, Image, SampleRng};
use serde::Serialize;
use tch::{Device, Tensor};

use super::ExportedModel;
use crate::failure::Failure;
use crate::model::{Network, Normalizer, stack};
use crate::task::{Data, Export};

/// A comparison of a file with the network that it was made from.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The kind of images.
    pub on: &'static str,
    /// How many images.
    pub images: usize,
    /// The largest difference, relative to the largest number.
    pub difference: f64,
}

/// The number of validation images that are compared.
const MAX_VALIDATION_IMAGES: usize = 8;
/// Pixels that are added to the sides of a random image where the file takes any size.
const ADDED_PIXELS: i64 = 32;

/// Compares the file with the network in deploy form on random images, alone and in a batch, and on images of `data`.
///
/// # Errors
/// When either cannot run, or an image cannot be read.
pub fn compare<T: Export>(
    exported: &ExportedModel,
    task: &T,
    network: &Network<T>,
    data: Option<&Data<T::Dataset>>,
) -> Result<Vec<Check>, Failure> {
    let normalizer = Normalizer::new(&exported.card.input.normalization, Device::Cpu, true);
    let difference = |bytes: &Tensor| {
        let outputs = exported.run(&exported.input(bytes))?;
        tch::no_grad(|| task.difference(&network.model, &normalizer.bytes(bytes), &outputs, exported.card.output_kind))
    };
    let [height, width] = exported.card.input.size;
    let mut shapes = vec![[1, height, width], [3, height, width]];
    if !exported.card.input.fixed_size {
        shapes.push([1, height + ADDED_PIXELS, width + 2 * ADDED_PIXELS]);
    }
    let mut random = Check { on: "random images", images: 0, difference: 0.0 };
    for [images, height, width] in shapes {
        let bytes = exported.random_bytes(images, [height, width]);
        random.add(images as usize, difference(&bytes)?);
    }
    let mut checks = vec![random];
    if let Some(data) = data {
        let mut real = Check { on: "validation images", images: 0, difference: 0.0 };
        for index in 0..data.samples.len().min(MAX_VALIDATION_IMAGES) {
            let sample =
                data.samples.load(index, 0, &mut SampleRng::for_sample(0, 0, index as u64)).map_err(Failure::failed)?;
            let image: &Image = T::image(&sample);
            real.add(1, difference(&stack([image].into_iter()))?);
        }
        if real.images > 0 {
            checks.push(real);
        }
    }
    Ok(checks)
}

impl Check {
    fn add(&mut self, images: usize, difference: f64) {
        self.images += images;
        // `max` would drop a difference that is not a number.
        self.difference = if difference.is_nan() { f64::INFINITY } else { self.difference.max(difference) };
    }
}
