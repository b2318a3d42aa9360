//! From a TorchScript graph to ONNX nodes.
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

use tch_ext::jit::{Graph, Node};

use self::call::{Call, Slot};
use crate::onnx::{Builder, Error, Value, error::described};

impl Builder {
    /// Adds the nodes of a network; returns a value for each output of the graph.
    ///
    /// Weights keep the names that they have in the graph's module, which therefore must not be frozen. The network must be in
    /// deploy form: batch normalisation cannot be translated. A node is named after the layer whose weights came last.
    ///
    /// # Errors
    /// [`Error::Operator`] and [`Error::Argument`] where an operation cannot be translated, [`Error::Kind`] for a weight that is
    /// not in full precision, [`Error::Value`] where the graph has another number of inputs.
    pub fn network(&mut self, graph: &Graph, inputs: &[Value]) -> Result<Vec<Value>, Error> {
        if graph.inputs.len() != inputs.len() {
            let expected = format!("{} ({})", graph.inputs.len(), graph.inputs.join(", "));
            return Err(Error::value("the number of the network's inputs", expected, inputs.len().to_string()));
        }
        let named = graph.inputs.iter().zip(inputs);
        let mut slots: HashMap<String, Slot> =
            named.map(|(name, value)| (name.clone(), Slot::Value(value.clone()))).collect();
        for node in &graph.nodes {
            let results = self.translate(graph, node, &slots)?;
            slots.extend(node.outputs.iter().cloned().zip(results));
        }
        let output = |name: &String| match slots.get(name) {
            Some(Slot::Value(value)) => Ok(value.clone()),
            Some(Slot::List(_)) | None => Err(Error::value(format!("the output `{name}`"), "a tensor", "none")),
        };
        graph.outputs.iter().map(output).collect()
    }

    fn translate(&mut self, graph: &Graph, node: &Node, slots: &HashMap<String, Slot>) -> Result<Vec<Slot>, Error> {
        let mut call = Call { builder: self, graph, node, slots };
        match node.kind.as_str() {
            "prim::ListConstruct" => return Ok(vec![call.list()?]),
            "prim::ListUnpack" => {
                return Ok(call.values(0)?.into_iter().map(Slot::Value).collect());
            }
            "aten::split_with_sizes" => return Ok(vec![Slot::List(call.split()?)]),
            _ => {}
        }
        let value = match call.layer()? {
            Some(value) => Some(value),
            None => match call.elementwise()? {
                Some(value) => Some(value),
                None => call.shape()?,
            },
        };
        let value = value.ok_or_else(|| Error::Operator { operator: node.kind.clone() })?;
        Ok(vec![Slot::Value(value)])
    }
}

/// A value in words, for errors.
fn summary(value: &Value) -> String {
    described(value.element, &vec!["?"; value.rank])
}
