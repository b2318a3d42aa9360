//! A network with normalisation and final steps as a Core ML package.

use backbone::Normalization;
use formats::coreml::{Builder, Description, Kind, Package};
use formats::graph::Graph;
use std::path::Path;

use super::{CARD, Card, FloatKind, Input};
use crate::config::TaskKind;
use crate::failure::Failure;
use crate::model::Network;
use crate::task::{Export, OutputKind};

/// What Xcode shows a preview by.
const PREVIEW: &str = "com.apple.coreml.model.preview";

/// A package of the network's graph with the inputs and outputs of `card`, and the card in its metadata; the network is computed in
/// `precision`.
///
/// # Errors
/// When the network has an operation that cannot be written.
pub fn assemble_coreml<T: Export>(
    task: &T,
    network: &Network<T>,
    graph: &Graph,
    card: &Card,
    precision: FloatKind,
) -> Result<Package, Failure> {
    let kind = if precision == FloatKind::Fp16 { Kind::F16 } else { Kind::F32 };
    let mut builder = Builder::default();
    let channels = card.input.channels();
    let sizes: Vec<[i64; 2]> = std::iter::once(card.input.size).chain(card.input.sizes.iter().copied()).collect();
    let Normalization { mean, std } = &card.input.normalization;
    let images = match card.input.kind {
        Input::Normalized => builder.images("images", channels, &sizes)?,
        Input::Nchw | Input::Nhwc | Input::Image => {
            let picture = builder.picture("image", channels, &sizes)?;
            builder.normalize(&picture, mean, std, kind)?
        }
    };
    let numbers = builder.network(graph, &[&images], kind)?;
    let ends = task.ends(&network.model, card.output_kind)?;
    let given: Vec<_> = numbers.iter().chain([&images]).collect();
    // Places in 16 bits would be some tenths of a pixel off; of maps as large as the image only the largest number matters.
    let values = builder.network(&ends, &given, if card.task == TaskKind::Segment { kind } else { Kind::F32 })?;
    let limits = task.suppression(card.output_kind);
    let labels: Vec<&str> = card.classes.iter().map(|class| class.name.as_str()).collect();
    match (card.task, card.output_kind, limits) {
        (TaskKind::Classify, OutputKind::Final, _) => builder.classify(&values[0], &labels),
        (_, _, Some(_)) => builder.candidates(&values[0], &values[1], card.input.size)?,
        _ => card.outputs.iter().zip(&values).for_each(|(port, value)| builder.output(&port.name, value)),
    }
    let mut metadata = vec![(CARD.to_owned(), card.to_json()?)];
    if card.task == TaskKind::Segment {
        let labels = serde_json::json!({ "labels": labels }).to_string();
        metadata
            .extend([(format!("{PREVIEW}.type"), "imageSegmenter".to_owned()), (format!("{PREVIEW}.params"), labels)]);
    }
    let description =
        Description { summary: &card.summary(), author: &card.producer, metadata: metadata.into_iter().collect() };
    let package = builder.finish(&description)?;
    Ok(match limits {
        Some(limits) => package.suppressed(&labels, &limits)?,
        None => package,
    })
}

/// The card in a package, where it has one.
pub fn card_of(path: &Path) -> Result<Option<String>, Failure> {
    Ok(Package::read(path)?.metadata().remove(CARD))
}
