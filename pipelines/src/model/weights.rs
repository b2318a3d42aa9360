//! Files of weights: their metadata, and a network built from one.

use backbone::checkpoint::{self, Layout, Metadata, Normalization};
use backbone::{Form, Spec, StateDict};
use clap::ValueEnum;
use datasets::Class;
use serde::Serialize;
use std::path::Path;
use tch::Device;

use super::Network;
use crate::config::{Config, DEFAULT_WORKERS};
use crate::failure::Failure;
use crate::task::Task;

/// The metadata key of the configuration that the weights were trained with.
pub const CONFIG: &str = "config";

/// The naming scheme that a file of weights is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LayoutName {
    /// This program's, with metadata
    Own,
    /// apple/ml-mobileone's
    Apple,
    /// timm's
    Timm,
}

/// Writes weights under the names of `layout`.
pub fn write_weights(path: &Path, tensors: &StateDict, metadata: &Metadata, layout: LayoutName) -> Result<(), Failure> {
    let written = match layout {
        LayoutName::Own => checkpoint::write(path, tensors, metadata),
        LayoutName::Apple => checkpoint::export(path, tensors, Layout::Apple),
        LayoutName::Timm => checkpoint::export(path, tensors, Layout::Timm),
    };
    written.map_err(|error| match error {
        backbone::Error::NoName { .. } => {
            Failure::usage(error).hint("Apple and timm have classifiers only; write other networks with --layout own.")
        }
        other => Failure::failed(other),
    })
}

/// Metadata for weights that have none: with ImageNet's normalisation, as the published ones.
pub fn bare_metadata(spec: Spec, form: Form) -> Metadata {
    let normalization = Normalization::default();
    Metadata { spec, form, classes: Vec::new(), normalization, extra: checkpoint::file::Text::new() }
}

/// The metadata key of the ids that annotation files use for the classes.
const CLASS_IDS: &str = "class_ids";

/// The classes that weights were trained for, in the order of the network's outputs.
pub fn classes_of(weights: &checkpoint::Checkpoint) -> Option<Vec<Class>> {
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
pub fn known_classes(weights: &checkpoint::Checkpoint, path: &Path) -> Result<Vec<Class>, Failure> {
    classes_of(weights).ok_or_else(|| Failure::failed(format!("{} does not name its classes", path.display())))
}

/// A network in deploy form with the weights of a file, ready to run.
pub fn deployed<T: Task>(
    task: &T,
    weights: checkpoint::Checkpoint,
    device: Device,
    channels_last: bool,
) -> Result<Network<T>, Failure> {
    // A network that is trained on a deploy-form backbone still has normalisation in its head: its metadata says train form.
    let form = weights.metadata.map(|metadata| metadata.form).or(weights.form).unwrap_or(Form::Train);
    let mut network = Network::new(task, form, device)?;
    network.variables.freeze();
    network.load(&weights.tensors)?;
    let network = if form == Form::Deploy { network } else { network.deployed(task)? };
    if channels_last {
        network.channels_last()?;
    }
    Ok(network)
}

/// The metadata of a run's weights.
pub fn metadata<T: Task>(config: &Config<T::Keys>, classes: &[Class]) -> Result<Metadata, Failure> {
    let ids: Vec<u64> = classes.iter().map(|class| class.id).collect();
    let ids = serde_json::to_string(&ids)?;
    // The file must not depend on the number of threads that read the data.
    let mut kept = config.clone();
    kept.data.workers = DEFAULT_WORKERS;
    let text = serde_yaml::to_string(&kept)?;
    Ok(Metadata {
        spec: config.backbone.specification()?,
        form: Form::Train,
        classes: classes.iter().map(|class| class.name.clone()).collect(),
        normalization: config.data.normalize,
        extra: [(CLASS_IDS.to_owned(), ids), (CONFIG.to_owned(), text)].into(),
    })
}
