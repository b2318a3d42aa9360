//! One operation of a TorchScript graph, and its arguments.

use std::collections::HashMap;

use tch::{Kind, Tensor};
use tch_ext::jit::{Constant, Graph, Node};

use crate::graph::{Draft, Edge, Operation, Weight};
use crate::{Element, Error, described};

/// The value of a name in the recorded graph.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    Edge(Edge),
    List(Vec<Edge>),
}

/// An operation that is being read.
pub(super) struct Call<'a> {
    pub draft: &'a mut Draft,
    pub graph: &'a Graph,
    pub node: &'a Node,
    pub slots: &'a HashMap<String, Slot>,
    /// The edges of constants, by name.
    pub constants: &'a mut HashMap<String, Edge>,
}

impl<'a> Call<'a> {
    /// The operator without its namespace; empty where it is not one of libtorch's.
    pub fn operator(&self) -> &'a str {
        self.node.kind.strip_prefix("aten::").unwrap_or_default()
    }

    /// The number of arguments.
    pub fn len(&self) -> usize {
        self.node.inputs.len()
    }

    fn constant(&self, index: usize) -> Option<&'a Constant> {
        self.graph.constants.get(self.node.inputs.get(index)?)
    }

    /// An error about an argument.
    pub fn unfit(&self, index: usize, expected: &'static str) -> Error {
        let found = match (self.constant(index), self.node.inputs.get(index).and_then(|name| self.slots.get(name))) {
            (Some(Constant::Tensor { tensor, .. }), _) => format!("a tensor {:?}", tensor.size()),
            (Some(constant), _) => format!("{constant:?}"),
            (None, Some(Slot::Edge(edge))) => {
                format!("a computed {}", described(self.draft.element(*edge), &vec!["?"; self.draft.rank(*edge)]))
            }
            (None, Some(Slot::List(edges))) => format!("a list of {} tensors", edges.len()),
            (None, None) => "missing".to_owned(),
        };
        Error::Argument { operator: self.node.kind.clone(), index, expected, found }
    }

    /// Whether the argument is `None` or missing.
    pub fn is_none(&self, index: usize) -> bool {
        index >= self.len() || matches!(self.constant(index), Some(Constant::None))
    }

    /// A tensor: computed, or known. The next nodes are named after the layer that a known one belongs to.
    pub fn tensor(&mut self, index: usize) -> Result<Edge, Error> {
        if let Some(Slot::Edge(edge)) = self.node.inputs.get(index).and_then(|name| self.slots.get(name)) {
            return Ok(*edge);
        }
        let weight = self.weight(index, "a tensor")?;
        if let Some(&edge) = self.constants.get(&weight.name) {
            return Ok(edge);
        }
        let (name, element, rank) = (weight.name.clone(), element(&weight)?, weight.tensor.dim());
        let edge = self.draft.node(Operation::Constant(weight), &[], element, rank);
        self.constants.insert(name, edge);
        Ok(edge)
    }

    /// A known tensor. The next nodes are named after the layer that it belongs to.
    pub fn weight(&mut self, index: usize, expected: &'static str) -> Result<Weight, Error> {
        let Some(Constant::Tensor { tensor, path }) = self.constant(index) else {
            return Err(self.unfit(index, expected));
        };
        if let Some((layer, _)) = path.as_ref().and_then(|path| path.rsplit_once('.')) {
            layer.clone_into(&mut self.draft.scope);
        }
        let name = path.clone().unwrap_or_else(|| format!("constant.{}", self.node.inputs[index]));
        let weight = Weight { name, tensor: tensor.shallow_clone() };
        element(&weight)?;
        Ok(weight)
    }

    /// A tensor or number of the element kind of `like`.
    pub fn operand(&mut self, index: usize, like: Edge) -> Result<Edge, Error> {
        let element = self.draft.element(like);
        match self.constant(index) {
            Some(Constant::Int(value)) => Ok(self.number(*value as f64, element)),
            Some(Constant::Float(value)) if element == Element::F32 => Ok(self.number(*value, element)),
            _ => {
                let edge = self.tensor(index)?;
                if self.draft.element(edge) == element { Ok(edge) } else { Err(self.unfit(index, "of the same kind")) }
            }
        }
    }

    /// A number as a tensor without dimensions.
    pub fn number(&mut self, value: f64, element: Element) -> Edge {
        let kind = match element {
            Element::I64 => Kind::Int64,
            Element::U8 => Kind::Uint8,
            Element::Bool => Kind::Bool,
            _ => Kind::Float,
        };
        let tensor = Tensor::scalar_tensor(value, (kind, tch::Device::Cpu));
        self.draft.node(Operation::Constant(Weight { name: String::new(), tensor }), &[], element, 0)
    }

    /// Tensors in a list.
    pub fn edges(&self, index: usize) -> Result<Vec<Edge>, Error> {
        match self.node.inputs.get(index).and_then(|name| self.slots.get(name)) {
            Some(Slot::List(edges)) => Ok(edges.clone()),
            _ => Err(self.unfit(index, "a list of tensors")),
        }
    }

    /// The node's arguments as a list.
    pub fn list(&mut self) -> Result<Slot, Error> {
        Ok(Slot::List((0..self.len()).map(|index| self.tensor(index)).collect::<Result<_, _>>()?))
    }

    pub fn int(&self, index: usize) -> Result<i64, Error> {
        match self.constant(index) {
            Some(Constant::Int(value)) => Ok(*value),
            _ => Err(self.unfit(index, "an integer")),
        }
    }

    pub fn float(&self, index: usize) -> Result<f64, Error> {
        match self.constant(index) {
            Some(Constant::Float(value)) => Ok(*value),
            Some(Constant::Int(value)) => Ok(*value as f64),
            _ => Err(self.unfit(index, "a number")),
        }
    }

    pub fn bool(&self, index: usize) -> Result<bool, Error> {
        match self.constant(index) {
            Some(Constant::Bool(value)) => Ok(*value),
            _ => Err(self.unfit(index, "a truth value")),
        }
    }

    pub fn text(&self, index: usize) -> Option<&'a str> {
        match self.constant(index) {
            Some(Constant::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn ints(&self, index: usize) -> Result<Vec<i64>, Error> {
        let int = |constant: &Constant| if let Constant::Int(value) = constant { Some(*value) } else { None };
        let ints = match self.constant(index) {
            Some(Constant::List(elements)) => elements.iter().map(int).collect(),
            _ => None,
        };
        ints.ok_or_else(|| self.unfit(index, "a list of integers"))
    }

    /// Rows and columns.
    pub fn pair(&self, index: usize) -> Result<[i64; 2], Error> {
        self.ints(index)?.try_into().map_err(|_| self.unfit(index, "two numbers"))
    }

    /// An error about the argument unless the condition holds.
    pub fn require(&self, holds: bool, index: usize, expected: &'static str) -> Result<(), Error> {
        if holds { Ok(()) } else { Err(self.unfit(index, expected)) }
    }

    /// A dimension of a tensor of this rank, counted from the front.
    pub fn axis(&self, index: usize, rank: usize) -> Result<usize, Error> {
        self.axis_of(self.int(index)?, index, rank)
    }

    pub fn axis_of(&self, dim: i64, index: usize, rank: usize) -> Result<usize, Error> {
        let axis = if dim < 0 { dim + rank as i64 } else { dim };
        usize::try_from(axis).ok().filter(|&axis| axis < rank).ok_or_else(|| self.unfit(index, "a dimension"))
    }
}

fn element(weight: &Weight) -> Result<Element, Error> {
    match weight.tensor.kind() {
        Kind::Float => Ok(Element::F32),
        Kind::Int64 => Ok(Element::I64),
        Kind::Uint8 => Ok(Element::U8),
        Kind::Bool => Ok(Element::Bool),
        found => Err(Error::Kind { name: weight.name.clone(), found }),
    }
}
