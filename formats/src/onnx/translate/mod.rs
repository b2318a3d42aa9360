//! The nodes of a TorchScript graph as ONNX's.
//!
//! | module | holds |
//! |---|---|
//! | `call` | one operation and its arguments |
//! | `layers` | convolutions, linear layers, pooling, resizing |
//! | `elementwise` | activations and arithmetic |
//! | `shapes` | what moves numbers without changing them |

mod call;
mod elementwise;
mod layers;
mod shapes;

use std::collections::HashMap;

use tch_ext::jit::{Graph, Node};

use self::call::{Call, Slot};
use crate::onnx::{Builder, Error, Value, error::described};

impl Builder {
    /// The nodes of a network: what it gives for `inputs`, one value for each output of the graph.
    ///
    /// Weights are named as the module that the graph is from names them, so it is to be one that is not frozen, and a network
    /// in deploy form: batch normalisation has no translation. Nodes are named after the layer whose weights came last.
    ///
    /// # Errors
    /// [`Error::Operator`] and [`Error::Argument`] where an operation has no translation, [`Error::Kind`] for a weight that is
    /// not in full precision, [`Error::Value`] where the inputs are not as many as the graph has.
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

/// What is said of a value in an error.
fn summary(value: &Value) -> String {
    described(value.element, &vec!["?"; value.rank])
}
