//! A network in deploy form as a list of typed operations, from which every format is written.
//!
//! | module | holds |
//! |---|---|
//! | [`operation`](Operation) | the operations and their settings |
//! | [`ends`] | what follows a network |
//! | `read` | from a TorchScript graph |
//! | `sides` | the shapes of tensors |
//! | `run` | the interpreter, by libtorch |
//!
//! Edges carry tensors between nodes. An edge may have a [`Grid`] and a layer's weights may have [scales](Layer::scales): then the
//! graph is quantised, its values are rounded there, and [`Graph::run`] computes what a file in int8 computes, up to a step of a
//! grid where a runtime rounds a tie otherwise.

pub mod ends;
mod operation;
mod read;
mod run;
mod sides;

pub(crate) use operation::along;
pub(crate) use run::MAX_WEIGHT;
pub(crate) use sides::is_single_pixel;

pub use operation::{Binary, Convolution, Grid, Layer, Operation, Unary, Weight};
pub use sides::Side;

use tch::{Kind, Tensor};

use crate::Element;

/// The place of a tensor between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge(usize);

impl Edge {
    /// Its number in the graph, from 0.
    pub fn index(self) -> usize {
        self.0
    }
}

/// What is known of the tensor on an edge.
#[derive(Debug)]
pub struct Facts {
    /// The kind of its elements.
    pub element: Element,
    /// Its number of dimensions.
    pub rank: usize,
    /// Where its values are rounded to bytes.
    pub grid: Option<Grid>,
    /// The grid's scale while it is trained, float `[1]`, in place of the grid's own.
    scale: Option<Tensor>,
}

impl Clone for Facts {
    /// The copy shares the memory.
    fn clone(&self) -> Self {
        let scale = self.scale.as_ref().map(Tensor::shallow_clone);
        Self { element: self.element, rank: self.rank, grid: self.grid, scale }
    }
}

/// An operation with one output.
#[derive(Debug, Clone)]
pub struct Node {
    /// The layer that it belongs to, as in the names of its weights: `stage0.reparam_conv`.
    pub scope: String,
    /// What it computes.
    pub operation: Operation,
    /// What it reads, in order.
    pub inputs: Vec<Edge>,
    /// What it computes.
    pub output: Edge,
}

/// A network. Nodes come in an order in which they can be computed.
#[derive(Debug, Clone)]
pub struct Graph {
    inputs: Vec<Edge>,
    outputs: Vec<Edge>,
    nodes: Vec<Node>,
    edges: Vec<Facts>,
    /// Whether every number is rounded to 16 bits.
    half: bool,
}

impl Graph {
    /// The inputs: float `[N, C, H, W]`.
    pub fn inputs(&self) -> &[Edge] {
        &self.inputs
    }

    /// The outputs.
    pub fn outputs(&self) -> &[Edge] {
        &self.outputs
    }

    /// The nodes, in an order in which they can be computed.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by its position.
    pub fn node(&self, position: usize) -> &Node {
        &self.nodes[position]
    }

    /// What is known of an edge.
    pub fn facts(&self, edge: Edge) -> &Facts {
        &self.edges[edge.0]
    }

    /// The number of edges.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// The positions of the nodes that read an edge, once each.
    pub fn readers(&self, edge: Edge) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |&position| self.nodes[position].inputs.contains(&edge))
    }

    /// The position of the node that computes an edge; `None` for an input.
    pub fn writer(&self, edge: Edge) -> Option<usize> {
        self.nodes.iter().position(|node| node.output == edge)
    }

    /// The positions of convolutions and linear layers.
    pub fn layers(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&position| self.nodes[position].operation.layer().is_some())
    }

    /// Where the values of a layer are rounded, if at all: its output, or that of the activation which alone reads it.
    pub fn end_of(&self, layer: usize) -> Edge {
        let output = self.nodes[layer].output;
        let mut readers = self.readers(output);
        match (readers.next(), readers.next()) {
            (Some(reader), None) if self.nodes[reader].operation.is_activation() && !self.outputs.contains(&output) => {
                self.nodes[reader].output
            }
            _ => output,
        }
    }

    /// The edges, inputs first.
    pub fn all_edges(&self) -> impl Iterator<Item = Edge> + use<> {
        (0..self.edges.len()).map(Edge)
    }

    /// Rounds an edge by a scale that gradients reach, float `[1]`, until [`Graph::set_grid`].
    pub(crate) fn set_scale(&mut self, edge: Edge, scale: Tensor) {
        self.edges[edge.0].scale = Some(scale);
    }

    /// Sets or removes the grid of an edge.
    pub fn set_grid(&mut self, edge: Edge, grid: Option<Grid>) {
        let facts = &mut self.edges[edge.0];
        (facts.grid, facts.scale) = (grid, None);
    }

    /// The weights of a layer, to be changed.
    ///
    /// # Panics
    /// Where the node at `position` is not a convolution or linear layer.
    pub fn layer_mut(&mut self, position: usize) -> &mut Layer {
        self.nodes[position].operation.layer_mut().expect("a convolution or linear layer")
    }

    /// The weights of a layer.
    ///
    /// # Panics
    /// Where the node at `position` is not a convolution or linear layer.
    pub fn layer(&self, position: usize) -> &Layer {
        self.nodes[position].operation.layer().expect("a convolution or linear layer")
    }

    /// The same with the weights of layers rounded to 16 bits.
    pub fn with_half_weights(&self) -> Self {
        let mut rounded = self.detached();
        for node in &mut rounded.nodes {
            if let Some(layer) = node.operation.layer_mut() {
                layer.weight.tensor = halved(&layer.weight.tensor);
            }
        }
        rounded
    }

    /// The same with every number rounded to 16 bits: weights, biases, and what each node computes.
    pub fn in_half(&self) -> Self {
        let mut rounded = self.with_half_weights();
        for node in &mut rounded.nodes {
            if let Some(bias) = node.operation.layer_mut().and_then(|layer| layer.bias.as_mut()) {
                bias.tensor = halved(&bias.tensor);
            }
        }
        Self { half: true, ..rounded }
    }

    /// The same computation with weights that do not share memory.
    pub fn detached(&self) -> Self {
        let mut copy = self.clone();
        for node in &mut copy.nodes {
            if let Some(layer) = node.operation.layer_mut() {
                layer.weight.tensor = layer.weight.tensor.detach().copy();
                if let Some(bias) = &mut layer.bias {
                    bias.tensor = bias.tensor.detach().copy();
                }
            }
        }
        copy
    }
}

/// Numbers rounded to 16 bits; whole numbers as they are.
fn halved(tensor: &Tensor) -> Tensor {
    if tensor.is_floating_point() { tensor.to_kind(Kind::Half).to_kind(Kind::Float) } else { tensor.shallow_clone() }
}

/// A graph while it is being read.
#[derive(Debug, Default)]
struct Draft {
    nodes: Vec<Node>,
    edges: Vec<Facts>,
    scope: String,
}

impl Draft {
    fn edge(&mut self, element: Element, rank: usize) -> Edge {
        self.edges.push(Facts { element, rank, grid: None, scale: None });
        Edge(self.edges.len() - 1)
    }

    /// Adds a node whose output has this element kind and rank.
    fn node(&mut self, operation: Operation, inputs: &[Edge], element: Element, rank: usize) -> Edge {
        let output = self.edge(element, rank);
        self.nodes.push(Node { scope: self.scope.clone(), operation, inputs: inputs.to_vec(), output });
        output
    }

    fn element(&self, edge: Edge) -> Element {
        self.edges[edge.0].element
    }

    fn rank(&self, edge: Edge) -> usize {
        self.edges[edge.0].rank
    }

    /// Adds a node whose output is like its first input.
    fn like(&mut self, operation: Operation, inputs: &[Edge]) -> Edge {
        let rank = inputs.iter().map(|&edge| self.rank(edge)).max().unwrap_or(0);
        self.node(operation, inputs, self.element(inputs[0]), rank)
    }
}
