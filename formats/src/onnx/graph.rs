//! Building a graph.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use tch::{Kind, Tensor};

use crate::onnx::{
    messages::{attribute, bytes, info},
    model::Model,
    proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto},
};
use crate::{Array, Data, Element, Error};

/// The version of the format, of the same year as the operator set.
const IR_VERSION: i64 = 8;
/// The version of ONNX's operators.
const OPERATOR_SET: i64 = 17;

/// A side of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always the same.
    Fixed(i64),
    /// Free; sides with the same name are equal in a run.
    Named(String),
}

impl Dim {
    /// A free side ("batch").
    pub fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Fixed(side) => side.fmt(f),
            Self::Named(name) => name.fmt(f),
        }
    }
}

/// A tensor in the graph that is being built; it belongs to the builder that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) rank: usize,
}

impl Value {
    /// The kind of its elements.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.rank
    }
}

/// A setting of a node.
#[derive(Debug, Clone)]
pub(crate) enum Setting<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Text(&'a str),
}

/// A graph while it is being built. Constants are written when a node uses them.
#[derive(Debug)]
pub struct Builder {
    graph: GraphProto,
    values: HashSet<String>,
    nodes: HashSet<String>,
    /// The layer that the next nodes belong to, as in the names of its weights.
    scope: String,
}

impl Builder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        let graph = GraphProto { name: name.to_owned(), ..GraphProto::default() };
        Self { graph, values: HashSet::new(), nodes: HashSet::new(), scope: String::new() }
    }

    /// The next nodes are named `{scope}/{operator}`, until a layer with weights follows.
    pub fn scope(&mut self, name: &str) {
        name.clone_into(&mut self.scope);
    }

    /// Adds an input.
    ///
    /// # Errors
    /// [`Error::Name`] where the name is in use, [`Error::Value`] for an empty name or a fixed side below 1.
    pub fn input(&mut self, name: &str, element: Element, shape: &[Dim]) -> Result<Value, Error> {
        let info = info(name, element, shape)?;
        self.take_name(name)?;
        self.graph.input.push(info);
        Ok(Value { name: name.to_owned(), element, rank: shape.len() })
    }

    /// Makes a value an output with this name. The shape is written for readers and checkers of the file.
    ///
    /// # Errors
    /// [`Error::Name`] where the name is in use, [`Error::Value`] for an empty name, a shape of another rank or a fixed side
    /// below 1.
    pub fn output(&mut self, name: &str, value: &Value, shape: &[Dim]) -> Result<(), Error> {
        if shape.len() != value.rank {
            let what = format!("the shape of the output `{name}`");
            return Err(Error::value(what, format!("{} sides", value.rank), format!("{} sides", shape.len())));
        }
        let info = info(name, value.element, shape)?;
        self.take_name(name)?;
        self.graph.output.push(info);
        self.graph.node.push(NodeProto {
            input: vec![value.name.clone()],
            output: vec![name.to_owned()],
            name: format!("{name}/Identity"),
            op_type: "Identity".to_owned(),
            ..NodeProto::default()
        });
        Ok(())
    }

    /// The finished model with `metadata`.
    ///
    /// # Errors
    /// [`Error::Value`] where the graph has no output, [`Error::TooLarge`] from 2 GiB on.
    pub fn finish(self, metadata: &BTreeMap<String, String>) -> Result<Model, Error> {
        if self.graph.output.is_empty() {
            return Err(Error::value("the graph", "one with an output", "one without"));
        }
        let entry =
            |(key, value): (&String, &String)| StringStringEntryProto { key: key.clone(), value: value.clone() };
        let proto = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "pipeline".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(without_identities(self.graph)),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
            metadata_props: metadata.iter().map(entry).collect(),
            functions: Vec::new(),
        };
        Model::new(proto)
    }

    /// A tensor of libtorch as a constant with this name; the same one may be added again.
    ///
    /// # Errors
    /// [`Error::Kind`], and [`Error::Name`] where something else has this name.
    pub(crate) fn weight(&mut self, name: &str, tensor: &Tensor) -> Result<Value, Error> {
        let element = match tensor.kind() {
            Kind::Float => Element::F32,
            Kind::Int64 => Element::I64,
            Kind::Uint8 => Element::U8,
            Kind::Int8 => Element::I8,
            Kind::Int => Element::I32,
            Kind::Bool => Element::Bool,
            found => return Err(Error::Kind { name: name.to_owned(), found }),
        };
        let shape = tensor.size();
        let bytes =
            bytes(tensor, element).map_err(|cause| Error::Torch { action: format!("copying `{name}`"), cause })?;
        if self.values.insert(name.to_owned()) {
            self.initializer(name, element, &shape, bytes);
        } else {
            let known = self.graph.initializer.iter().find(|known| known.name == name);
            if known.is_none_or(|known| known.dims != shape || known.raw_data != bytes) {
                return Err(Error::Name { name: name.to_owned() });
            }
        }
        Ok(Value { name: name.to_owned(), element, rank: shape.len() })
    }

    /// A constant that is not a weight; `role` is its purpose.
    pub(crate) fn constant(&mut self, role: &str, array: &Array) -> Value {
        let wanted = self.scoped(role);
        let name = unique(&mut self.values, &wanted);
        let shape: Vec<i64> = array.shape().iter().map(|&side| side as i64).collect();
        self.initializer(&name, array.element(), &shape, array.to_bytes());
        Value { name, element: array.element(), rank: shape.len() }
    }

    /// A list of integers as a constant.
    pub(crate) fn ints(&mut self, role: &str, values: &[i64]) -> Value {
        self.constant(role, &Array::ints(values))
    }

    /// A number as a constant without dimensions.
    pub(crate) fn number(&mut self, role: &str, value: f64, element: Element) -> Value {
        let data = match element {
            Element::F32 => Data::F32(vec![value as f32]),
            Element::I64 => Data::I64(vec![value as i64]),
            Element::U8 => Data::U8(vec![value as u8]),
            Element::I8 => Data::I8(vec![value as i8]),
            Element::I32 => Data::I32(vec![value as i32]),
            Element::Bool => Data::Bool(vec![value != 0.0]),
        };
        self.constant(role, &Array::scalar(data))
    }

    /// A node with one output.
    pub(crate) fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        settings: &[(&str, Setting)],
        (element, rank): (Element, usize),
    ) -> Value {
        let inputs: Vec<_> = inputs.iter().map(|&value| Some(value)).collect();
        let mut outputs = self.nodes(operator, &inputs, settings, &[(element, rank)]);
        outputs.remove(0)
    }

    /// A node whose output has the element kind of its first input.
    pub(crate) fn map(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        let rank = inputs.iter().map(|value| value.rank).max().unwrap_or(0);
        self.node(operator, inputs, &[], (inputs[0].element, rank))
    }

    /// A node with any number of outputs; an input may be left out.
    pub(crate) fn nodes(
        &mut self,
        operator: &str,
        inputs: &[Option<&Value>],
        settings: &[(&str, Setting)],
        outputs: &[(Element, usize)],
    ) -> Vec<Value> {
        let wanted = self.scoped(operator);
        let name = unique(&mut self.nodes, &wanted);
        let output = |(index, &(element, rank)): (usize, &(Element, usize))| {
            let wanted = if outputs.len() == 1 { name.clone() } else { format!("{name}_{index}") };
            Value { name: unique(&mut self.values, &wanted), element, rank }
        };
        let values: Vec<_> = outputs.iter().enumerate().map(output).collect();
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| input.map(|value| value.name.clone()).unwrap_or_default()).collect(),
            output: values.iter().map(|value| value.name.clone()).collect(),
            name,
            op_type: operator.to_owned(),
            attribute: settings.iter().map(|(name, setting)| attribute(name, setting)).collect(),
            domain: String::new(),
        });
        values
    }

    fn initializer(&mut self, name: &str, element: Element, shape: &[i64], raw_data: Vec<u8>) {
        self.graph.initializer.push(TensorProto {
            dims: shape.to_vec(),
            data_type: element.code(),
            name: name.to_owned(),
            raw_data,
            ..TensorProto::default()
        });
    }

    fn scoped(&self, name: &str) -> String {
        if self.scope.is_empty() { name.to_owned() } else { format!("{}/{name}", self.scope) }
    }

    fn take_name(&mut self, name: &str) -> Result<(), Error> {
        if name.is_empty() {
            return Err(Error::value("a name", "a text", "empty"));
        }
        if self.values.insert(name.to_owned()) { Ok(()) } else { Err(Error::Name { name: name.to_owned() }) }
    }
}

/// While a graph is built, outputs are `Identity` nodes, because their values may be used further. In the end the node before
/// computes the output itself.
fn without_identities(mut graph: GraphProto) -> GraphProto {
    let named: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let mut position = 0;
    while position < graph.node.len() {
        let node = &graph.node[position];
        if node.op_type != "Identity" || !named.contains(&node.output[0]) || named.contains(&node.input[0]) {
            position += 1;
            continue;
        }
        let (from, to) = (node.input[0].clone(), node.output[0].clone());
        let maker = graph.node.iter().position(|node| node.output.contains(&from));
        if maker.is_none() {
            position += 1;
            continue;
        }
        graph.node.remove(position);
        for node in &mut graph.node {
            for name in node.input.iter_mut().chain(&mut node.output).filter(|name| **name == from) {
                name.clone_from(&to);
            }
        }
    }
    graph
}

fn unique(taken: &mut HashSet<String>, wanted: &str) -> String {
    let numbered = (1..).map(|number| format!("{wanted}_{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| taken.insert(name.clone())).expect("there is always another number")
}
