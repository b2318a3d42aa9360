//! An exported file compared with its network.

use backbone::Mode;
use datasets::{Dataset, Image, SampleRng};
use formats::graph::Graph;
use serde::Serialize;
use tch::{Device, Tensor};

use super::{CardInput, ExportedModel};
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
    /// What it may be.
    pub limit: f64,
    /// For a file in int8 or fp16: the largest difference of the network that rounds so from the one that does not, on the same images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_rounding: Option<f64>,
}

/// What a file is compared with.
pub struct Expected<'a, T: Export> {
    /// The task.
    pub task: &'a T,
    /// The network in deploy form.
    pub network: &'a Network<T>,
    /// The graph of a file that does not compute what the network computes: in int8, or in 16 bits.
    pub graph: Option<&'a Graph>,
    /// How the file rounds on its way.
    pub rounding: Rounding,
}

/// How a file rounds what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To 32 bits.
    Full,
    /// To 16 bits.
    Half,
    /// To steps of grids.
    Int8,
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

    /// By how much these outputs of a file differ, and by how much rounding alone makes them differ.
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
        let of_rounding = (self.rounding != Rounding::Full).then(|| {
            let float = self.task.forward(model, images, Mode::Eval)?;
            let quantized = self.task.expected_outputs(model, &output, size, kind)?;
            self.task.difference(model, (&float, size), &quantized, kind)
        });
        Ok((difference, of_rounding.transpose()?))
    }
}

/// The number of validation images that are compared.
const MAX_VALIDATION_IMAGES: usize = 8;
/// Sixteen steps of a grid of bytes.
const FEW_STEPS: f64 = 16.0 / 255.0;
/// Sixteen steps of numbers of 16 bits.
const FEW_HALVES: f64 = 16.0 / 2048.0;
/// Pixels that are added to the sides of a random image where the file takes any size.
const ADDED_PIXELS: i64 = 32;

/// Compares the file with what is expected on random images, alone and in a batch, and on images of `data`; `tolerance` is the limit where
/// the file computes what the network does.
///
/// # Errors
/// When either cannot run, or an image cannot be read.
pub fn compare<T: Export>(
    exported: &ExportedModel,
    expected: &Expected<'_, T>,
    data: Option<&Data<T::Dataset>>,
    tolerance: f64,
) -> Result<Vec<Check>, Failure> {
    let normalizer = Normalizer::new(&exported.card.input.normalization, Device::Cpu, true);
    let differences = |bytes: &Tensor| {
        let (outputs, kind) = exported.comparable_outputs(expected.task, bytes)?;
        tch::no_grad(|| expected.differences(&normalizer.bytes(bytes), &outputs, kind))
    };
    let CardInput { size: [height, width], sizes, fixed_size, .. } = &exported.card.input;
    let mut shapes = vec![[1, *height, *width], [3, *height, *width]];
    shapes.extend(sizes.iter().map(|&[height, width]| [1, height, width]));
    if !fixed_size {
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
            let scaled = exported.scaled(image)?;
            real.add(1, differences(&stack([scaled.as_ref().unwrap_or(image)].into_iter()))?);
        }
        if real.images > 0 {
            checks.push(real);
        }
    }
    for check in &mut checks {
        check.limit = check.limit_for(tolerance, expected.rounding);
    }
    Ok(checks)
}

impl Check {
    fn new(on: &'static str) -> Self {
        Self { on, images: 0, difference: 0.0, limit: 0.0, of_rounding: None }
    }

    fn add(&mut self, images: usize, (difference, of_rounding): (f64, Option<f64>)) {
        self.images += images;
        self.difference = largest(self.difference, difference);
        self.of_rounding = of_rounding.map(|own| largest(self.of_rounding.unwrap_or(0.0), own)).or(self.of_rounding);
    }

    /// By how much file and network may differ where `tolerance` is asked for. Runtimes round sums each in their way, and a later step
    /// follows from an earlier one: the file, and the network that rounds, may both be as far from the one that does not as rounding
    /// is, on either side of it, and a few steps in any case.
    fn limit_for(&self, tolerance: f64, rounding: Rounding) -> f64 {
        let steps = match rounding {
            Rounding::Full => return tolerance,
            Rounding::Half => FEW_HALVES,
            Rounding::Int8 => FEW_STEPS,
        };
        tolerance.max(2.0 * self.of_rounding.unwrap_or(0.0)).max(steps)
    }
}

/// `max` would drop a difference that is not a number.
fn largest(known: f64, found: f64) -> f64 {
    if found.is_nan() { f64::INFINITY } else { known.max(found) }
}
