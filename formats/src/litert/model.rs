//! A `.tflite` file while it is put together: tensors, operators, what it takes and gives. Field numbers are those of TensorFlow Lite's
//! `schema.fbs`, version 3.

use std::collections::BTreeMap;

use super::description::{self, Description};
use super::flatbuffer::{Field, Offset, Writer};
use super::operators::{self, Code, Operator, Options};
use crate::graph::{Grid, Side};
use crate::{Element, Error};

/// The kind of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F16,
    I32,
    U8,
    I64,
    Bool,
    I8,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::I32 => 2,
            Self::U8 => 3,
            Self::I64 => 4,
            Self::Bool => 6,
            Self::I8 => 9,
        }
    }
}

impl From<Element> for Kind {
    fn from(element: Element) -> Self {
        match element {
            Element::F32 => Self::F32,
            Element::U8 => Self::U8,
            Element::I8 => Self::I8,
            Element::I32 => Self::I32,
            Element::I64 => Self::I64,
            Element::Bool => Self::Bool,
        }
    }
}

/// Which number a tensor's integers stand for: `scale * (integer - zero_point)`, a scale for each position of an axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantization {
    pub scales: Vec<f32>,
    pub zero_point: i64,
    pub axis: i32,
}

impl From<Grid> for Quantization {
    /// As signed bytes, which count from -128.
    fn from(grid: Grid) -> Self {
        Self { scales: vec![grid.scale as f32], zero_point: grid.zero_point - 128, axis: 0 }
    }
}

/// A tensor of a file.
#[derive(Debug, Clone)]
pub struct Value {
    pub(super) index: i32,
    pub(super) kind: Kind,
    pub(super) sides: Vec<Side>,
}

#[derive(Debug)]
struct Tensor {
    name: String,
    kind: Kind,
    sides: Vec<Side>,
    buffer: usize,
    quantization: Option<Quantization>,
}

/// An operator in its place.
#[derive(Debug)]
struct Step {
    code: usize,
    inputs: Vec<i32>,
    outputs: Vec<i32>,
    options: Options,
}

/// Puts a file together.
#[derive(Debug)]
pub struct Builder {
    name: String,
    tensors: Vec<Tensor>,
    /// The first one is empty, for tensors that are computed.
    buffers: Vec<Vec<u8>>,
    codes: Vec<Code>,
    steps: Vec<Step>,
    inputs: Vec<(String, i32)>,
    outputs: Vec<(String, i32)>,
    pub(super) scope: String,
    /// Whether weights are kept in 16 bits.
    pub(super) half: bool,
}

impl Builder {
    /// An empty file.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tensors: Vec::new(),
            buffers: vec![Vec::new()],
            codes: Vec::new(),
            steps: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            scope: String::new(),
            half: false,
        }
    }

    /// Keeps the weights of layers that compute in floating point in 16 bits.
    pub fn keep_weights_in_half(&mut self) {
        self.half = true;
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, element: Element, sides: &[Side]) -> Value {
        let value = self.tensor(name, element.into(), sides, None);
        self.inputs.push((name.to_owned(), value.index));
        value
    }

    /// Makes a tensor an output.
    pub fn output(&mut self, name: &str, value: &Value) {
        self.outputs.push((name.to_owned(), value.index));
    }

    pub(super) fn tensor(
        &mut self,
        name: &str,
        kind: Kind,
        sides: &[Side],
        quantization: Option<Quantization>,
    ) -> Value {
        let name = match self.scope.is_empty() {
            true => name.to_owned(),
            false => format!("{}/{name}", self.scope),
        };
        self.tensors.push(Tensor { name, kind, sides: sides.to_vec(), buffer: 0, quantization });
        Value { index: self.tensors.len() as i32 - 1, kind, sides: sides.to_vec() }
    }

    pub(super) fn constant(
        &mut self,
        name: &str,
        kind: Kind,
        shape: &[i64],
        bytes: Vec<u8>,
        quantization: Option<Quantization>,
    ) -> Value {
        let sides: Vec<Side> = shape.iter().map(|&length| Side::fixed(length)).collect();
        let value = self.tensor(name, kind, &sides, quantization);
        self.buffers.push(bytes);
        self.tensors[value.index as usize].buffer = self.buffers.len() - 1;
        value
    }

    pub(super) fn ints(&mut self, name: &str, numbers: &[i32], shape: &[i64]) -> Value {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(name, Kind::I32, shape, bytes, None)
    }

    pub(super) fn floats(&mut self, name: &str, numbers: &[f32], shape: &[i64]) -> Value {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(name, Kind::F32, shape, bytes, None)
    }

    pub(super) fn operator(&mut self, operator: Operator, inputs: &[&Value], outputs: &[&Value]) {
        let Operator { code, options } = operator;
        let code = self.codes.iter().position(|known| *known == code).unwrap_or_else(|| {
            self.codes.push(code);
            self.codes.len() - 1
        });
        let indices = |values: &[&Value]| values.iter().map(|value| value.index).collect();
        self.steps.push(Step { code, inputs: indices(inputs), outputs: indices(outputs), options });
    }

    /// An operator with one output of the first input's kind.
    pub(super) fn compute(&mut self, name: &str, operator: Operator, inputs: &[&Value], sides: &[Side]) -> Value {
        let output = self.tensor(name, inputs[0].kind, sides, None);
        self.operator(operator, inputs, &[&output]);
        output
    }

    /// A part of an axis: from `start` to before `end`, every `step`; the axis itself is left out with `drop`.
    pub(super) fn sliced(
        &mut self,
        xs: &Value,
        axis: usize,
        [start, end, step]: [i64; 3],
        drop: bool,
        sides: &[Side],
    ) -> Value {
        let rank = xs.sides.len();
        let numbers = |value: i64, others: i32| {
            let mut numbers = vec![others; rank];
            numbers[axis] = value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
            numbers
        };
        let shape = [rank as i64];
        let begin = self.ints("begin", &numbers(start, 0), &shape);
        let end = self.ints("end", &numbers(end, 0), &shape);
        let strides = self.ints("strides", &numbers(step, 1), &shape);
        let others = ((1 << rank) - 1) & !(1 << axis);
        let shrink = if drop { 1 << axis } else { 0 };
        self.compute("part", operators::slice(others, others, shrink), &[xs, &begin, &end, &strides], sides)
    }

    /// The file, with these entries as metadata beside what it says to applications.
    ///
    /// # Errors
    /// [`Error::Value`] where the labels cannot be written.
    pub fn finish(
        &self,
        metadata: &BTreeMap<String, Vec<u8>>,
        description: &Description<'_>,
    ) -> Result<Vec<u8>, Error> {
        let mut metadata = metadata.clone();
        metadata.insert(description::NAME.to_owned(), description.to_bytes());
        description.append_labels(self.to_bytes(&metadata))
    }

    fn to_bytes(&self, metadata: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
        let mut writer = Writer::default();
        let mut entries = Vec::new();
        let mut buffers: Vec<&[u8]> = self.buffers.iter().map(Vec::as_slice).collect();
        for (name, bytes) in metadata {
            let name = writer.string(name);
            entries.push(writer.table(&[(0, Field::Object(name)), (1, Field::Int(buffers.len() as i32))]));
            buffers.push(bytes);
        }
        let entries = writer.objects(&entries);
        let buffers: Vec<Offset> = buffers
            .iter()
            .map(|bytes| {
                let data = (!bytes.is_empty()).then(|| writer.bytes(bytes));
                writer.table(&data.map(|data| (0, Field::Object(data))).into_iter().collect::<Vec<_>>())
            })
            .collect();
        let buffers = writer.objects(&buffers);
        let signature = self.signature(&mut writer);
        let signatures = writer.objects(&[signature]);
        let subgraph = self.subgraph(&mut writer);
        let subgraphs = writer.objects(&[subgraph]);
        let codes: Vec<Offset> = self.codes.iter().map(|code| operator_code(&mut writer, code)).collect();
        let codes = writer.objects(&codes);
        let description = writer.string(&self.name);
        let root = writer.table(&[
            (0, Field::Int(3)),
            (1, Field::Object(codes)),
            (2, Field::Object(subgraphs)),
            (3, Field::Object(description)),
            (4, Field::Object(buffers)),
            (6, Field::Object(entries)),
            (7, Field::Object(signatures)),
        ]);
        writer.finish(root, *b"TFL3")
    }

    fn signature(&self, writer: &mut Writer) -> Offset {
        let map = |writer: &mut Writer, named: &[(String, i32)]| {
            let entries: Vec<Offset> = named
                .iter()
                .map(|(name, index)| {
                    let name = writer.string(name);
                    writer.table(&[(0, Field::Object(name)), (1, Field::Int(*index))])
                })
                .collect();
            writer.objects(&entries)
        };
        let (inputs, outputs) = (map(writer, &self.inputs), map(writer, &self.outputs));
        let key = writer.string("serving_default");
        writer.table(&[(0, Field::Object(inputs)), (1, Field::Object(outputs)), (2, Field::Object(key))])
    }

    fn subgraph(&self, writer: &mut Writer) -> Offset {
        let tensors: Vec<Offset> = self.tensors.iter().map(|tensor| tensor_table(writer, tensor)).collect();
        let tensors = writer.objects(&tensors);
        let operators: Vec<Offset> = self.steps.iter().map(|step| step_table(writer, step)).collect();
        let operators = writer.objects(&operators);
        let indices = |named: &[(String, i32)]| named.iter().map(|(_, index)| *index).collect::<Vec<_>>();
        let (inputs, outputs) = (writer.ints(&indices(&self.inputs)), writer.ints(&indices(&self.outputs)));
        let name = writer.string("main");
        writer.table(&[
            (0, Field::Object(tensors)),
            (1, Field::Object(inputs)),
            (2, Field::Object(outputs)),
            (3, Field::Object(operators)),
            (4, Field::Object(name)),
        ])
    }
}

fn operator_code(writer: &mut Writer, code: &Code) -> Offset {
    let custom = (!code.custom.is_empty()).then(|| writer.string(code.custom));
    let mut fields =
        vec![(0, Field::Byte(code.number.min(127) as u8)), (2, Field::Int(code.version)), (3, Field::Int(code.number))];
    fields.extend(custom.map(|custom| (1, Field::Object(custom))));
    writer.table(&fields)
}

fn step_table(writer: &mut Writer, step: &Step) -> Offset {
    let (inputs, outputs) = (writer.ints(&step.inputs), writer.ints(&step.outputs));
    let mut fields = vec![(0, Field::Int(step.code as i32)), (1, Field::Object(inputs)), (2, Field::Object(outputs))];
    match &step.options {
        Options::None => {}
        Options::Table(kind, options) => {
            let table = writer.table(options);
            fields.extend([(3, Field::Byte(*kind)), (4, Field::Object(table))]);
        }
        Options::Custom(bytes) => fields.push((5, Field::Object(writer.bytes(bytes)))),
    }
    writer.table(&fields)
}

fn tensor_table(writer: &mut Writer, tensor: &Tensor) -> Offset {
    let shape: Vec<i32> = tensor.sides.iter().map(|side| side.length as i32).collect();
    let signature: Vec<i32> = tensor.sides.iter().map(|side| if side.free { -1 } else { side.length as i32 }).collect();
    let quantization = tensor.quantization.as_ref().map(|Quantization { scales, zero_point, axis }| {
        let zero_points = writer.longs(&vec![*zero_point; scales.len()]);
        let scales = writer.floats(scales);
        writer.table(&[(2, Field::Object(scales)), (3, Field::Object(zero_points)), (6, Field::Int(*axis))])
    });
    let (shape, name) = (writer.ints(&shape), writer.string(&tensor.name));
    let mut fields = vec![
        (0, Field::Object(shape)),
        (1, Field::Byte(tensor.kind.code())),
        (2, Field::Int(tensor.buffer as i32)),
        (3, Field::Object(name)),
        (8, Field::Byte(1)),
    ];
    if tensor.sides.iter().any(|side| side.free) {
        fields.push((7, Field::Object(writer.ints(&signature))));
    }
    fields.extend(quantization.map(|quantization| (4, Field::Object(quantization))));
    writer.table(&fields)
}
