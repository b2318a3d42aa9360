//! A network with normalisation and final steps as an ONNX file, and tensors as the arrays of a session.

use backbone::Normalization;
use formats::graph::Graph;
use formats::onnx::{Array, Builder, Data, Dim, Element, Layout, Model};
use std::path::Path;
use tch::{Kind, Tensor};

use super::{CARD, Card, Input};
use crate::failure::Failure;
use crate::model::Network;
use crate::task::{Export, OnnxGraph};

/// A file of the network's graph with the inputs and outputs of `card`, and the card in its metadata.
///
/// # Errors
/// When the network has an operation that cannot be written.
pub fn assemble_onnx<T: Export>(task: &T, network: &Network<T>, graph: &Graph, card: &Card) -> Result<Model, Failure> {
    let size = card.input.size;
    let mut builder = Builder::new("MobileOne");
    let batch = Dim::named("batch");
    let sides = match card.input.fixed_size {
        true => size.map(Dim::Fixed),
        false => ["height", "width"].map(Dim::named),
    };
    let [height, width] = sides.clone();
    let channels = Dim::Fixed(card.input.channels());
    let (layout, element, shape) = match card.input.kind {
        Input::Nhwc => (Layout::ChannelsLast, Element::U8, [batch.clone(), height, width, channels]),
        Input::Nchw => (Layout::ChannelsFirst, Element::U8, [batch.clone(), channels, height, width]),
        Input::Normalized => (Layout::ChannelsFirst, Element::F32, [batch.clone(), channels, height, width]),
    };
    let images = builder.input("images", element, &shape)?;
    let Normalization { mean, std } = &card.input.normalization;
    let normalized = match card.input.kind {
        Input::Normalized => images.clone(),
        Input::Nchw | Input::Nhwc => builder.normalize(&images, layout, mean, std)?,
    };
    let numbers = builder.network(graph, &[normalized])?;
    task.export_onnx(
        &network.model,
        &mut OnnxGraph { builder: &mut builder, numbers, images, layout, batch, sides },
        card.output_kind,
    )?;
    Ok(builder.finish(&[(CARD.to_owned(), card.to_json()?)].into())?)
}

/// The card in an ONNX file, where it has one.
pub fn card_of(path: &Path) -> Result<Option<String>, Failure> {
    Ok(Model::read(path)?.metadata().remove(CARD))
}

/// A tensor of bytes or fp32 as an array.
///
/// # Errors
/// For other kinds.
pub fn to_array(tensor: &Tensor) -> Result<Array, Failure> {
    let shape = tensor.size().iter().map(|&side| side as usize).collect();
    let flat = tensor.contiguous().view(-1);
    let data = match tensor.kind() {
        Kind::Uint8 => Data::U8(Vec::try_from(flat)?),
        Kind::Float => Data::F32(Vec::try_from(flat)?),
        other => return Err(Failure::failed(format!("an ONNX file does not take images of {other:?}"))),
    };
    Ok(Array::new(shape, data)?)
}

/// An array as a tensor.
///
/// # Errors
/// For other kinds than those of outputs.
pub fn to_tensor(array: &Array) -> Result<Tensor, Failure> {
    let shape: Vec<i64> = array.shape().iter().map(|&side| side as i64).collect();
    let flat = match array.data() {
        Data::F32(numbers) => Tensor::from_slice(numbers),
        Data::I64(numbers) => Tensor::from_slice(numbers),
        Data::U8(numbers) => Tensor::from_slice(numbers),
        _ => return Err(Failure::failed(format!("outputs of {} are not supported", array.element().name()))),
    };
    Ok(flat.view(&shape[..]))
}
