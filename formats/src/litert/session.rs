//! Running a file on the CPU, by LiteRT.

use std::{
    fmt, fs, mem,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tch_ext::litert::{Buffer, Memory, Program, Runtime};

use super::{check, library::Library, tensor::Port};
use crate::{Array, Data, Element, Error, described};

/// The format's name in messages.
const FORMAT: &str = "LiteRT";

/// An input or output of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// The kind of its elements.
    pub element: Element,
    /// Its dimensions; `None` where they are free.
    pub shape: Vec<Option<usize>>,
}

/// A loaded file. Threads that share it run it one after another; a run uses one thread.
pub struct Session {
    path: PathBuf,
    inputs: Vec<Slot>,
    outputs: Vec<Slot>,
    engine: Mutex<Engine>,
}

impl Session {
    /// Loads a file; of several signatures, the first is run.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::Malformed`] where LiteRT does not take it, as [`Library::load`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = fs::read(path).map_err(|cause| Error::Io { action: "read", path: path.to_owned(), cause })?;
        let malformed = |reason: String| Error::Malformed { format: FORMAT, path: path.to_owned(), reason };
        let ends = check::ends(&file).map_err(|error| malformed(error.to_string()))?;
        let runtime = Library::load()?.runtime();
        let mut memory = Memory::zeros(file.len()).ok_or_else(|| malformed("it is too large".to_owned()))?;
        memory.bytes_mut().copy_from_slice(&file);
        drop(file);
        let program = Program::load(runtime, memory, 0).map_err(malformed)?;
        let slots = |ports: &[Port]| ports.iter().map(Slot::from).collect::<Vec<_>>();
        let (inputs, outputs) = (slots(&ends.inputs), slots(&ends.outputs));
        let shapes = ends.inputs.into_iter().map(|port| port.shape).collect();
        let engine = Engine {
            runtime,
            program,
            shapes,
            inputs: Vec::new(),
            outputs: Vec::new(),
            retired: Vec::new(),
            is_ready: false,
        };
        Ok(Self { path: path.to_owned(), inputs, outputs, engine: Mutex::new(engine) })
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> &[Slot] {
        &self.inputs
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[Slot] {
        &self.outputs
    }

    /// Runs the file; returns an array for each output. A run with other shapes than the last one takes longer.
    ///
    /// # Errors
    /// [`Error::Input`] where the inputs are not those that the file expects, [`Error::Run`] where the library fails.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>, Error> {
        self.check(inputs)?;
        let failed = |reason: String| Error::Run { path: self.path.clone(), reason };
        // A run that panicked leaves the engine not ready.
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.run(inputs, &self.outputs).map_err(failed)?;
        self.outputs.iter().zip(&engine.outputs).map(|(slot, (shape, buffer))| array(slot, shape, buffer)).collect()
    }

    fn check(&self, inputs: &[Array]) -> Result<(), Error> {
        if inputs.len() != self.inputs.len() {
            let place = "the number of inputs".to_owned();
            let (expected, found) = (self.inputs.len().to_string(), inputs.len().to_string());
            return Err(Error::Input { place, expected, found });
        }
        for (slot, input) in self.inputs.iter().zip(inputs) {
            let mut fits = slot.element == input.element() && slot.shape.len() == input.shape().len();
            for (fixed, &side) in slot.shape.iter().zip(input.shape()) {
                fits &= fixed.is_none_or(|fixed| fixed == side) && side > 0 && i32::try_from(side).is_ok();
            }
            if !fits {
                let found = described(input.element(), input.shape());
                return Err(Error::Input { place: format!("`{}`", slot.name), expected: slot.to_string(), found });
            }
        }
        Ok(())
    }
}

impl From<&Port> for Slot {
    fn from(port: &Port) -> Self {
        let side = |(&side, &free): (&usize, &bool)| (!free).then_some(side);
        let shape = port.shape.iter().zip(&port.free).map(side).collect();
        Self { name: port.name.clone(), element: port.element, shape }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<usize>| side.map_or("?".to_owned(), |side| side.to_string());
        f.write_str(&described(self.element, &self.shape.iter().map(side).collect::<Vec<_>>()))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Session");
        fields.field("path", &self.path).field("inputs", &self.inputs).field("outputs", &self.outputs);
        fields.finish_non_exhaustive()
    }
}

/// A file and the memory of its inputs and outputs.
struct Engine {
    runtime: &'static Runtime,
    program: Program,
    /// The shapes that the library has for the inputs.
    shapes: Vec<Vec<usize>>,
    inputs: Vec<Buffer>,
    /// With the shape of each.
    outputs: Vec<(Vec<usize>, Buffer)>,
    /// Earlier memory, which the library refers to until the next run.
    retired: Vec<Buffer>,
    /// Whether the memory fits the shapes.
    is_ready: bool,
}

impl Engine {
    fn run(&mut self, arrays: &[Array], outputs: &[Slot]) -> Result<(), String> {
        let fits = self.shapes.iter().map(Vec::as_slice).eq(arrays.iter().map(Array::shape));
        if !(self.is_ready && fits) {
            self.prepare(arrays, outputs)?;
        }
        for (array, buffer) in arrays.iter().zip(&mut self.inputs) {
            fill(buffer.bytes_mut(), array.data());
        }
        // Operators may leave rows unwritten that they do not use.
        self.outputs.iter_mut().for_each(|(_, buffer)| buffer.bytes_mut().fill(0));
        self.is_ready = false;
        self.program.run(&self.inputs, self.outputs.iter_mut().map(|(_, buffer)| buffer))?;
        self.is_ready = true;
        self.retired.clear();
        Ok(())
    }

    fn prepare(&mut self, arrays: &[Array], outputs: &[Slot]) -> Result<(), String> {
        self.is_ready = false;
        for (index, (array, shape)) in arrays.iter().zip(&mut self.shapes).enumerate() {
            if shape != array.shape() {
                let sides: Vec<i32> = array.shape().iter().map(|&side| side as i32).collect();
                self.program.resize(index, &sides)?;
                *shape = array.shape().to_vec();
            }
        }
        let shapes = self.program.output_shapes(outputs.len())?;
        let inputs = arrays.iter().map(|array| Buffer::new(self.runtime, array.element().kind(), array.shape()));
        let inputs = inputs.collect::<Result<_, _>>()?;
        let outputs = outputs.iter().zip(shapes).map(|(slot, shape)| {
            let buffer = Buffer::new(self.runtime, slot.element.kind(), &shape)?;
            Ok((shape, buffer))
        });
        let outputs = outputs.collect::<Result<_, String>>()?;
        self.retired.append(&mut mem::replace(&mut self.inputs, inputs));
        self.retired.extend(mem::replace(&mut self.outputs, outputs).into_iter().map(|(_, buffer)| buffer));
        Ok(())
    }
}

/// Writes elements as the library has them.
fn fill(bytes: &mut [u8], data: &Data) {
    fn wide<const SIZE: usize, T: Copy>(bytes: &mut [u8], values: &[T], to: impl Fn(T) -> [u8; SIZE]) {
        bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(bytes, &value)| *bytes = to(value));
    }
    match data {
        Data::F32(values) => wide(bytes, values, f32::to_ne_bytes),
        Data::U8(values) => bytes.copy_from_slice(values),
        Data::I8(values) => wide(bytes, values, i8::to_ne_bytes),
        Data::I32(values) => wide(bytes, values, i32::to_ne_bytes),
        Data::I64(values) => wide(bytes, values, i64::to_ne_bytes),
        Data::Bool(values) => wide(bytes, values, |value| [u8::from(value)]),
    }
}

fn array(slot: &Slot, shape: &[usize], buffer: &Buffer) -> Result<Array, Error> {
    fn wide<const SIZE: usize, T>(bytes: &[u8], from: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
        bytes.as_chunks().0.iter().map(|&bytes| from(bytes)).collect()
    }
    let bytes = buffer.bytes();
    let data = match slot.element {
        Element::F32 => Data::F32(wide(bytes, f32::from_ne_bytes)),
        Element::U8 => Data::U8(bytes.to_vec()),
        Element::I8 => Data::I8(wide(bytes, i8::from_ne_bytes)),
        Element::I32 => Data::I32(wide(bytes, i32::from_ne_bytes)),
        Element::I64 => Data::I64(wide(bytes, i64::from_ne_bytes)),
        Element::Bool => Data::Bool(wide(bytes, |[byte]| byte != 0)),
    };
    Array::new(shape.to_vec(), data)
}
