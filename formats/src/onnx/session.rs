//! Running a file on the CPU, by ONNX Runtime.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::{
    logging::LogLevel,
    session::{SessionInputValue, builder::GraphOptimizationLevel},
    value::{DynValue, PrimitiveTensorElementType, TensorElementType, TensorRef, ValueType},
};

use crate::onnx::{
    library::Library,
    model::Model,
    proto::{DimensionProto, DimensionValue, ValueInfoProto},
};
use crate::{Array, Data, Element, Error, described};

/// An input or output of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// The kind of its elements.
    pub element: Element,
    /// Its dimensions; `None` where they are free.
    pub shape: Vec<Option<usize>>,
    /// The names of the free dimensions.
    names: Vec<Option<String>>,
}

/// A loaded file. Threads that share it run it one after another; a run uses one thread.
pub struct Session {
    path: PathBuf,
    inputs: Vec<Slot>,
    outputs: Vec<Slot>,
    metadata: BTreeMap<String, String>,
    /// Behind a lock because `ort` holds that two runs of a session at a time are not safe.
    engine: Mutex<ort::session::Session>,
}

impl Session {
    /// Loads a file.
    ///
    /// # Errors
    /// As [`Model::read`] and [`Library::load`]; also [`Error::Malformed`] where the runtime lacks an operator or operators do not
    /// fit together.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let model = Model::read(path)?;
        Library::load()?;
        let slots = |infos: &[ValueInfoProto]| infos.iter().map(slot).collect::<Vec<_>>();
        let graph = model.proto().graph.as_ref();
        let (inputs, outputs) = graph.map(|graph| (slots(&graph.input), slots(&graph.output))).unwrap_or_default();
        let metadata = model.metadata();
        // What was checked is loaded: fields that this crate does not know are not in these bytes.
        let bytes = model.to_bytes();
        drop(model);
        let engine = engine(&bytes).map_err(|error| Error::Malformed {
            format: "ONNX",
            path: path.to_owned(),
            reason: line(&error),
        })?;
        Ok(Self { path: path.to_owned(), inputs, outputs, metadata, engine: Mutex::new(engine) })
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> &[Slot] {
        &self.inputs
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[Slot] {
        &self.outputs
    }

    /// The metadata of the file, by key.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Runs the file; returns an array for each output.
    ///
    /// # Errors
    /// [`Error::Input`] where the inputs are not those that the file expects, [`Error::Output`] for an output of an unsupported
    /// kind, [`Error::Run`] where the runtime fails.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, Error> {
        self.check(inputs)?;
        let failed = |error: ort::Error| Error::Run { path: self.path.clone(), reason: line(&error) };
        let values = inputs.iter().map(value).collect::<ort::Result<Vec<_>>>().map_err(failed)?;
        // A run that panicked leaves nothing behind that the next one reads.
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = engine.run(values.as_slice()).map_err(failed)?;
        self.outputs.iter().zip(outputs.values()).map(|(slot, value)| array(&slot.name, &value)).collect()
    }

    fn check(&self, inputs: &[Array]) -> Result<(), Error> {
        if inputs.len() != self.inputs.len() {
            let place = "the number of inputs".to_owned();
            let (expected, found) = (self.inputs.len().to_string(), inputs.len().to_string());
            return Err(Error::Input { place, expected, found });
        }
        let mut free: BTreeMap<&str, usize> = BTreeMap::new();
        for (slot, input) in self.inputs.iter().zip(inputs) {
            let mut fits = slot.element == input.element() && slot.shape.len() == input.shape().len();
            for ((fixed, name), &side) in slot.shape.iter().zip(&slot.names).zip(input.shape()) {
                let expected = fixed.or_else(|| name.as_ref().map(|name| *free.entry(name).or_insert(side)));
                fits &= expected.is_none_or(|expected| expected == side) && side > 0;
            }
            if !fits {
                let found = described(input.element(), input.shape());
                return Err(Error::Input { place: format!("`{}`", slot.name), expected: slot.to_string(), found });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |(side, name): (&Option<usize>, &Option<String>)| match (side, name) {
            (Some(side), _) => side.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => "?".to_owned(),
        };
        let sides: Vec<_> = self.shape.iter().zip(&self.names).map(side).collect();
        f.write_str(&described(self.element, &sides))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Session");
        fields.field("path", &self.path).field("inputs", &self.inputs).field("outputs", &self.outputs);
        fields.finish_non_exhaustive()
    }
}

/// The runtime's own session. Its log is off: each failure is returned as an error, too.
fn engine(bytes: &[u8]) -> ort::Result<ort::session::Session> {
    ort::environment::Environment::current()?.set_log_level(LogLevel::Fatal);
    ort::session::Session::builder()?
        .with_log_level(LogLevel::Fatal)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .commit_from_memory(bytes)
}

fn line(error: &ort::Error) -> String {
    error.message().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn slot(info: &ValueInfoProto) -> Slot {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let side = |dim: &DimensionProto| match &dim.value {
        Some(DimensionValue::DimValue(side)) => (usize::try_from(*side).ok(), None),
        Some(DimensionValue::DimParam(name)) => (None, Some(name.clone())),
        None => (None, None),
    };
    let (shape, names) = dims.iter().map(side).unzip();
    let element = tensor.and_then(|tensor| Element::from_code(tensor.elem_type)).unwrap_or(Element::F32);
    Slot { name: info.name.clone(), element, shape, names }
}

/// An array as the runtime takes it, without a copy.
fn value(array: &Array) -> ort::Result<SessionInputValue<'_>> {
    let shape = array.shape();
    Ok(match array.data() {
        Data::F32(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Data::U8(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Data::I8(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Data::I32(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Data::I64(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
        Data::Bool(values) => TensorRef::from_array_view((shape, values.as_slice()))?.into(),
    })
}

fn array(name: &str, value: &DynValue) -> Result<Array, Error> {
    let unfit = || Error::Output { name: name.to_owned(), found: value.dtype().to_string() };
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else { return Err(unfit()) };
    let data = match ty {
        TensorElementType::Float32 => elements(value).map(Data::F32),
        TensorElementType::Uint8 => elements(value).map(Data::U8),
        TensorElementType::Int8 => elements(value).map(Data::I8),
        TensorElementType::Int32 => elements(value).map(Data::I32),
        TensorElementType::Int64 => elements(value).map(Data::I64),
        TensorElementType::Bool => elements(value).map(Data::Bool),
        _ => None,
    };
    Array::new(shape.iter().map(|&side| side as usize).collect(), data.ok_or_else(unfit)?)
}

fn elements<T: PrimitiveTensorElementType + Clone>(value: &DynValue) -> Option<Vec<T>> {
    value.try_extract_tensor().ok().map(|(_, elements)| elements.to_vec())
}
