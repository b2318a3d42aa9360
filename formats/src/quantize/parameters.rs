//! What is trained of a quantised graph, as tensors under names: any optimiser can train them, and a file of weights can hold them.
//!
//! Beside the weights and biases of all layers, which keep their names:
//!
//! | name | shape | |
//! |---|---|---|
//! | `int8.weights.LAYER.scale` | `[outputs]` | the calibrated scale of each output channel |
//! | `int8.weights.LAYER.change` | `[outputs]` | trained: the scale in use is `scale * exp(change)` |
//! | `int8.values.EDGE.scale`, `.change` | `[1]` | the same of an edge |
//! | `int8.values.EDGE.zero_point` | `[1]` | the byte of the number 0 |
//!
//! An edge is named after the layer or operation that computes it: `stage0.0.reparam_conv.relu`.

use std::collections::{BTreeMap, HashMap};

use tch::{Device, Kind, Tensor};

use super::name;
use crate::Error;
use crate::graph::{Edge, Graph, Grid, MAX_WEIGHT, along};

/// What the names of these tensors begin with, those of weights and biases left out.
pub const PREFIX: &str = "int8.";

/// What the names of those that are trained end with, behind a dot.
pub const TRAINED: &str = "change";

/// Steps of an optimiser in which a weight moves by a step of its grid, as a power of two. Their rounding is chosen well already: it
/// should change only for a reason.
const WEIGHT_UNIT: i32 = -6;
/// The same of the logarithm of a scale: a step of an optimiser is about 0.8 %.
const CHANGE_UNIT: i32 = -7;
/// No unit is smaller: what an optimiser counts stays a normal number.
const LEAST_UNIT: f64 = 1e-18;

fn failed(cause: tch::TchError) -> Error {
    Error::Torch { action: "reading the parameters of a quantised graph".to_owned(), cause }
}

/// The tensors of a quantised graph: copies.
///
/// # Errors
/// libtorch's.
pub fn parameters(graph: &Graph) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut tensors = BTreeMap::new();
    for position in graph.layers() {
        let layer = graph.layer(position);
        for weight in std::iter::once(&layer.weight).chain(&layer.bias) {
            tensors.insert(weight.name.clone(), weight.tensor.detach().copy());
        }
        if let Some(scales) = &layer.scales {
            let own = format!("{PREFIX}weights.{}", name(graph, position));
            tensors.insert(format!("{own}.scale"), scales.detach().copy());
            tensors.insert(format!("{own}.{TRAINED}"), scales.f_zeros_like().map_err(failed)?.detach());
        }
    }
    for (edge, own) in edges(graph) {
        if let Some(grid) = graph.facts(edge).grid {
            tensors.insert(format!("{own}.scale"), Tensor::from_slice(&[grid.scale as f32]));
            tensors.insert(format!("{own}.zero_point"), Tensor::from_slice(&[grid.zero_point as f32]));
            tensors.insert(format!("{own}.{TRAINED}"), Tensor::from_slice(&[0.0_f32]));
        }
    }
    Ok(tensors)
}

/// What an optimiser should count each trained tensor in, so that one learning rate fits all: about steps of grids. Powers of two, by
/// which numbers are divided and multiplied exactly; each of a shape that is broadcast to the tensor's. They depend on what is not
/// trained alone.
///
/// # Errors
/// [`Error::Value`] where a tensor of `tensors` is missing; libtorch's.
pub fn units(graph: &Graph, tensors: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, Error> {
    let named: HashMap<Edge, String> = edges(graph).collect();
    let scale_of = |edge: Edge| tensors.get(&format!("{}.scale", named[&edge]));
    let mut units = BTreeMap::new();
    let constant = |exponent: i32| Tensor::from_slice(&[f64::from(exponent).exp2() as f32]);
    for position in graph.layers() {
        let layer = graph.layer(position);
        let own = format!("{PREFIX}weights.{}", name(graph, position));
        let shape = layer.weight.tensor.size();
        let scales = match tensors.get(&format!("{own}.scale")) {
            Some(scales) => {
                units.insert(format!("{own}.{TRAINED}"), constant(CHANGE_UNIT));
                scales.shallow_clone()
            }
            // As if weights of the usual size had a grid.
            None => {
                let usual = 1.0 / (shape[1..].iter().product::<i64>().max(1) as f64).sqrt();
                Tensor::full([shape[0]], usual / MAX_WEIGHT as f64, (Kind::Float, layer.weight.tensor.device()))
            }
        };
        let unit = |values: &Tensor, exponent: i32| -> Result<Tensor, tch::TchError> {
            let exponents = values.f_clamp_min(LEAST_UNIT)?.f_log2()?.f_floor()?;
            exponents.f_add_scalar(f64::from(exponent))?.f_exp2()
        };
        let of_weight = unit(&scales, WEIGHT_UNIT).and_then(|unit| along(&unit, 0, shape.len())).map_err(failed)?;
        units.insert(layer.weight.name.clone(), of_weight);
        if let Some(bias) = &layer.bias {
            let output = match scale_of(graph.end_of(position)) {
                Some(scale) => scale.shallow_clone(),
                // What a full input adds by the largest weight.
                None => {
                    let input = scale_of(graph.node(position).inputs[0]);
                    let input = input.map_or(1.0, |scale| scale.double_value(&[0]));
                    scales.f_mul_scalar(input * MAX_WEIGHT as f64).map_err(failed)?
                }
            };
            units.insert(bias.name.clone(), unit(&output, 0).map_err(failed)?);
        }
    }
    for own in named.values().filter(|own| tensors.contains_key(&format!("{own}.scale"))) {
        units.insert(format!("{own}.{TRAINED}"), constant(CHANGE_UNIT));
    }
    Ok(units)
}

/// The graph with these tensors, which gradients reach: layers and edges compute in int8 where `tensors` has a scale for them.
///
/// # Errors
/// [`Error::Value`] for a tensor that is missing or of another shape, or that the graph has no place for; libtorch's.
pub fn with_parameters(graph: &Graph, tensors: &BTreeMap<String, Tensor>) -> Result<Graph, Error> {
    let mut given = graph.clone();
    let mut used = 0;
    let scaled = |own: &str| -> Result<Option<Tensor>, Error> {
        let Some(scale) = tensors.get(&format!("{own}.scale")) else { return Ok(None) };
        let change = required(tensors, &format!("{own}.{TRAINED}"), &scale.size())?;
        change.f_exp().and_then(|factor| factor.f_mul(scale)).map(Some).map_err(failed)
    };
    for position in graph.layers().collect::<Vec<_>>() {
        let own = format!("{PREFIX}weights.{}", name(graph, position));
        let layer = given.layer_mut(position);
        for weight in std::iter::once(&mut layer.weight).chain(&mut layer.bias) {
            weight.tensor = required(tensors, &weight.name, &weight.tensor.size())?.shallow_clone();
        }
        layer.scales = scaled(&own)?;
        used += 2 * usize::from(layer.scales.is_some());
    }
    for (edge, own) in edges(graph) {
        match scaled(&own)? {
            Some(scale) => {
                let zero_point = required(tensors, &format!("{own}.zero_point"), &[1])?.double_value(&[0]);
                let grid = Grid { scale: number(&scale), zero_point: zero_point as i64 };
                given.set_grid(edge, Some(grid));
                given.set_scale(edge, scale);
                used += 3;
            }
            None => given.set_grid(edge, None),
        }
    }
    let all = tensors.keys().filter(|name| name.starts_with(PREFIX)).count();
    if used != all {
        return Err(Error::value(
            "the grids of a network in int8",
            "those of its layers",
            format!("{} others", all - used),
        ));
    }
    Ok(given)
}

/// The same with numbers in place of tensors that are trained, and every weight on its grid: what is written to files.
///
/// # Errors
/// libtorch's.
pub fn settled(graph: &Graph) -> Result<Graph, Error> {
    tch::no_grad(|| {
        let mut settled = graph.detached();
        for position in graph.layers() {
            let rounded = graph.node(position).operation.rounded_weight().map_err(failed)?;
            let layer = settled.layer_mut(position);
            layer.weight.tensor = rounded.detach().copy().to_device(Device::Cpu);
            layer.scales = layer.scales.as_ref().map(|scales| scales.detach().copy());
        }
        for edge in graph.all_edges() {
            settled.set_grid(edge, graph.facts(edge).grid);
        }
        Ok(settled)
    })
}

fn required<'a>(tensors: &'a BTreeMap<String, Tensor>, name: &str, shape: &[i64]) -> Result<&'a Tensor, Error> {
    let found = tensors.get(name);
    found.filter(|tensor| tensor.size() == shape).ok_or_else(|| {
        let found = found.map_or_else(|| "none".to_owned(), |tensor| format!("{:?}", tensor.size()));
        Error::value(format!("`{name}` of a network in int8"), format!("{shape:?}"), found)
    })
}

fn number(scale: &Tensor) -> f64 {
    f64::from(scale.double_value(&[0]) as f32)
}

/// The edges with their names, which a file keeps.
fn edges(graph: &Graph) -> impl Iterator<Item = (Edge, String)> + '_ {
    let mut seen: HashMap<String, usize> = HashMap::new();
    graph.all_edges().map(move |edge| {
        let own = match graph.writer(edge) {
            None => "input".to_owned(),
            Some(position) => {
                let node = graph.node(position);
                let operation = node.operation.name().replace(' ', "_");
                match node.operation.layer() {
                    Some(_) => name(graph, position).to_owned(),
                    None if node.scope.is_empty() => operation,
                    None => format!("{}.{operation}", node.scope),
                }
            }
        };
        let times = seen.entry(own.clone()).and_modify(|times| *times += 1).or_insert(1);
        let own = if *times == 1 { own } else { format!("{own}.{times}") };
        (edge, format!("{PREFIX}values.{own}"))
    })
}
