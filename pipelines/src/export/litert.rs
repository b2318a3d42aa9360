//! A network with normalisation and final steps as a LiteRT file.

use backbone::Normalization;
use formats::Element;
use formats::graph::{Graph, Side};
use formats::litert::{Builder, Description, Meaning, metadata};
use std::collections::BTreeMap;
use std::path::Path;

use super::{CARD, Card, Input};
use crate::config::TaskKind;
use crate::failure::Failure;
use crate::model::Network;
use crate::task::{Export, OutputKind, Port};

/// The bytes of a file of the network's graph with the inputs and outputs of `card`, and the card in its metadata; with `half`, weights in
/// floating point have 16 bits.
///
/// # Errors
/// When the network has an operation that cannot be written.
pub fn assemble_litert<T: Export>(
    task: &T,
    network: &Network<T>,
    graph: &Graph,
    card: &Card,
    half: bool,
) -> Result<Vec<u8>, Failure> {
    let [height, width] = card.input.size;
    let mut builder = Builder::new(&card.backbone.title());
    if half {
        builder.keep_weights_in_half();
    }
    let limits = task.suppression(card.output_kind);
    // The operator for detections takes one image.
    let batch = Side { length: 1, free: limits.is_none() };
    let [height, width] = [height, width].map(|length| Side { length, free: !card.input.fixed_size });
    let sides = [batch, height, width, Side::fixed(card.input.channels())];
    let element = if card.input.kind == Input::Normalized { Element::F32 } else { Element::U8 };
    let images = builder.input("images", element, &sides);
    let Normalization { mean, std } = &card.input.normalization;
    let images = match card.input.kind {
        Input::Normalized => images,
        Input::Nchw | Input::Nhwc | Input::Image => builder.normalize(&images, mean, std)?,
    };
    let graph = graph.then(&task.ends(&network.model, card.output_kind)?)?;
    let found = builder.network(&graph, &images)?;
    let values = match limits {
        Some(limits) => {
            let kept = builder.detections(&found[0].value, &found[1].value, &limits, card.input.size)?;
            vec![kept.boxes, kept.classes, kept.scores, kept.count]
        }
        None => found.into_iter().map(|output| output.value).collect(),
    };
    for (port, value) in card.outputs.iter().zip(&values) {
        builder.output(&port.name, value);
    }
    let card_entry = BTreeMap::from([(CARD.to_owned(), card.to_json()?.into_bytes())]);
    let of_bytes = |values: &[f64]| values.iter().map(|value| (255.0 * value) as f32).collect();
    let description = Description {
        name: &card.name,
        normalization: (card.input.kind == Input::Normalized).then(|| (of_bytes(mean), of_bytes(std))),
        outputs: card.outputs.iter().map(|port| (port.name.as_str(), meaning(port, card))).collect(),
        labels: card.classes.iter().map(|class| class.name.as_str()).collect(),
    };
    Ok(builder.finish(&card_entry, &description)?)
}

fn meaning(port: &Port, card: &Card) -> Meaning {
    match (card.task, port.name.as_str(), card.output_kind) {
        (TaskKind::Classify, ..) => Meaning::Scores,
        (TaskKind::Detect, "boxes", OutputKind::Final) => Meaning::Boxes,
        (TaskKind::Detect, "classes", _) => Meaning::Classes,
        _ => Meaning::Other,
    }
}

/// The card in a LiteRT file, where it has one.
pub fn card_of(path: &Path) -> Result<Option<String>, Failure> {
    let card = metadata(path)?.remove(CARD);
    card.map(|bytes| String::from_utf8(bytes).map_err(Failure::failed)).transpose()
}
