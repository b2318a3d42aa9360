//! An exported file compared with its network.

use backbone::Mode;
use datasets::{Dataset, Image, SampleRng};
use formats::graph::Graph;
use serde::Serialize;
use tch::{Device, Tensor};

use super::ExportedModel;
use crate::failure::Failure;
use crate::model::{Network, Normalizer, stack};
use crate::task::{Data, Export, OutputKind};

/// A comparison of a file with the network that it was made from.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The kind of images.
    pub on: &'static str,
    /// How many images.
    pub images: usize,
    /// The largest difference, relative to the largest number.
    pub difference: f64,
    /// For a file in int8: the largest difference of the quantised network from that in floating point on the same images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_int8: Option<f64>,
}

/// What a file is compared with.
pub struct Expected<'a, T: Export> {
    /// The task.
    pub task: &'a T,
    /// The network in deploy form.
    pub network: &'a Network<T>,
    /// The graph of a file that does not compute what the network computes: in int8, or with weights in 16 bits.
    pub graph: Option<&'a Graph>,
    /// Whether it is in int8.
    pub int8: bool,
}

impl<T: Export> Expected<'_, T> {
    /// The output for normalised images `[N, C, H, W]`.
    ///
    /// # Errors
    /// When they do not fit the network.
    pub fn output(&self, images: &Tensor) -> Result<T::Output, Failure> {
        match self.graph {
            Some(graph) => self.task.output_of(graph.run(&[images.shallow_clone()])?),
            None => self.task.forward(&self.network.model, images, Mode::Eval),
        }
    }

    /// By how much these outputs of a file differ, and by how much int8 differs from floating point.
    fn differences(
        &self,
        images: &Tensor,
        outputs: &[Tensor],
        kind: OutputKind,
    ) -> Result<(f64, Option<f64>), Failure> {
        let model = &self.network.model;
        let size = [images.size()[2], images.size()[3]];
        let output = self.output(images)?;
        let difference = self.task.difference(model, (&output, size), outputs, kind)?;
        let of_int8 = self.int8.then(|| {
            let float = self.task.forward(model, images, Mode::Eval)?;
            let quantized = self.task.expected_outputs(model, &output, size, kind)?;
            self.task.difference(model, (&float, size), &quantized, kind)
        });
        Ok((difference, of_int8.transpose()?))
    }
}

/// The number of validation images that are compared.
const MAX_VALIDATION_IMAGES: usize = 8;
/// Sixteen steps of a grid of bytes.
const FEW_STEPS: f64 = 16.0 / 255.0;
/// Pixels that are added to the sides of a random image where the file takes any size.
const ADDED_PIXELS: i64 = 32;

/// Compares the file with what is expected on random images, alone and in a batch, and on images of `data`.
///
/// # Errors
/// When either cannot run, or an image cannot be read.
pub fn compare<T: Export>(
    exported: &ExportedModel,
    expected: &Expected<'_, T>,
    data: Option<&Data<T::Dataset>>,
) -> Result<Vec<Check>, Failure> {
    let normalizer = Normalizer::new(&exported.card.input.normalization, Device::Cpu, true);
    let differences = |bytes: &Tensor| {
        let outputs = exported.outputs(expected.task, bytes)?;
        tch::no_grad(|| expected.differences(&normalizer.bytes(bytes), &outputs, exported.card.output_kind))
    };
    let [height, width] = exported.card.input.size;
    let mut shapes = vec![[1, height, width], [3, height, width]];
    if !exported.card.input.fixed_size {
        shapes.push([1, height + ADDED_PIXELS, width + 2 * ADDED_PIXELS]);
    }
    let mut random = Check::new("random images");
    for [images, height, width] in shapes {
        let bytes = exported.random_bytes(images, [height, width]);
        random.add(images as usize, differences(&bytes)?);
    }
    let mut checks = vec![random];
    if let Some(data) = data {
        let mut real = Check::new("validation images");
        for index in 0..data.samples.len().min(MAX_VALIDATION_IMAGES) {
            let sample =
                data.samples.load(index, 0, &mut SampleRng::for_sample(0, 0, index as u64)).map_err(Failure::failed)?;
            let image: &Image = T::image(&sample);
            real.add(1, differences(&stack([image].into_iter()))?);
        }
        if real.images > 0 {
            checks.push(real);
        }
    }
    Ok(checks)
}

impl Check {
    fn new(on: &'static str) -> Self {
        Self { on, images: 0, difference: 0.0, of_int8: None }
    }

    fn add(&mut self, images: usize, (difference, of_int8): (f64, Option<f64>)) {
        self.images += images;
        self.difference = largest(self.difference, difference);
        self.of_int8 = of_int8.map(|own| largest(self.of_int8.unwrap_or(0.0), own)).or(self.of_int8);
    }

    /// Whether the difference is within `tolerance`. Runtimes round sums in int8 each in their way, and a later step of a grid follows
    /// from an earlier one: file and quantised network may both be as far from floating point as int8 is, on either side of it, and a
    /// few steps of a byte in any case.
    pub fn is_within(&self, tolerance: f64) -> bool {
        let limit = self.of_int8.map_or(tolerance, |own| tolerance.max(2.0 * own).max(FEW_STEPS));
        self.difference <= limit
    }
}

/// `max` would drop a difference that is not a number.
fn largest(known: f64, found: f64) -> f64 {
    if found.is_nan() { f64::INFINITY } else { known.max(found) }
}
