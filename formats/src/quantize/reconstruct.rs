//! The quantised network trained to give the float network's outputs, by images without labels.
//!
//! Weights, biases and the grids of edges move together, end to end; roundings pass their gradients on (the straight-through estimator;
//! for grids Esser et al., arXiv 1902.08153). What is minimised is the noise of every rounded edge and of the outputs, each relative to
//! the float network's power there, so that no edge and no output has a weight to be chosen.
//!
//! All parameters are counted in steps of their own grids: a weight in steps of its channel, a bias in steps of its output, a grid in
//! hundredths of itself. So one learning rate fits all, whatever the scales of the layers are.

use tch::{Kind, Tensor};
use tch_ext::optim::{AdamWOptions, adamw_step};

use super::{Images, Progress, Quantized, report};
use crate::graph::{Edge, Graph, Grid, MAX_WEIGHT, along};
use crate::onnx::Error;

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
/// Steps that a weight is counted in. Small, because the weights' rounding is chosen well already: it should change only for a reason.
const WEIGHT_UNIT: f64 = 0.02;
/// The unit in which the logarithm of a grid's scale is counted.
const GRID_UNIT: f64 = 0.01;

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
    let noise = |graph: &Graph| -> Result<f64, Error> {
        let mut sum = 0.0;
        for &index in &held_out {
            let batch = images.batch(index)?;
            sum += tch::no_grad(|| Ok::<_, Error>(loss(reference, graph, &batch)?.double_value(&[])))?;
        }
        Ok(sum / held_out.len() as f64)
    };
    let before = noise(graph)?;
    let mut latent = Latent::of(graph).map_err(failed)?;
    let total = options.epochs * training.len();
    let mut step = 0;
    for epoch in 0..options.epochs {
        for &index in &training {
            let batch = images.batch(index)?;
            let batch = if (epoch + index) % 2 == 0 { batch } else { batch.flip([3]) };
            let rate = 0.5 * options.rate * (1.0 + (std::f64::consts::PI * step as f64 / total as f64).cos());
            let trained = latent.graph(graph).map_err(failed)?;
            loss(reference, &trained, &batch)?.f_backward().map_err(failed)?;
            step += 1;
            latent.step(step, rate)?;
            progress(step, total, "reconstruction");
        }
    }
    let trained = tch::no_grad(|| latent.settled(graph)).map_err(failed)?;
    let after = noise(&trained)?;
    if after < before {
        quantized.layers = report::layers(reference, &trained, images)?;
        quantized.graph = trained;
    }
    Ok([before, after])
}

fn failed(cause: tch::TchError) -> Error {
    Error::Torch { action: "reconstructing".to_owned(), cause }
}

/// The mean relative noise of the rounded edges, and that of the outputs.
fn loss(float: &Graph, graph: &Graph, batch: &Tensor) -> Result<Tensor, Error> {
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
            edges.push(noise(&expected, tensor).map_err(failed)?);
        }
        Ok(())
    })?;
    let mut parts = Vec::new();
    if !edges.is_empty() {
        parts.push(Tensor::f_stack(&edges, 0).and_then(|all| all.f_mean(Kind::Float)).map_err(failed)?);
    }
    for (expected, found) in outputs.iter().zip(&found) {
        parts.push(noise(expected, found).map_err(failed)?);
    }
    Tensor::f_stack(&parts, 0).and_then(|all| all.f_sum(Kind::Float)).map_err(failed)
}

/// The power of the difference by the power of what is expected.
fn noise(expected: &Tensor, found: &Tensor) -> Result<Tensor, tch::TchError> {
    let power = expected.f_square()?.f_mean(Kind::Float)?.f_clamp_min(1e-12)?;
    found.f_sub(expected)?.f_square()?.f_mean(Kind::Float)?.f_div(&power)
}

/// The parameters in their units, with Adam's moments.
struct Latent {
    /// Of each layer in int8: its position, and weights in [`WEIGHT_UNIT`] steps of their grids.
    weights: Vec<(usize, Tensor)>,
    /// Of each of them: the changes of the logarithms of its scales.
    scales: Vec<Tensor>,
    /// Of each layer with a bias: its position, the change, and its unit.
    biases: Vec<(usize, Tensor, Tensor)>,
    /// Of each edge with a grid: the change of the scale's logarithm.
    grids: Vec<(Edge, Tensor)>,
    moments: Vec<[Tensor; 2]>,
}

impl Latent {
    fn of(graph: &Graph) -> Result<Self, tch::TchError> {
        let variable = |tensor: Tensor| tensor.detach().copy().set_requires_grad(true);
        let (mut weights, mut channels, mut biases, mut grids) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for position in graph.layers() {
            let layer = graph.layer(position);
            let Some(scales) = &layer.scales else { continue };
            let steps = layer.weight.tensor.f_div(&along(scales, 0, layer.weight.tensor.dim())?)?.f_round()?;
            weights.push((position, variable(steps.f_div_scalar(WEIGHT_UNIT)?)));
            channels.push(variable(scales.f_zeros_like()?));
            if let Some(bias) = &layer.bias {
                let unit = match graph.facts(graph.end_of(position)).grid {
                    Some(grid) => scales.f_zeros_like()?.f_add_scalar(grid.scale)?,
                    // The weights' own reach: a full input to the largest weight.
                    None => {
                        let input = graph.facts(graph.node(position).inputs[0]).grid.map_or(1.0, |grid| grid.scale);
                        scales.f_mul_scalar(input * MAX_WEIGHT as f64)?
                    }
                };
                biases.push((position, variable(bias.tensor.f_zeros_like()?), unit));
            }
        }
        for edge in graph.all_edges().filter(|&edge| graph.facts(edge).grid.is_some()) {
            grids.push((edge, variable(Tensor::f_zeros([1], (Kind::Float, tch::Device::Cpu))?)));
        }
        let mut latent = Self { weights, scales: channels, biases, grids, moments: Vec::new() };
        latent.moments = latent
            .variables()
            .iter()
            .map(|tensor| Ok([tensor.f_zeros_like()?, tensor.f_zeros_like()?]))
            .collect::<Result<_, tch::TchError>>()?;
        Ok(latent)
    }

    fn variables(&self) -> Vec<&Tensor> {
        let weights = self.weights.iter().map(|(_, tensor)| tensor);
        let biases = self.biases.iter().map(|(_, tensor, _)| tensor);
        weights.chain(&self.scales).chain(biases).chain(self.grids.iter().map(|(_, tensor)| tensor)).collect()
    }

    /// `graph` with these parameters, which gradients reach.
    fn graph(&self, graph: &Graph) -> Result<Graph, tch::TchError> {
        let mut trained = graph.clone();
        for ((position, steps), change) in self.weights.iter().zip(&self.scales) {
            let layer = trained.layer_mut(*position);
            if let Some(scales) = &layer.scales {
                let scales = change.f_mul_scalar(GRID_UNIT)?.f_exp()?.f_mul(scales)?;
                layer.weight.tensor = steps.f_mul_scalar(WEIGHT_UNIT)?.f_mul(&along(&scales, 0, steps.dim())?)?;
                layer.scales = Some(scales.f_detach()?);
            }
        }
        for (position, change, unit) in &self.biases {
            if let Some(bias) = &mut trained.layer_mut(*position).bias {
                bias.tensor = bias.tensor.f_add(&change.f_mul(unit)?)?;
            }
        }
        for (edge, change) in &self.grids {
            if let Some(Grid { scale, .. }) = graph.facts(*edge).grid {
                trained.set_scale(*edge, change.f_mul_scalar(GRID_UNIT)?.f_exp()?.f_mul_scalar(scale)?);
            }
        }
        Ok(trained)
    }

    /// `graph` with these parameters as numbers.
    fn settled(&self, graph: &Graph) -> Result<Graph, tch::TchError> {
        let mut settled = self.graph(graph)?;
        settled.settle();
        for (position, _) in &self.weights {
            let layer = settled.layer_mut(*position);
            layer.weight.tensor = layer.rounded_weight()?;
        }
        Ok(settled)
    }

    fn step(&mut self, step: usize, rate: f64) -> Result<(), Error> {
        let variables: Vec<Tensor> = self.variables().into_iter().map(Tensor::shallow_clone).collect();
        let gradients: Vec<Tensor> = variables.iter().map(Tensor::grad).collect();
        let moment =
            |place: usize| -> Vec<Tensor> { self.moments.iter().map(|pair| pair[place].shallow_clone()).collect() };
        let options = AdamWOptions { lr: rate, weight_decay: 0.0, ..AdamWOptions::default() };
        let (mut first, mut second) = (moment(0), moment(1));
        adamw_step(&variables, &gradients, &mut first, &mut second, step as i64, options)
            .map_err(|cause| Error::value("a step of the reconstruction", "possible", cause.to_string()))?;
        variables.into_iter().for_each(|mut tensor| tensor.zero_grad());
        Ok(())
    }
}
