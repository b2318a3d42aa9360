//! A network in int8: calibrated on images without labels, and compared with the network in floating point.
//!
//! | module | holds |
//! |---|---|
//! | here | the flow, and which layers stay in floating point |
//! | `images` | the images of a calibration |
//! | `judge` | both networks on the validation set |
//! | `report` | what was found and done |
//!
//! What is done to the weights is [`formats::quantize`]'s.

mod images;
mod judge;
mod report;
mod start;

use formats::graph::Graph;
use formats::quantize::{LayerReport, Quantized, Reconstruction, layers, reconstruct, settled};
use front::cli::QuantizeOptions;
use front::words::FloatLayers;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tch::Device;

use crate::console::{self, Progress};
use crate::export::Source;
use crate::failure::Failure;
use crate::model::{Interpreted, Normalizer, graph_of};
use crate::task::Export;
pub use images::Images;
pub use report::{Accuracy, QuantizeReport};
pub use start::{Start, TEACHER};

/// How a network is quantised.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many images it is calibrated with.
    pub images: usize,
    /// Where they are from: folders of images or configurations; the training set where none is named.
    pub sources: Vec<PathBuf>,
    /// Which layers stay in floating point.
    pub float_layers: FloatLayers,
    /// The largest drop of the headline metric.
    pub max_drop: f64,
    /// Passes over the images in which the quantised network is trained to give the float network's outputs.
    pub reconstruct: usize,
}

/// The number of calibration images where none is given.
const CALIBRATION_IMAGES: u32 = 256;
/// The largest drop where none is given.
const MAX_DROP: f64 = 0.01;

impl From<&QuantizeOptions> for Options {
    fn from(given: &QuantizeOptions) -> Self {
        Self {
            images: given.calibration.unwrap_or(CALIBRATION_IMAGES) as usize,
            sources: given.calibration_data.clone(),
            float_layers: given.float_layers.clone().unwrap_or(FloatLayers::Auto),
            max_drop: given.max_drop.unwrap_or(MAX_DROP),
            reconstruct: given.reconstruct.unwrap_or(0) as usize,
        }
    }
}

/// Counts of layers in floating point that [`FloatLayers::Auto`] tries, one after the other.
const AUTO_COUNTS: [usize; 5] = [0, 1, 2, 4, 8];

/// Quantises a network.
///
/// # Errors
/// When there are no images, a weight is not finite, a layer's name is unknown, or the metric drops by more than the limit.
pub fn quantize<T: Export>(source: &Source<T>, options: &Options) -> Result<(Graph, QuantizeReport), Failure> {
    let Source { task, config, network, data, .. } = source;
    if let Some(trained) = network.graph()? {
        return as_trained(source, &trained);
    }
    let graph = graph_of(task, network)?;
    let images = Images::collect(config, task, options.images, &options.sources)?;
    let normalizer = Normalizer::new(&config.normalization(), Device::Cpu, true);
    let images_in_range = images.normalized(&normalizer);
    let calibrated = |float: &BTreeSet<String>| calibrate(&graph, &images_in_range, float);
    let judged = |quantized: &Quantized| -> Result<Option<Accuracy>, Failure> {
        let Some(data) = data else { return Ok(None) };
        let of = |graph| Interpreted { graph, model: &network.model, normalizer: &normalizer };
        judge::judge(source, data, [&of(&graph), &of(&quantized.graph)]).map(Some)
    };
    if data.is_none() {
        console::warning("there is no validation set: what int8 costs in accuracy is not known");
    }
    let (named, counts) = match &options.float_layers {
        FloatLayers::Named(names) => (names.clone(), vec![0]),
        FloatLayers::Worst(count) => (BTreeSet::new(), vec![*count]),
        FloatLayers::Auto => (BTreeSet::new(), AUTO_COUNTS.to_vec()),
    };
    let mut all = Some(calibrated(&named)?);
    let ranking = all.as_ref().map(|all| all.layers.clone()).unwrap_or_default();
    let mut best = None;
    for count in counts {
        let mut quantized = match all.take() {
            Some(all) if count == 0 => all,
            _ => {
                console::status(format!("quantising again with {count} layers in floating point"));
                calibrated(&worst(&ranking, count))?
            }
        };
        if options.reconstruct > 0 {
            improve(&mut quantized, &images_in_range, options.reconstruct)?;
        }
        let accuracy = judged(&quantized)?;
        let enough = accuracy.as_ref().is_none_or(|accuracy| accuracy.drop() <= options.max_drop);
        best = Some((quantized, accuracy));
        if enough {
            break;
        }
    }
    let (quantized, accuracy) = best.ok_or_else(|| Failure::usage("no number of layers to try"))?;
    if let Some(accuracy) = accuracy.as_ref().filter(|accuracy| accuracy.drop() > options.max_drop) {
        return Err(Failure::failed(format!(
            "in int8 {} drops by {:.4}, more than {}; nothing is written",
            accuracy.metric(),
            accuracy.drop(),
            options.max_drop
        ))
        .hint("More or other calibration images and --float-layers lower the drop; --max-drop sets another limit."));
    }
    Ok((quantized.graph, QuantizeReport { images: Some(images.summary()), accuracy, layers: quantized.layers }))
}

/// A network that was trained in int8, as it is.
fn as_trained<T: Export>(source: &Source<T>, trained: &Graph) -> Result<(Graph, QuantizeReport), Failure> {
    let Source { task, config, network, data, .. } = source;
    console::status("the network was trained in int8: it is written as it is, and `pipeline eval` gives its accuracy");
    let graph = settled(trained)?;
    let layers = match data {
        Some(_) => {
            let images = Images::collect(config, task, 1, &[])?;
            let normalizer = Normalizer::new(&config.normalization(), Device::Cpu, true);
            layers(&graph_of(task, network)?, &graph, &images.normalized(&normalizer))?
        }
        None => Vec::new(),
    };
    Ok((graph, QuantizeReport { images: None, accuracy: None, layers }))
}

/// The names of the layers that err most by themselves.
fn worst(layers: &[LayerReport], count: usize) -> BTreeSet<String> {
    let mut ranked: Vec<&LayerReport> = layers.iter().filter(|layer| layer.int8).collect();
    let noise = |layer: &LayerReport| layer.own_signal_to_noise.unwrap_or(f64::INFINITY);
    ranked.sort_by(|a, b| noise(a).total_cmp(&noise(b)));
    ranked.into_iter().take(count).map(|layer| layer.name.clone()).collect()
}

fn calibrate(
    graph: &Graph,
    images: &dyn formats::quantize::Images,
    float: &BTreeSet<String>,
) -> Result<Quantized, Failure> {
    with_progress(|advance| formats::quantize::quantize(graph, images, float, advance))
}

/// Trains the quantised network to give the float network's outputs.
fn improve(quantized: &mut Quantized, images: &dyn formats::quantize::Images, epochs: usize) -> Result<(), Failure> {
    let options = Reconstruction { epochs, ..Reconstruction::default() };
    let [before, after] = with_progress(|advance| reconstruct(quantized, images, options, advance))?;
    let kept = if after < before { "" } else { "; it is left as it was" };
    console::status(format!("noise on images that are held out: {before:.5} before, {after:.5} after{kept}"));
    Ok(())
}

/// Runs `work`, which reports steps of one thing after another, with a progress bar for each.
fn with_progress<T>(
    work: impl FnOnce(&mut formats::quantize::Progress<'_>) -> Result<T, formats::Error>,
) -> Result<T, Failure> {
    let mut progress: Option<Progress> = None;
    let done = work(&mut |step, steps, what| {
        if step == 1 {
            progress.take().into_iter().for_each(Progress::finish);
        }
        let bar = progress.get_or_insert_with(|| Progress::new(format!("quantising: {what}"), steps as u64));
        bar.advance(1, String::new);
    });
    progress.into_iter().for_each(Progress::finish);
    Ok(done?)
}
