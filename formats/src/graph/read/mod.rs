//! From a TorchScript graph to the operations of [`Graph`].
//!
//! | module | holds |
//! |---|---|
//! | `call` | one operation and its arguments |
//! | `layers` | convolutions, linear layers, pooling, resizing |
//! | `elementwise` | activations and arithmetic |
//! | `shapes` | changes of shape |

mod call;
mod elementwise;
mod layers;
mod shapes;

use std::collections::HashMap;

use tch_ext::jit;

use self::call::{Call, Slot};
use super::{Draft, Edge, Graph};
use crate::{Element, Error};

impl Graph {
    /// Reads the graph of a recorded network, whose inputs are float with these ranks.
    ///
    /// Weights keep the names that they have in the graph's module, which therefore must not be frozen, and share its memory. The
    /// network must be in deploy form: batch normalisation is not supported. A node belongs to the layer whose weights came last.
    ///
    /// # Errors
    /// [`Error::Operator`] and [`Error::Argument`] for an operation that is not supported, [`Error::Kind`] for a weight that is
    /// not in full precision, [`Error::Value`] where the graph has another number of inputs.
    pub fn read(recorded: &jit::Graph, ranks: &[usize]) -> Result<Self, Error> {
        if recorded.inputs.len() != ranks.len() {
            let expected = format!("{} ({})", recorded.inputs.len(), recorded.inputs.join(", "));
            return Err(Error::value("the number of the network's inputs", expected, ranks.len().to_string()));
        }
        let mut draft = Draft::default();
        let inputs: Vec<Edge> = ranks.iter().map(|&rank| draft.edge(Element::F32, rank)).collect();
        let named = recorded.inputs.iter().cloned().zip(inputs.iter().map(|&edge| Slot::Edge(edge)));
        let mut slots: HashMap<String, Slot> = named.collect();
        let mut constants = HashMap::new();
        for node in &recorded.nodes {
            let results = Call { draft: &mut draft, graph: recorded, node, slots: &slots, constants: &mut constants }
                .results()?;
            slots.extend(node.outputs.iter().cloned().zip(results));
        }
        let output = |name: &String| match slots.get(name) {
            Some(Slot::Edge(edge)) => Ok(*edge),
            Some(Slot::List(_)) | None => Err(Error::value(format!("the output `{name}`"), "a tensor", "none")),
        };
        let outputs = recorded.outputs.iter().map(output).collect::<Result<_, _>>()?;
        Ok(Self { inputs, outputs, nodes: draft.nodes, edges: draft.edges, half: false })
    }
}

impl Call<'_> {
    fn results(mut self) -> Result<Vec<Slot>, Error> {
        match self.node.kind.as_str() {
            "prim::ListConstruct" => return Ok(vec![self.list()?]),
            "prim::ListUnpack" => return Ok(self.edges(0)?.into_iter().map(Slot::Edge).collect()),
            "aten::split_with_sizes" => return Ok(vec![Slot::List(self.split()?)]),
            _ => {}
        }
        let edge = match self.layer()? {
            Some(edge) => Some(edge),
            None => match self.elementwise()? {
                Some(edge) => Some(edge),
                None => self.shape()?,
            },
        };
        let edge = edge.ok_or_else(|| Error::Operator { operator: self.node.kind.clone() })?;
        Ok(vec![Slot::Edge(edge)])
    }
}
