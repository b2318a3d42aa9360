//! Files of weights: their metadata, and a network built from one.

use backbone::checkpoint::{self, Checkpoint, Layout, Metadata, Normalization};
use backbone::{Design, Form, StateDict};
use datasets::Class;
pub use front::words::LayoutName;
use std::path::Path;
use tch::Device;

use super::{GridShapes, Network};
use crate::config::{Config, DEFAULT_WORKERS};
use crate::console;
use crate::failure::Failure;
use crate::task::Task;

/// The metadata key of the configuration that the weights were trained with.
pub const CONFIG: &str = "config";

/// Writes weights under the names of `layout`.
pub fn write_weights(path: &Path, tensors: &StateDict, metadata: &Metadata, layout: LayoutName) -> Result<(), Failure> {
    let written = match layout {
        LayoutName::Own => checkpoint::write(path, tensors, metadata),
        LayoutName::Apple => checkpoint::export(path, tensors, Layout::Apple, &metadata.design),
        LayoutName::Timm => checkpoint::export(path, tensors, Layout::Timm, &metadata.design),
    };
    written.map_err(|error| match error {
        backbone::Error::NoName { .. } => {
            Failure::usage(error).hint("Apple and timm have classifiers only; write other networks with --layout own.")
        }
        other => Failure::failed(other),
    })
}

/// Reads a file of weights, or the network at `key` of it; prints what else it holds and what was passed over.
///
/// # Errors
/// As [`read_any_weights`], and for values that are not finite.
pub fn read_weights(path: &Path, key: Option<&str>) -> Result<Checkpoint, Failure> {
    let weights = read_any_weights(path, key)?;
    match not_finite(path, &weights) {
        Some(sentence) => Err(Failure::failed(sentence)
            .hint("The training diverged: use an earlier checkpoint of it. `pipeline convert --allow-not-finite` passes them on.")),
        None => Ok(weights),
    }
}

/// The same, and values that are not finite are a warning.
///
/// # Errors
/// When the file cannot be read, is of another kind, or holds several networks of which none is the usual one.
pub fn read_any_weights(path: &Path, key: Option<&str>) -> Result<Checkpoint, Failure> {
    let weights = checkpoint::read_at(path, key)?;
    if !weights.others.is_empty() {
        let kind = if weights.average { ", the average of the weights" } else { "" };
        let others: Vec<String> = weights.others.iter().map(|key| format!("`{key}`")).collect();
        console::status(format!(
            "{} holds {} networks: using `{}`{kind}; --key takes another: {}",
            path.display(),
            1 + others.len(),
            weights.key(),
            others.join(", ")
        ));
    }
    for sentence in &weights.passed_over {
        console::warning(format!("{}: {sentence}", path.display()));
    }
    Ok(weights)
}

/// Layers named where values are not finite.
const NAMED_LAYERS: usize = 4;

/// Which tensors of a file have values that are not finite, as a sentence; none where all are.
pub fn not_finite(path: &Path, weights: &Checkpoint) -> Option<String> {
    let found = weights.not_finite();
    let named: Vec<String> = found
        .iter()
        .take(NAMED_LAYERS)
        .map(|(name, count)| format!("{name} ({count} of {})", weights.tensors[*name].numel()))
        .collect();
    let more = if found.len() > named.len() { ", ..." } else { "" };
    (!found.is_empty()).then(|| {
        let (count, all) = (found.len(), weights.tensors.len());
        let named = named.join(", ");
        format!("{}: values that are not finite in {count} of {all} tensors: {named}{more}", path.display())
    })
}

/// Metadata for weights that have none: with ImageNet's normalisation, as the published ones.
pub fn bare_metadata(design: Design, form: Form) -> Metadata {
    let normalization = Normalization::imagenet(design.in_channels());
    Metadata { design, form, classes: Vec::new(), normalization, extra: checkpoint::file::Text::new() }
}

/// The metadata key of the ids that annotation files use for the classes.
const CLASS_IDS: &str = "class_ids";

/// The classes that weights were trained for, in the order of the network's outputs.
pub fn classes_of(weights: &Checkpoint) -> Option<Vec<Class>> {
    let metadata = weights.metadata.as_ref()?;
    let ids: Vec<u64> = serde_json::from_str(metadata.extra.get(CLASS_IDS)?).ok()?;
    let named = metadata.classes.iter().zip(ids);
    Some(named.map(|(name, id)| Class { id, name: name.clone() }).collect())
}

/// As many classes, with numbers for names.
pub fn numbered(count: u64) -> Vec<Class> {
    (0..count).map(|id| Class { id, name: id.to_string() }).collect()
}

/// The classes of weights that must name them; `path` is their file.
///
/// # Errors
/// When they do not.
pub fn known_classes(weights: &Checkpoint, path: &Path) -> Result<Vec<Class>, Failure> {
    classes_of(weights).ok_or_else(|| Failure::failed(format!("{} does not name its classes", path.display())))
}

/// A network in deploy form with the weights of a file, ready to run.
pub fn deployed<T: Task>(
    task: &T,
    weights: Checkpoint,
    device: Device,
    channels_last: bool,
) -> Result<Network<T>, Failure> {
    // A network that is trained on a deploy-form backbone still has normalisation in its head: its metadata says train form.
    let form = weights.metadata.map(|metadata| metadata.form).or(weights.form).unwrap_or(Form::Train);
    let mut network = Network::new(task, form, device)?.with_grids(task, &GridShapes::of(&weights.tensors))?;
    network.variables.freeze();
    network.load(&weights.tensors)?;
    let network = if form == Form::Deploy { network } else { network.deployed(task)? };
    if channels_last {
        network.channels_last()?;
    }
    Ok(network)
}

/// The metadata of a run's weights, which are in this form.
pub fn metadata<T: Task>(config: &Config<T::Keys>, form: Form, classes: &[Class]) -> Result<Metadata, Failure> {
    let ids: Vec<u64> = classes.iter().map(|class| class.id).collect();
    let ids = serde_json::to_string(&ids)?;
    // The file must not depend on the number of threads that read the data.
    let mut kept = config.clone();
    kept.data.workers = DEFAULT_WORKERS;
    let text = serde_yaml::to_string(&kept)?;
    Ok(Metadata {
        design: config.backbone.design()?,
        form,
        classes: classes.iter().map(|class| class.name.clone()).collect(),
        normalization: config.normalization(),
        extra: [(CLASS_IDS.to_owned(), ids), (CONFIG.to_owned(), text)].into(),
    })
}
