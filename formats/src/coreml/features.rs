//! What a program is given and gives, with its description for applications.

use std::collections::HashSet;

use super::model::{Argument, Builder, LABEL, PROBABILITIES, Value, named};
use super::proto::{
    Argument as Bindings, ArrayFeature, Binding, ColorSpace, DataType, DictionaryFeature, DictionaryType,
    FeatureDescription, FeatureType, ImageFeature, ImageSize, ImageSizes, NamedType, Nothing, Operation, Shape, Shapes,
    TensorType, ValueType,
};
use super::value::{self, Kind, fixed_type, tensor_type};
use crate::Error;
use crate::graph::Side;

impl Builder {
    /// Adds a picture of the first of these heights and widths, or of any of them, as an input: float `[1, C, H, W]` from 0 to 255, RGB
    /// or grey.
    ///
    /// # Errors
    /// [`Error::Value`] for another number of channels than 1 or 3, or where no size is given.
    pub fn picture(&mut self, name: &str, channels: i64, sizes: &[[i64; 2]]) -> Result<Value, Error> {
        let color_space = match channels {
            1 => ColorSpace::Gray,
            3 => ColorSpace::Rgb,
            _ => return Err(Error::value("the channels of a picture", "1 or 3", channels.to_string())),
        };
        let [height, width] = first(sizes)?;
        let size = |&[height, width]: &[i64; 2]| ImageSize { width: width as u64, height: height as u64 };
        let several = (sizes.len() > 1).then(|| ImageSizes { sizes: sizes.iter().map(size).collect() });
        let image = ImageFeature { width, height, color_space: color_space as i32, sizes: several };
        Ok(self.input(name, FeatureType { image: Some(image), ..FeatureType::default() }, channels, sizes))
    }

    /// Adds normalised images of the first of these heights and widths, or of any of them, as an input: float `[1, C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Value`] where no size is given.
    pub fn images(&mut self, name: &str, channels: i64, sizes: &[[i64; 2]]) -> Result<Value, Error> {
        let shape = |&[height, width]: &[i64; 2]| vec![1, channels, height, width];
        let several = || Shapes { shapes: sizes.iter().map(|size| Shape { shape: shape(size) }).collect() };
        let array = ArrayFeature {
            shape: shape(&first(sizes)?),
            kind: Kind::F32.of_feature() as i32,
            shapes: (sizes.len() > 1).then(several),
            ranges: None,
        };
        Ok(self.input(name, FeatureType { array: Some(array), ..FeatureType::default() }, channels, sizes))
    }

    fn input(&mut self, name: &str, r#type: FeatureType, channels: i64, sizes: &[[i64; 2]]) -> Value {
        let free = |length: i64| Side { length, free: sizes.len() > 1 };
        let sides = vec![Side::fixed(1), Side::fixed(channels), free(sizes[0][0]), free(sizes[0][1])];
        let value = Value { name: self.unique(name), kind: Kind::F32, sides };
        self.given.push(NamedType { name: value.name.clone(), r#type: Some(tensor_type(value.kind, &value.sides)) });
        self.inputs.push(described(&value.name, r#type));
        value
    }

    /// Makes a tensor an output with this name, in 32 bits.
    pub fn output(&mut self, name: &str, value: &Value) {
        let value = match value.kind {
            Kind::F16 => self.cast(value, Kind::F32),
            _ => value.clone(),
        };
        let fixed = value.sides.iter().all(|side| !side.free);
        let shape = if fixed { value.sides.iter().map(|side| side.length).collect() } else { Vec::new() };
        let array = ArrayFeature { shape, kind: value.kind.of_feature() as i32, shapes: None, ranges: None };
        self.result(name, &value, FeatureType { array: Some(array), ..FeatureType::default() });
    }

    /// Adds the class with the highest of these probabilities `[1, K]` and all of them by their labels as outputs, `classLabel` and
    /// `classLabel_probs`. A label that occurs again gets its place behind it, because a dictionary holds each once.
    pub fn classify(&mut self, probabilities: &Value, labels: &[&str]) {
        let probabilities = self.cast(probabilities, Kind::F32);
        // Lists stand where they are used, as in the files of Apple's own converter.
        let list = Binding { name: None, value: Some(value::texts(&distinct(labels))) };
        let classes = ("classes".to_owned(), Bindings { bindings: vec![list] });
        let name = self.unique(LABEL);
        let others = self.unique(PROBABILITIES);
        let text = fixed_type(Kind::Text, &[]);
        let number = ValueType {
            tensor: Some(TensorType { data_type: DataType::F64 as i32, rank: 0, dimensions: Vec::new() }),
            ..Default::default()
        };
        let dictionary = DictionaryType { key: Some(text.clone()), value: Some(number) };
        let dictionary = ValueType { dictionary: Some(Box::new(dictionary)), ..ValueType::default() };
        let outputs = [(&name, text), (&others, dictionary)];
        self.operations.push(Operation {
            r#type: "classify".to_owned(),
            inputs: [named("probabilities", &[&probabilities.name]), classes].into(),
            outputs: outputs.map(|(name, r#type)| NamedType { name: name.clone(), r#type: Some(r#type) }).to_vec(),
            attributes: [("name".to_owned(), value::text("classify"))].into(),
        });
        self.results.extend([name.clone(), others.clone()]);
        let string = FeatureType { string: Some(Nothing {}), ..FeatureType::default() };
        let dictionary = DictionaryFeature { string_key: Some(Nothing {}) };
        let dictionary = FeatureType { dictionary: Some(dictionary), ..FeatureType::default() };
        self.outputs.extend([described(&name, string), described(&others, dictionary)]);
    }

    /// Names a tensor and makes it an output.
    fn result(&mut self, name: &str, value: &Value, r#type: FeatureType) {
        // An input, or a tensor that is an output already, keeps its name.
        let value =
            match self.given.iter().map(|given| &given.name).chain(&self.results).any(|taken| *taken == value.name) {
                true => self.operation("identity", &[("x", Argument::Of(value))], value.kind, &value.sides),
                false => value.clone(),
            };
        let name = self.unique(name);
        for operation in &mut self.operations {
            let bindings = operation.inputs.values_mut().flat_map(|argument| &mut argument.bindings);
            let used = bindings.filter_map(|binding| binding.name.as_mut());
            let made = operation.outputs.iter_mut().map(|output| &mut output.name);
            used.chain(made).filter(|known| **known == value.name).for_each(|known| known.clone_from(&name));
        }
        self.results.push(name.clone());
        self.outputs.push(described(&name, r#type));
    }
}

fn first(sizes: &[[i64; 2]]) -> Result<[i64; 2], Error> {
    sizes.first().copied().ok_or_else(|| Error::value("the number of sizes", "at least 1", "0"))
}

fn described(name: &str, r#type: FeatureType) -> FeatureDescription {
    FeatureDescription { name: name.to_owned(), r#type: Some(r#type), ..FeatureDescription::default() }
}

/// Labels of which none occurs twice.
fn distinct(labels: &[&str]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut one = |(place, label): (usize, &&str)| {
        let mut label = (*label).to_owned();
        while !taken.insert(label.clone()) {
            label = format!("{label} {place}");
        }
        label
    };
    labels.iter().enumerate().map(&mut one).collect()
}
