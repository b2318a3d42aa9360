//! A network that computes in int8: the grids of its values and weights are variables of it, which are trained and saved as any other.

use backbone::{Form, StateDict};
use formats::graph::Graph;
use formats::quantize::{PREFIX, TRAINED, parameters, units, with_parameters};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

use super::{Network, graph_of};
use crate::failure::Failure;
use crate::task::Task;

/// The shapes of the variables that hold grids, by their keys: which layers and values are in int8. None of a network that computes in
/// floating point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridShapes(BTreeMap<String, Vec<i64>>);

impl GridShapes {
    /// Those of a network's state.
    pub fn of(state: &StateDict) -> Self {
        let grids = state.iter().filter(|(name, _)| name.starts_with(PREFIX));
        Self(grids.map(|(name, tensor)| (name.clone(), tensor.size())).collect())
    }
}

impl<T: Task> Network<T> {
    /// The same network with variables for grids of these shapes, all zero. Without any it stays in floating point.
    ///
    /// # Errors
    /// When it is not in deploy form, or exported files cannot hold it.
    pub fn with_grids(mut self, task: &T, shapes: &GridShapes) -> Result<Self, Failure> {
        if shapes.0.is_empty() {
            return Ok(self);
        }
        if self.form != Form::Deploy {
            return Err(Failure::failed(format!("a network in {} form cannot compute in int8", self.form)));
        }
        // A network that is trained computes some layers in another way.
        self.variables.freeze();
        self.int8 = Some(graph_of(task, &self)?);
        self.variables.unfreeze();
        for (key, shape) in &shapes.0 {
            let (folder, name) = key.rsplit_once('.').unwrap_or(("", key));
            let path = folder.split('.').fold(self.variables.root(), |path, part| path / part);
            let _ = path.add(name, Tensor::zeros(shape.as_slice(), (Kind::Float, self.device())), name == TRAINED);
        }
        Ok(self)
    }

    /// Whether it computes in int8.
    pub fn is_int8(&self) -> bool {
        self.int8.is_some()
    }

    /// The network with the weights and grids of a graph of it that was quantised.
    ///
    /// # Errors
    /// When it is the graph of another network.
    pub fn quantized(self, task: &T, graph: &Graph) -> Result<Self, Failure> {
        let tensors = parameters(graph)?;
        let mut network = self.with_grids(task, &GridShapes::of(&tensors))?;
        let mut state = network.weights();
        state.extend(tensors);
        network.load(&state)?;
        Ok(network)
    }

    /// The graph by which the network computes in int8, as gradients go through it; none where it computes in floating point.
    ///
    /// # Errors
    /// When the grids are not those of its layers.
    pub fn graph(&self) -> Result<Option<Graph>, Failure> {
        let graph = self.int8.as_ref().map(|graph| with_parameters(graph, &self.state()));
        Ok(graph.transpose()?)
    }

    /// What an optimiser counts the network's parameters in ([`formats::quantize::units`]); nothing where it computes in floating point.
    ///
    /// # Errors
    /// When the grids are not those of its layers.
    pub fn units(&self) -> Result<StateDict, Failure> {
        let units = self.int8.as_ref().map(|graph| units(graph, &self.state()));
        Ok(units.transpose()?.unwrap_or_default())
    }
}
