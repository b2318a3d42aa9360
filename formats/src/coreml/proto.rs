//! The messages of the format that are used here, with the numbers of Core ML's specification (`Model.proto`, `FeatureTypes.proto`,
//! `MIL.proto`, `NonMaximumSuppression.proto`). Other fields are skipped when a file is read.
//!
//! Members of a `oneof` are optional fields of which one is there; maps are sorted, so that equal networks give equal files.

#![allow(missing_docs)]

use std::collections::BTreeMap;

use prost::Message;

/// A model: a program, a suppression, or several models one behind the other.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int32, tag = "1")]
    pub specification_version: i32,
    #[prost(message, optional, tag = "2")]
    pub description: Option<ModelDescription>,
    #[prost(message, optional, tag = "202")]
    pub pipeline: Option<Pipeline>,
    #[prost(message, optional, tag = "502")]
    pub program: Option<Program>,
    #[prost(message, optional, tag = "610")]
    pub suppression: Option<NonMaximumSuppression>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Pipeline {
    #[prost(message, repeated, tag = "1")]
    pub models: Vec<Model>,
    #[prost(string, repeated, tag = "2")]
    pub names: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ModelDescription {
    #[prost(message, repeated, tag = "1")]
    pub input: Vec<FeatureDescription>,
    #[prost(message, repeated, tag = "10")]
    pub output: Vec<FeatureDescription>,
    #[prost(string, tag = "11")]
    pub predicted_feature_name: String,
    #[prost(string, tag = "12")]
    pub predicted_probabilities_name: String,
    #[prost(message, optional, tag = "100")]
    pub metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(string, tag = "1")]
    pub short_description: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(string, tag = "3")]
    pub author: String,
    #[prost(btree_map = "string, string", tag = "100")]
    pub user_defined: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct FeatureDescription {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub short_description: String,
    #[prost(message, optional, tag = "3")]
    pub r#type: Option<FeatureType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct FeatureType {
    #[prost(message, optional, tag = "2")]
    pub double: Option<Nothing>,
    #[prost(message, optional, tag = "3")]
    pub string: Option<Nothing>,
    #[prost(message, optional, tag = "4")]
    pub image: Option<ImageFeature>,
    #[prost(message, optional, tag = "5")]
    pub array: Option<ArrayFeature>,
    #[prost(message, optional, tag = "6")]
    pub dictionary: Option<DictionaryFeature>,
    #[prost(bool, tag = "1000")]
    pub is_optional: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Nothing {}

#[derive(Clone, PartialEq, Message)]
pub struct ImageFeature {
    #[prost(int64, tag = "1")]
    pub width: i64,
    #[prost(int64, tag = "2")]
    pub height: i64,
    #[prost(enumeration = "ColorSpace", tag = "3")]
    pub color_space: i32,
    #[prost(message, optional, tag = "21")]
    pub sizes: Option<ImageSizes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ColorSpace {
    Invalid = 0,
    Gray = 10,
    Rgb = 20,
    Bgr = 30,
}

#[derive(Clone, PartialEq, Message)]
pub struct ImageSizes {
    #[prost(message, repeated, tag = "1")]
    pub sizes: Vec<ImageSize>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ImageSize {
    #[prost(uint64, tag = "1")]
    pub width: u64,
    #[prost(uint64, tag = "2")]
    pub height: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ArrayFeature {
    #[prost(int64, repeated, tag = "1")]
    pub shape: Vec<i64>,
    #[prost(enumeration = "ArrayKind", tag = "2")]
    pub kind: i32,
    #[prost(message, optional, tag = "21")]
    pub shapes: Option<Shapes>,
    #[prost(message, optional, tag = "31")]
    pub ranges: Option<Ranges>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum ArrayKind {
    Invalid = 0,
    F32 = 65568,
    F64 = 65600,
    I32 = 131_104,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shapes {
    #[prost(message, repeated, tag = "1")]
    pub shapes: Vec<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(int64, repeated, tag = "1")]
    pub shape: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Ranges {
    #[prost(message, repeated, tag = "1")]
    pub ranges: Vec<Range>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Range {
    #[prost(uint64, tag = "1")]
    pub lower: u64,
    /// Negative where there is none.
    #[prost(int64, tag = "2")]
    pub upper: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct DictionaryFeature {
    #[prost(message, optional, tag = "2")]
    pub string_key: Option<Nothing>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NonMaximumSuppression {
    #[prost(message, optional, tag = "1")]
    pub pick_top: Option<PickTop>,
    #[prost(message, optional, tag = "100")]
    pub labels: Option<Strings>,
    #[prost(double, tag = "110")]
    pub iou_threshold: f64,
    #[prost(double, tag = "111")]
    pub confidence_threshold: f64,
    #[prost(string, tag = "200")]
    pub confidence_input: String,
    #[prost(string, tag = "201")]
    pub coordinates_input: String,
    #[prost(string, tag = "202")]
    pub iou_threshold_input: String,
    #[prost(string, tag = "203")]
    pub confidence_threshold_input: String,
    #[prost(string, tag = "210")]
    pub confidence_output: String,
    #[prost(string, tag = "211")]
    pub coordinates_output: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct PickTop {
    #[prost(bool, tag = "1")]
    pub per_class: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Strings {
    #[prost(string, repeated, tag = "1")]
    pub values: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Program {
    #[prost(int64, tag = "1")]
    pub version: i64,
    #[prost(btree_map = "string, message", tag = "2")]
    pub functions: BTreeMap<String, Function>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Function {
    #[prost(message, repeated, tag = "1")]
    pub inputs: Vec<NamedType>,
    #[prost(string, tag = "2")]
    pub opset: String,
    #[prost(btree_map = "string, message", tag = "3")]
    pub blocks: BTreeMap<String, Block>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Block {
    #[prost(string, repeated, tag = "2")]
    pub outputs: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub operations: Vec<Operation>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Operation {
    #[prost(string, tag = "1")]
    pub r#type: String,
    #[prost(btree_map = "string, message", tag = "2")]
    pub inputs: BTreeMap<String, Argument>,
    #[prost(message, repeated, tag = "3")]
    pub outputs: Vec<NamedType>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub attributes: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Argument {
    #[prost(message, repeated, tag = "1")]
    pub bindings: Vec<Binding>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Binding {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub value: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NamedType {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<ValueType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueType {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
    #[prost(message, optional, boxed, tag = "2")]
    pub list: Option<Box<ListType>>,
    #[prost(message, optional, boxed, tag = "4")]
    pub dictionary: Option<Box<DictionaryType>>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(enumeration = "DataType", tag = "1")]
    pub data_type: i32,
    #[prost(int64, tag = "2")]
    pub rank: i64,
    #[prost(message, repeated, tag = "3")]
    pub dimensions: Vec<Dimension>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum DataType {
    Unused = 0,
    Bool = 1,
    String = 2,
    F16 = 10,
    F32 = 11,
    F64 = 12,
    I8 = 21,
    I32 = 23,
    U32 = 33,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(message, optional, tag = "1")]
    pub constant: Option<Constant>,
    #[prost(message, optional, tag = "2")]
    pub unknown: Option<Nothing>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Constant {
    #[prost(uint64, tag = "1")]
    pub size: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ListType {
    #[prost(message, optional, tag = "1")]
    pub of: Option<ValueType>,
    #[prost(message, optional, tag = "2")]
    pub length: Option<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub struct DictionaryType {
    #[prost(message, optional, tag = "1")]
    pub key: Option<ValueType>,
    #[prost(message, optional, tag = "2")]
    pub value: Option<ValueType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<ValueType>,
    #[prost(message, optional, tag = "3")]
    pub immediate: Option<Immediate>,
    #[prost(message, optional, tag = "5")]
    pub blob: Option<Blob>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Immediate {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorValue>,
    #[prost(message, optional, tag = "3")]
    pub list: Option<ListValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ListValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Blob {
    #[prost(string, tag = "1")]
    pub file: String,
    #[prost(uint64, tag = "2")]
    pub offset: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorValue {
    #[prost(message, optional, tag = "1")]
    pub floats: Option<Floats>,
    #[prost(message, optional, tag = "2")]
    pub ints: Option<Ints>,
    #[prost(message, optional, tag = "3")]
    pub bools: Option<Bools>,
    #[prost(message, optional, tag = "4")]
    pub strings: Option<Strings>,
    #[prost(message, optional, tag = "7")]
    pub bytes: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Floats {
    #[prost(float, repeated, tag = "1")]
    pub values: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Ints {
    #[prost(int32, repeated, tag = "1")]
    pub values: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Bools {
    #[prost(bool, repeated, tag = "1")]
    pub values: Vec<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Bytes {
    #[prost(bytes = "vec", tag = "1")]
    pub values: Vec<u8>,
}
