//! One operation of a TorchScript graph, and its arguments.

use std::collections::HashMap;

use tch_ext::jit::{Constant, Graph, Node};

use super::summary;
use crate::onnx::{Builder, Element, Error, Value};

/// The value of a name in the graph.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    Value(Value),
    List(Vec<Value>),
}

/// An operation that is being translated.
pub(super) struct Call<'a> {
    pub builder: &'a mut Builder,
    pub graph: &'a Graph,
    pub node: &'a Node,
    pub slots: &'a HashMap<String, Slot>,
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
            (None, Some(Slot::Value(value))) => format!("a computed {}", summary(value)),
            (None, Some(Slot::List(values))) => format!("a list of {} tensors", values.len()),
            (None, None) => "missing".to_owned(),
        };
        Error::Argument { operator: self.node.kind.clone(), index, expected, found }
    }

    /// Whether the argument is `None` or missing.
    pub fn is_none(&self, index: usize) -> bool {
        index >= self.len() || matches!(self.constant(index), Some(Constant::None))
    }

    /// A tensor: computed, or a weight. The next nodes are named after the layer of the weight.
    pub fn tensor(&mut self, index: usize) -> Result<Value, Error> {
        if let Some(Slot::Value(value)) = self.node.inputs.get(index).and_then(|name| self.slots.get(name)) {
            return Ok(value.clone());
        }
        match self.constant(index) {
            Some(Constant::Tensor { tensor, path: Some(path) }) => {
                if let Some((layer, _)) = path.rsplit_once('.') {
                    self.builder.scope(layer);
                }
                self.builder.weight(path, tensor)
            }
            Some(Constant::Tensor { tensor, path: None }) => {
                let name = format!("constant.{}", self.node.inputs[index]);
                self.builder.weight(&name, tensor)
            }
            _ => Err(self.unfit(index, "a tensor")),
        }
    }

    /// A tensor or number of the element kind of `like`.
    pub fn operand(&mut self, index: usize, like: &Value) -> Result<Value, Error> {
        match self.constant(index) {
            Some(Constant::Int(value)) => Ok(self.builder.number("number", *value as f64, like.element)),
            Some(Constant::Float(value)) if like.element == Element::F32 => {
                Ok(self.builder.number("number", *value, like.element))
            }
            _ => {
                let value = self.tensor(index)?;
                if value.element == like.element { Ok(value) } else { Err(self.unfit(index, "of the same kind")) }
            }
        }
    }

    /// The shape of the weight at `index`.
    pub fn weight_shape(&self, index: usize) -> Result<Vec<i64>, Error> {
        match self.constant(index) {
            Some(Constant::Tensor { tensor, .. }) => Ok(tensor.size()),
            _ => Err(self.unfit(index, "a weight")),
        }
    }

    /// Tensors in a list.
    pub fn values(&self, index: usize) -> Result<Vec<Value>, Error> {
        match self.node.inputs.get(index).and_then(|name| self.slots.get(name)) {
            Some(Slot::List(values)) => Ok(values.clone()),
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
