//! Running a file on the CPU, by tract.
//!
//! A file is prepared when it first runs with a set of input shapes: then its free sides are constants, which makes tract fast and
//! lets it run every operator that this crate writes. The latest preparations are kept.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tract_onnx::prelude::*;

use crate::onnx::{
    Array, Data, Element, Error,
    error::described,
    model::Model,
    proto::{DimensionProto, DimensionValue, ValueInfoProto},
    runtime,
};

/// Preparations that are kept: a full batch, the last batch of an epoch, single images, and one more.
const MAX_PLANS: usize = 4;

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

type Plan = TypedRunnableModel<TypedModel>;
type Shapes = Vec<Vec<usize>>;

/// A loaded file. Several threads may run it at the same time; a run uses one thread.
pub struct Session {
    path: PathBuf,
    inputs: Vec<Slot>,
    outputs: Vec<Slot>,
    metadata: BTreeMap<String, String>,
    model: InferenceModel,
    /// Ordered by last use.
    plans: Mutex<Vec<(Shapes, Arc<Plan>)>>,
}

impl Session {
    /// Loads a file.
    ///
    /// # Errors
    /// As [`Model::read`]; also [`Error::Malformed`] where the runtime lacks an operator. Operators that do not fit together fail
    /// in the first run.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let model = Model::read(path)?;
        let slots = |infos: &[ValueInfoProto]| infos.iter().map(slot).collect::<Vec<_>>();
        let graph = model.proto().graph.as_ref();
        let (inputs, outputs) = graph.map(|graph| (slots(&graph.input), slots(&graph.output))).unwrap_or_default();
        let metadata = model.metadata();
        let parsed = guarded(|| runtime::parse(model.into_proto()));
        let model = parsed.map_err(|reason| Error::Malformed { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), inputs, outputs, metadata, model, plans: Mutex::new(Vec::new()) })
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

    /// Runs the file; returns an array for each output. The first run with new shapes takes longer.
    ///
    /// # Errors
    /// [`Error::Input`] where the inputs are not those that the file expects, [`Error::Output`] for an output of an unsupported
    /// kind, [`Error::Run`] where the runtime fails.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, Error> {
        self.check(inputs)?;
        let shapes: Shapes = inputs.iter().map(|input| input.shape().to_vec()).collect();
        let failed = |reason| Error::Run { path: self.path.clone(), reason };
        let plan = self.plan(shapes).map_err(failed)?;
        let values = guarded(|| plan.run(inputs.iter().map(tensor).collect::<TractResult<_>>()?)).map_err(failed)?;
        self.outputs.iter().zip(values).map(|(slot, value)| array(&slot.name, &value)).collect()
    }

    fn plan(&self, shapes: Shapes) -> Result<Arc<Plan>, String> {
        // A panic under the lock leaves the list unchanged.
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = plans.iter().position(|(known, _)| *known == shapes) {
            let found = plans.remove(position);
            let plan = found.1.clone();
            plans.push(found);
            return Ok(plan);
        }
        let plan = Arc::new(guarded(|| self.prepare(&shapes))?);
        if plans.len() == MAX_PLANS {
            plans.remove(0);
        }
        plans.push((shapes, plan.clone()));
        Ok(plan)
    }

    fn prepare(&self, shapes: &[Vec<usize>]) -> TractResult<Plan> {
        let mut model = self.model.clone();
        for (index, (shape, slot)) in shapes.iter().zip(&self.inputs).enumerate() {
            model.set_input_fact(index, InferenceFact::dt_shape(datum(slot.element), shape))?;
        }
        model.into_optimized()?.into_runnable()
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

/// Turns a panic into an error: tract asserts what it expects of a graph.
fn guarded<T>(function: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    // Nothing that a panic leaves incomplete is used afterwards.
    match catch_unwind(AssertUnwindSafe(function)) {
        Ok(result) => result.map_err(|error| format!("{error:#}").replace('\n', " ")),
        Err(panic) => Err(format!("the runtime panicked: {}", message(panic.as_ref()))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
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

fn datum(element: Element) -> DatumType {
    match element {
        Element::F32 => f32::datum_type(),
        Element::U8 => u8::datum_type(),
        Element::I64 => i64::datum_type(),
        Element::Bool => bool::datum_type(),
    }
}

fn tensor(array: &Array) -> TractResult<TValue> {
    let shape = array.shape();
    let tensor = match array.data() {
        Data::F32(values) => Tensor::from_shape(shape, values)?,
        Data::U8(values) => Tensor::from_shape(shape, values)?,
        Data::I64(values) => Tensor::from_shape(shape, values)?,
        Data::Bool(values) => Tensor::from_shape(shape, values)?,
    };
    Ok(tensor.into())
}

fn array(name: &str, value: &Tensor) -> Result<Array, Error> {
    let unfit = |_: TractError| Error::Output { name: name.to_owned(), found: format!("{:?}", value.datum_type()) };
    let data = match value.datum_type() {
        DatumType::F32 => Data::F32(value.as_slice::<f32>().map_err(unfit)?.to_vec()),
        DatumType::U8 => Data::U8(value.as_slice::<u8>().map_err(unfit)?.to_vec()),
        DatumType::Bool => Data::Bool(value.as_slice::<bool>().map_err(unfit)?.to_vec()),
        // tract has its own type for sides; it becomes int64.
        _ => {
            let cast = value.cast_to::<i64>().map_err(unfit)?;
            Data::I64(cast.as_slice::<i64>().map_err(unfit)?.to_vec())
        }
    };
    Array::new(value.shape().to_vec(), data)
}
