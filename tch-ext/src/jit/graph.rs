//! A method's graph as data, for translation to other formats.

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_int, c_void},
    ptr,
};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{
    border::{Text, check},
    module::{CModule, Module},
};
use crate::Error;

/// The operations of a method, as a list without branches and calls. Values have unique names in the graph.
#[derive(Debug, Default)]
pub struct Graph {
    /// The method's arguments, in order, without the module itself.
    pub inputs: Vec<String>,
    /// Its results, in order; a tuple's elements one by one.
    pub outputs: Vec<String>,
    /// Its operations, in order.
    pub nodes: Vec<Node>,
    /// The used values that are known: constants, lists of constants, and the module's tensors and attributes.
    pub constants: BTreeMap<String, Constant>,
}

/// One operation.
#[derive(Debug, Default)]
pub struct Node {
    /// The operator ("aten::conv2d", "prim::ListConstruct").
    pub kind: String,
    /// Names of its arguments, in the order of its schema.
    pub inputs: Vec<String>,
    /// Names of its results.
    pub outputs: Vec<String>,
}

/// A value that does not depend on the inputs.
#[derive(Debug)]
pub enum Constant {
    /// Python's `None`, or an undefined tensor.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer; element kinds, layouts and memory formats are integers too.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text, or a device.
    Text(String),
    /// A tensor.
    Tensor {
        /// The tensor, sharing the module's memory.
        tensor: Tensor,
        /// Its dotted name in the module, `None` for a constant of the graph (after [`Module::freeze`]).
        path: Option<String>,
    },
    /// A list or a tuple.
    List(Vec<Constant>),
}

/// As in `csrc/jit_graph.cpp`.
#[repr(C)]
struct Scalar {
    tag: c_int,
    whole: i64,
    real: f64,
    text: Text,
    tensor: *mut C_tensor,
}

type PieceSink = unsafe extern "C" fn(*mut c_void, c_int, Text);
type ScalarSink = unsafe extern "C" fn(*mut c_void, Scalar);

unsafe extern "C" {
    fn tch_ext_jit_nodes(
        module: *const CModule,
        method: Text,
        piece: PieceSink,
        scalar: ScalarSink,
        graph: *mut c_void,
    ) -> *mut c_char;
}

impl Module {
    /// A method's graph as it was recorded or compiled, with the methods that it calls inlined. If the module is not
    /// frozen, its tensors have names.
    ///
    /// # Errors
    /// An unknown method, a graph with branches, or a constant of another type than [`Constant`]'s.
    pub fn nodes(&self, method: &str) -> Result<Graph, Error> {
        let mut pieces = Pieces::default();
        // SAFETY: the module and the text live through the call; only the two sinks use `pieces` during it.
        check("list the nodes of a graph", unsafe {
            tch_ext_jit_nodes(
                self.as_ptr(),
                Text::new(method),
                push_piece,
                push_scalar,
                ptr::from_mut(&mut pieces).cast(),
            )
        })?;
        Ok(pieces.graph)
    }
}

/// The graph while it is received.
#[derive(Default)]
struct Pieces {
    graph: Graph,
    /// The constant whose value comes next.
    name: String,
    /// Lists that are not complete yet, the inner ones last, with their lengths.
    open: Vec<(usize, Vec<Constant>)>,
}

impl Pieces {
    fn piece(&mut self, piece: c_int, text: String) {
        let last = self.graph.nodes.last_mut();
        match (piece, last) {
            (0, _) => self.graph.inputs.push(text),
            (1, _) => self.graph.outputs.push(text),
            (2, _) => self.graph.nodes.push(Node { kind: text, ..Node::default() }),
            (3, Some(node)) => node.inputs.push(text),
            (4, Some(node)) => node.outputs.push(text),
            (5, _) => self.name = text,
            _ => unreachable!("csrc/jit_graph.cpp has these pieces, in this order"),
        }
    }

    fn value(&mut self, mut value: Constant) {
        while let Some((length, elements)) = self.open.last_mut() {
            elements.push(value);
            if elements.len() < *length {
                return;
            }
            value = Constant::List(std::mem::take(elements));
            self.open.pop();
        }
        self.graph.constants.insert(std::mem::take(&mut self.name), value);
    }
}

/// # Safety
/// `pieces` is a live [`Pieces`] that nothing else uses, `text` is readable.
unsafe extern "C" fn push_piece(pieces: *mut c_void, piece: c_int, text: Text) {
    // SAFETY: as promised by the caller.
    unsafe { (*pieces.cast::<Pieces>()).piece(piece, text.to_string()) }
}

/// # Safety
/// `pieces` is a live [`Pieces`] that nothing else uses, the text is readable, and ownership of a tensor passes to Rust.
unsafe extern "C" fn push_scalar(pieces: *mut c_void, scalar: Scalar) {
    // SAFETY: as promised by the caller.
    let (pieces, text) = unsafe { (&mut *pieces.cast::<Pieces>(), scalar.text.to_string()) };
    let value = match scalar.tag {
        1 => Constant::Bool(scalar.whole != 0),
        2 => Constant::Int(scalar.whole),
        3 => Constant::Float(scalar.real),
        4 => Constant::Text(text),
        5 => {
            // SAFETY: as promised by the caller.
            let tensor = unsafe { Tensor::from_ptr(scalar.tensor) };
            Constant::Tensor { tensor, path: (!text.is_empty()).then_some(text) }
        }
        6 if scalar.whole > 0 => {
            pieces.open.push((scalar.whole as usize, Vec::new()));
            return;
        }
        6 => Constant::List(Vec::new()),
        _ => Constant::None,
    };
    pieces.value(value);
}
