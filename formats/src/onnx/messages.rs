//! Parts of a graph as messages of the format.

use tch::{Device, Tensor};

use crate::onnx::{
    graph::{Dim, Setting},
    proto::{
        AttributeProto, DimensionProto, DimensionValue, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
        attribute_type,
    },
};
use crate::{Element, Error};

pub(crate) fn info(name: &str, element: Element, shape: &[Dim]) -> Result<ValueInfoProto, Error> {
    let dim = |(index, dim): (usize, &Dim)| {
        let value = match dim {
            Dim::Fixed(side) if *side < 1 => {
                let what = format!("side {index} of `{name}`");
                return Err(Error::value(what, "at least 1", side.to_string()));
            }
            Dim::Fixed(side) => DimensionValue::DimValue(*side),
            Dim::Named(name) => DimensionValue::DimParam(name.clone()),
        };
        Ok(DimensionProto { value: Some(value) })
    };
    let shape = TensorShapeProto { dim: shape.iter().enumerate().map(dim).collect::<Result<_, _>>()? };
    let tensor = TensorTypeProto { elem_type: element.code(), shape: Some(shape) };
    Ok(ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) })
}

pub(crate) fn attribute(name: &str, setting: &Setting) -> AttributeProto {
    let named = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    match setting {
        Setting::Int(value) => AttributeProto { i: Some(*value), r#type: attribute_type::INT, ..named },
        Setting::Ints(values) => AttributeProto { ints: values.to_vec(), r#type: attribute_type::INTS, ..named },
        Setting::Text(text) => {
            AttributeProto { s: Some(text.as_bytes().to_vec()), r#type: attribute_type::STRING, ..named }
        }
    }
}

pub(crate) fn bytes(tensor: &Tensor, element: Element) -> Result<Vec<u8>, tch::TchError> {
    let tensor = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
    let count = tensor.numel();
    let mut bytes = vec![0; count * element.bytes()];
    tensor.f_copy_data_u8(&mut bytes, count)?;
    Ok(bytes)
}
