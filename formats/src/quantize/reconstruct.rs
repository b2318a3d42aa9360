//! The quantised network trained to give the float network's outputs, by images without labels.
//!
//! Weights, biases and the grids of edges move together, end to end; roundings pass their gradients on (the straight-through estimator;
//! for grids Esser et al., arXiv 1902.08153). What is minimised is the noise of every rounded edge and of the outputs, each relative to
//! the float network's power there, so that no edge and no output has a weight to be chosen.
//!
//! All parameters are counted in [units](units) of their own grids, so one learning rate fits all, whatever the scales of the layers.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};
use tch_ext::foreach::clear_gradients;
use tch_ext::optim::{AdamWOptions, adamw_step, in_units};

use super::{Images, Progress, Quantized, parameters, report, settled, units, with_parameters};
use crate::Error;
use crate::graph::{Edge, Graph};

/// How long a network is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reconstruction {
    /// Passes over the images.
    pub epochs: usize,
    /// The largest change of a step at the beginning, in steps of grids; it falls to zero along a half cosine.
    pub rate: f64,
}

impl Default for Reconstruction {
    fn default() -> Self {
        Self { epochs: 10, rate: 0.05 }
    }
}

/// One batch in so many is held out, one at least.
const HELD_OUT: usize = 8;

/// Trains a quantised graph; returns the noise on images that are held out, before and after. Where it does not fall, nothing is changed.
///
/// # Errors
/// [`Error::Value`] where there is a single batch, of which none can be held out; those of `images`; libtorch's.
pub fn reconstruct(
    quantized: &mut Quantized,
    images: &dyn Images,
    options: Reconstruction,
    progress: &mut Progress<'_>,
) -> Result<[f64; 2], Error> {
    let batches = images.batches();
    if batches < 2 {
        return Err(Error::value("the number of batches for a reconstruction", "at least 2", batches.to_string()));
    }
    let period = HELD_OUT.min(batches);
    let (held_out, training): (Vec<usize>, Vec<usize>) = (0..batches).partition(|index| (index + 1) % period == 0);
    let Quantized { graph, reference, .. } = &*quantized;
    let held_out_noise = |graph: &Graph| -> Result<f64, Error> {
        let mut sum = 0.0;
        for &index in &held_out {
            let batch = images.batch(index)?;
            sum += tch::no_grad(|| Ok::<_, Error>(noise(reference, graph, &batch)?.double_value(&[])))?;
        }
        Ok(sum / held_out.len() as f64)
    };
    let before = held_out_noise(graph)?;
    let mut latent = Latent::of(graph)?;
    let total = options.epochs * training.len();
    let mut step = 0;
    for epoch in 0..options.epochs {
        for &index in &training {
            let batch = images.batch(index)?;
            let batch = if (epoch + index) % 2 == 0 { batch } else { batch.flip([3]) };
            let rate = 0.5 * options.rate * (1.0 + (std::f64::consts::PI * step as f64 / total as f64).cos());
            let trained = with_parameters(graph, &latent.tensors)?;
            noise(reference, &trained, &batch)?.f_backward().map_err(failed)?;
            step += 1;
            latent.step(step, rate)?;
            progress(step, total, "reconstruction");
        }
    }
    let trained = settled(&tch::no_grad(|| with_parameters(graph, &latent.tensors))?)?;
    let after = held_out_noise(&trained)?;
    if after < before {
        quantized.layers = report::layers(reference, &trained, images)?;
        quantized.graph = trained;
    }
    Ok([before, after])
}

fn failed(cause: tch::TchError) -> Error {
    Error::Torch { action: "reconstructing".to_owned(), cause }
}

/// What a quantised graph lacks of the float graph: the mean noise of the rounded edges and that of the outputs, each by the float
/// graph's power there. A scalar that gradients reach.
///
/// # Errors
/// libtorch's.
pub fn noise(float: &Graph, graph: &Graph, batch: &Tensor) -> Result<Tensor, Error> {
    let inputs = [batch.shallow_clone()];
    let mut expected: Vec<Option<Tensor>> = (0..graph.edges()).map(|_| None).collect();
    let watched = |edge: Edge| graph.facts(edge).grid.is_some() && !graph.inputs().contains(&edge);
    let outputs = tch::no_grad(|| {
        float.run_watched(&inputs, &mut |edge, tensor| {
            if watched(edge) {
                expected[edge.index()] = Some(tensor.shallow_clone());
            }
            Ok(())
        })
    })?;
    let mut edges: Vec<Tensor> = Vec::new();
    let found = graph.run_watched(&inputs, &mut |edge, tensor| {
        if let Some(expected) = expected[edge.index()].take() {
            edges.push(relative(&expected, tensor).map_err(failed)?);
        }
        Ok(())
    })?;
    let mut parts = Vec::new();
    if !edges.is_empty() {
        parts.push(Tensor::f_stack(&edges, 0).and_then(|all| all.f_mean(Kind::Float)).map_err(failed)?);
    }
    for (expected, found) in outputs.iter().zip(&found) {
        parts.push(relative(expected, found).map_err(failed)?);
    }
    Tensor::f_stack(&parts, 0).and_then(|all| all.f_sum(Kind::Float)).map_err(failed)
}

/// The power of the difference by the power of what is expected.
fn relative(expected: &Tensor, found: &Tensor) -> Result<Tensor, tch::TchError> {
    let power = expected.f_square()?.f_mean(Kind::Float)?.f_clamp_min(1e-12)?;
    found.f_sub(expected)?.f_square()?.f_mean(Kind::Float)?.f_div(&power)
}

/// The parameters of a graph, with Adam's moments.
struct Latent {
    tensors: BTreeMap<String, Tensor>,
    trained: Vec<Tensor>,
    units: Vec<Tensor>,
    moments: [Vec<Tensor>; 2],
}

impl Latent {
    fn of(graph: &Graph) -> Result<Self, Error> {
        let tensors = parameters(graph)?;
        let units = units(graph, &tensors)?;
        let trained = units.keys().map(|name| tensors[name].set_requires_grad(true)).collect::<Vec<_>>();
        let zeros = || trained.iter().map(|tensor| tch::no_grad(|| tensor.zeros_like())).collect();
        let moments = [zeros(), zeros()];
        Ok(Self { tensors, trained, units: units.into_values().collect(), moments })
    }

    fn step(&mut self, step: usize, rate: f64) -> Result<(), Error> {
        let gradients: Vec<Tensor> = self.trained.iter().map(Tensor::grad).collect();
        let options = AdamWOptions { lr: rate, weight_decay: 0.0, ..AdamWOptions::default() };
        let [first, second] = &mut self.moments;
        in_units(&self.trained, &gradients, &self.units, |counts, gradients| {
            adamw_step(counts, gradients, first, second, step as i64, options)
        })
        .map_err(|cause| Error::value("a step of the reconstruction", "possible", cause.to_string()))?;
        clear_gradients(&self.trained);
        Ok(())
    }
}
