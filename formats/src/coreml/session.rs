//! Reading a package back, and computing what its program says with libtorch.
//!
//! Core ML itself is on Apple's systems alone. This shows that the operations, constants and shapes of a file are right, not how the
//! system's own kernels round.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use tch::{Device, Kind as TorchKind, Tensor};

use super::constants::{constant, declared, read};
use super::interpreter::{Call, Held, compute};
use super::model::MAIN;
use super::package::{FORMAT, Package};
use super::proto::{Block, FeatureDescription, Function, Model, ModelDescription, NonMaximumSuppression, Operation};
use super::suppression::{BEFORE, BEHIND, pick_top};
use super::value::Kind;
use crate::Error;

/// How often each byte of the weights may be used, and how many numbers may be in a program itself.
const MOST_SHARING: usize = 4;
const FEW_NUMBERS: usize = 1 << 20;

/// A loaded package.
#[derive(Debug)]
pub struct Session {
    path: PathBuf,
    /// The name of the only input.
    input: String,
    /// The shapes that it may have.
    shapes: Vec<Vec<i64>>,
    oldest_ios: i32,
    constants: BTreeMap<String, Held>,
    /// What is computed, without constants.
    operations: Vec<Operation>,
    outputs: Vec<String>,
    suppression: Option<NonMaximumSuppression>,
}

impl Session {
    /// Loads and checks a package.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Malformed`] where it is no program that can be computed here.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let package = Package::read(path)?;
        Self::new(path, package).map_err(|error| match error {
            Error::Value { .. } | Error::Torch { .. } => {
                Error::Malformed { format: FORMAT, path: path.to_owned(), reason: error.to_string() }
            }
            error => error,
        })
    }

    fn new(path: &Path, package: Package) -> Result<Self, Error> {
        let oldest_ios = package.oldest_ios();
        let Package { model, weights } = package;
        let (program, suppression) = parts(model)?;
        let description = program.description.unwrap_or_default();
        let program = program.program.ok_or_else(|| Error::value("the model", "a program", "another kind"))?;
        equal("the version of the program", 1, program.version)?;
        let mut functions = program.functions;
        let function = functions.remove(MAIN).ok_or_else(|| Error::value("the program", "with `main`", "without"))?;
        let Function { inputs, opset, mut blocks } = function;
        let block = blocks.remove(&opset);
        let Block { outputs, operations } =
            block.ok_or_else(|| Error::value("the program", format!("with a block for {opset}"), "without"))?;
        let given: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        named("inputs", &description.input, &given)?;
        named("outputs", &description.output, &outputs.iter().map(String::as_str).collect::<Vec<_>>())?;
        let (input, shapes) = input(description.input)?;
        let mut session = Self {
            path: path.to_owned(),
            input,
            shapes,
            oldest_ios,
            constants: BTreeMap::new(),
            operations: Vec::new(),
            outputs,
            suppression,
        };
        // A short file could name the same weights very often.
        let (mut numbers, most) = (0, FEW_NUMBERS + MOST_SHARING * weights.len());
        let mut known: BTreeSet<String> = inputs.into_iter().map(|input| input.name).collect();
        for mut operation in operations {
            let reader = place(&operation);
            for binding in operation.inputs.values_mut().flat_map(|argument| &mut argument.bindings) {
                if let Some(value) = &binding.value {
                    // No name of a program has a space.
                    let name = format!("constant {}", session.constants.len());
                    let constant = read(value, &weights)?;
                    numbers += constant.numbers();
                    session.constants.insert(name.clone(), constant);
                    known.insert(name.clone());
                    binding.name = Some(name);
                }
                let used = binding.name.as_deref().unwrap_or_default();
                if !known.contains(used) {
                    let expected = "an input, a constant or an earlier result";
                    return Err(Error::value(format!("`{used}`, which {reader} reads"), expected, "none"));
                }
            }
            for output in &operation.outputs {
                if !known.insert(output.name.clone()) {
                    return Err(Error::value(format!("`{}`", output.name), "computed once", "computed twice"));
                }
            }
            match constant(&operation, &weights)? {
                Some(value) => {
                    let output = operation
                        .outputs
                        .into_iter()
                        .next()
                        .ok_or_else(|| Error::value("a constant", "with a name", "without one"))?;
                    numbers += value.numbers();
                    session.constants.insert(output.name, value);
                }
                None => session.operations.push(operation),
            }
            if numbers > most {
                return Err(Error::value("the numbers of all constants", format!("at most {most}"), "more"));
            }
        }
        match session.outputs.iter().find(|output| !known.contains(*output)) {
            Some(missing) => Err(Error::value(format!("the output `{missing}`"), "computed", "not computed")),
            None => Ok(session),
        }
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> Vec<&str> {
        match self.suppression {
            Some(_) => BEHIND.to_vec(),
            None => self.outputs.iter().map(String::as_str).collect(),
        }
    }

    /// The shapes that images may have, `[1, C, H, W]`; the first is the usual one.
    pub fn shapes(&self) -> &[Vec<i64>] {
        &self.shapes
    }

    /// The oldest version of iOS that runs the package.
    pub fn oldest_ios(&self) -> i32 {
        self.oldest_ios
    }

    /// The outputs for images, float `[1, C, H, W]`; pictures have numbers from 0 to 255. The label of a classifier is its place in the
    /// list of labels, int64 `[1]`, and the probabilities are in the order of that list, `[1, K]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the images are not those that the file expects, [`Error::Run`] where an operation fails.
    pub fn run(&self, images: &Tensor) -> Result<Vec<Tensor>, Error> {
        let outputs = self.run_program(images)?;
        let Some(settings) = &self.suppression else { return Ok(outputs) };
        let [confidence, coordinates] = &outputs[..] else {
            return Err(self.failed("the program gives no boxes"));
        };
        Ok(pick_top([confidence, coordinates], settings).map_err(|cause| self.failed(&cause.to_string()))?.into())
    }

    /// The outputs of the program, before a suppression.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_program(&self, images: &Tensor) -> Result<Vec<Tensor>, Error> {
        self.check(images)?;
        tch::no_grad(|| {
            let mut values: BTreeMap<&str, Held> = BTreeMap::new();
            let input = Held::Tensor(images.to_kind(TorchKind::Float).to_device(Device::Cpu), Kind::F32);
            values.insert(&self.input, input);
            let last = self.last_readers();
            for (position, operation) in self.operations.iter().enumerate() {
                let call = Call { operation, constants: &self.constants, values: &values };
                let results = compute(&call).map_err(|error| self.failed(&format!("{}: {error}", place(operation))))?;
                for (output, value) in operation.outputs.iter().zip(results) {
                    let value = declared(output.r#type.as_ref(), value)
                        .map_err(|error| self.failed(&format!("`{}`: {error}", output.name)))?;
                    values.insert(&output.name, value);
                }
                values.retain(|name, _| last.get(name).is_some_and(|&last| last > position));
            }
            let output = |name: &String| match values.get(name.as_str()) {
                Some(Held::Tensor(tensor, _)) => Ok(tensor.shallow_clone()),
                _ => Err(self.failed(&format!("`{name}` is no tensor"))),
            };
            self.outputs.iter().map(output).collect()
        })
    }

    /// The position of the last operation that reads each value; an output is always needed.
    fn last_readers(&self) -> BTreeMap<&str, usize> {
        let mut last = BTreeMap::new();
        for (position, operation) in self.operations.iter().enumerate() {
            for binding in operation.inputs.values().flat_map(|argument| &argument.bindings) {
                last.insert(binding.name.as_deref().unwrap_or_default(), position);
            }
        }
        last.extend(self.outputs.iter().map(|output| (output.as_str(), usize::MAX)));
        last
    }

    fn check(&self, images: &Tensor) -> Result<(), Error> {
        let found = images.size();
        match self.shapes.contains(&found) {
            true => Ok(()),
            false => {
                let all: Vec<String> = self.shapes.iter().map(|shape| format!("{shape:?}")).collect();
                Err(Error::Input {
                    place: format!("`{}`", self.input),
                    expected: all.join(" or "),
                    found: format!("{found:?}"),
                })
            }
        }
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Run { path: self.path.clone(), reason: reason.to_owned() }
    }
}

/// The name of the only input, and the shapes that it may have.
fn input(mut inputs: Vec<FeatureDescription>) -> Result<(String, Vec<Vec<i64>>), Error> {
    let found = inputs.len().to_string();
    let one = || Error::value("the inputs of a model", "one picture or array", found.clone());
    let FeatureDescription { name, r#type, .. } = inputs.pop().filter(|_| inputs.is_empty()).ok_or_else(one)?;
    let r#type = r#type.unwrap_or_default();
    if let Some(image) = r#type.image {
        let channels = if image.color_space == super::proto::ColorSpace::Gray as i32 { 1 } else { 3 };
        let several = image.sizes.map(|all| all.sizes).unwrap_or_default();
        let mut sizes: Vec<[i64; 2]> = several.iter().map(|size| [size.height as i64, size.width as i64]).collect();
        if sizes.is_empty() {
            sizes.push([image.height, image.width]);
        }
        return Ok((name, sizes.iter().map(|&[height, width]| vec![1, channels, height, width]).collect()));
    }
    let array = r#type.array.ok_or_else(one)?;
    let several = array.shapes.map(|all| all.shapes).unwrap_or_default();
    let mut shapes: Vec<Vec<i64>> = several.into_iter().map(|shape| shape.shape).collect();
    if shapes.is_empty() {
        shapes.push(array.shape);
    }
    Ok((name, shapes))
}

/// The model with the program, and the suppression behind it where there is one.
fn parts(model: Model) -> Result<(Model, Option<NonMaximumSuppression>), Error> {
    let Some(pipeline) = model.pipeline else { return Ok((model, None)) };
    let mut models = pipeline.models.into_iter();
    let (first, second, third) = (models.next(), models.next(), models.next());
    let suppression = second.and_then(|second| second.suppression);
    let (Some(first), Some(suppression), None) = (first, suppression, third) else {
        return Err(Error::value("the models of a pipeline", "a program and a suppression", "others"));
    };
    let names = [&suppression.confidence_input, &suppression.coordinates_input];
    let ends = [&suppression.confidence_output, &suppression.coordinates_output];
    if names != BEFORE || ends != BEHIND {
        return Err(Error::value(
            "the inputs and outputs of the suppression",
            format!("{BEFORE:?} and {BEHIND:?}"),
            "others",
        ));
    }
    let outputs = |description: &ModelDescription| {
        description.output.iter().map(|output| output.name.clone()).collect::<Vec<_>>()
    };
    let given = first.description.as_ref().map(outputs).unwrap_or_default();
    if given != BEFORE {
        return Err(Error::value("the outputs of the program", format!("{BEFORE:?}"), format!("{given:?}")));
    }
    let behind = model.description.as_ref().map(outputs).unwrap_or_default();
    if behind != BEHIND {
        return Err(Error::value("the outputs of the pipeline", format!("{BEHIND:?}"), format!("{behind:?}")));
    }
    Ok((first, Some(suppression)))
}

/// Checks that a description names what the program has.
fn named(what: &str, described: &[FeatureDescription], found: &[&str]) -> Result<(), Error> {
    let names: Vec<&str> = described.iter().map(|feature| feature.name.as_str()).collect();
    match names == found {
        true => Ok(()),
        false => Err(Error::value(format!("the {what} of the program"), format!("{names:?}"), format!("{found:?}"))),
    }
}

pub(super) fn place(operation: &Operation) -> String {
    let name = operation.outputs.first().map_or("", |output| output.name.as_str());
    format!("{} `{name}`", operation.r#type)
}

pub(super) fn equal(what: &str, expected: i64, found: i64) -> Result<(), Error> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::value(what, expected.to_string(), found.to_string())),
    }
}
