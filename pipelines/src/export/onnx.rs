//! A network with normalisation and final steps as an ONNX file, and tensors as the arrays of a session.

use backbone::Normalization;
use formats::graph::{Graph, Side};
use formats::onnx::{Builder, Decoded, Dim, Layout, Model};
use formats::{Array, Data, Element};
use std::path::Path;
use tch::{Kind, Tensor};

use super::{CARD, Card, Input};
use crate::failure::Failure;
use crate::model::Network;
use crate::task::Export;

/// A file of the network's graph with the inputs and outputs of `card`, and the card in its metadata.
///
/// # Errors
/// When the network has an operation that cannot be written.
pub fn assemble_onnx<T: Export>(task: &T, network: &Network<T>, graph: &Graph, card: &Card) -> Result<Model, Failure> {
    let size = card.input.size;
    let mut builder = Builder::new(&card.backbone.title());
    let batch = Dim::named("batch");
    let sides = match card.input.fixed_size {
        true => size.map(Dim::Fixed),
        false => ["height", "width"].map(Dim::named),
    };
    let [height, width] = sides;
    let channels = Dim::Fixed(card.input.channels());
    let (layout, element, shape) = match card.input.kind {
        Input::Nhwc => (Layout::ChannelsLast, Element::U8, [batch.clone(), height.clone(), width.clone(), channels]),
        Input::Nchw | Input::Image => {
            (Layout::ChannelsFirst, Element::U8, [batch.clone(), channels, height.clone(), width.clone()])
        }
        Input::Normalized => {
            (Layout::ChannelsFirst, Element::F32, [batch.clone(), channels, height.clone(), width.clone()])
        }
    };
    let images = builder.input("images", element, &shape)?;
    let Normalization { mean, std } = &card.input.normalization;
    let normalized = match card.input.kind {
        Input::Normalized => images.clone(),
        Input::Nchw | Input::Nhwc | Input::Image => builder.normalize(&images, layout, mean, std)?,
    };
    let graph = graph.then(&task.ends(&network.model, card.output_kind)?)?;
    let sides = graph.sides([card.input.channels(), size[0], size[1]], !card.input.fixed_size)?;
    let sides_of = |output: usize| &sides[graph.outputs()[output].index()];
    let values = builder.network(&graph, &[normalized])?;
    match task.suppression(card.output_kind) {
        Some(limits) => {
            let (anchors, classes) = (sides_of(0)[1].length as usize, sides_of(1)[2].length as usize - 1);
            let decoded = Decoded { boxes: values[0].clone(), scores: values[1].clone(), anchors, classes };
            let kept = builder.suppress(&decoded, &limits)?;
            let found = [kept.boxes, kept.scores, kept.labels, kept.images];
            for (port, value) in card.outputs.iter().zip(&found) {
                builder.output(&port.name, value, &[Dim::named("detections"), Dim::Fixed(4)][..value.rank()])?;
            }
        }
        None => {
            for (output, (port, value)) in card.outputs.iter().zip(&values).enumerate() {
                let words = port.shape.iter().zip(sides_of(output));
                let dim = |(word, side): (&String, &Side)| match (side.free, word.as_str()) {
                    (false, _) => Dim::Fixed(side.length),
                    (true, "N") => batch.clone(),
                    (true, "H") => height.clone(),
                    (true, "W") => width.clone(),
                    (true, other) => Dim::named(other),
                };
                builder.output(&port.name, value, &words.map(dim).collect::<Vec<_>>())?;
            }
        }
    }
    Ok(builder.finish(&[(CARD.to_owned(), card.to_json()?)].into())?)
}

/// The card in an ONNX file, where it has one.
pub fn card_of(path: &Path) -> Result<Option<String>, Failure> {
    Ok(Model::read(path)?.metadata().remove(CARD))
}

/// Whether an ONNX file has a card: this program exported it.
///
/// # Errors
/// When it cannot be read.
pub fn has_card(path: &Path) -> Result<bool, Failure> {
    Ok(card_of(path)?.is_some())
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
