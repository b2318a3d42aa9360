//! The initial weights of a run.

use backbone::checkpoint::{self, CLASSIFIER, Policy};
use backbone::spec::RGB;
use backbone::{Design, Form, StateDict};
use datasets::{Loader, LoaderOptions, Order};
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;

use super::Network;
use super::{Normalizer, published, read_weights};
use crate::config::{BackboneConfig, Config, Initialization};
use crate::console;
use crate::failure::Failure;
use crate::task::{Data, Task};

/// Loads `backbone.weights` into `network`, with the classifier of the file where it fits; prints what was loaded.
///
/// # Errors
/// When the file cannot be read, or its backbone is not the configured one.
pub fn start_weights<T: Task>(config: &BackboneConfig, network: &Network<T>) -> Result<(), Failure> {
    let Some(weights) = &config.weights else { return Ok(()) };
    let path = &published::resolve(weights.file())?;
    let read = read_weights(path, weights.key())?;
    let wanted = match config.init {
        Initialization::Same => config.form,
        Initialization::FromDeploy => Form::Deploy,
    };
    let form = read.known_form().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    if form != wanted {
        return Err(Failure::usage(format!(
            "{} holds weights in {form} form, but the configuration needs {wanted} form",
            path.display(),
        ))
        .hint(match form {
            Form::Deploy => "Set backbone.form to deploy to fine-tune it as it is, or backbone.init to from_deploy.",
            Form::Train => "Set backbone.form to train and backbone.init to same.",
        }));
    }
    let mut tensors = read.backbone();
    if !config.squeeze_excite {
        leave_squeeze_excite_out(&mut tensors, path);
    }
    let design = config.design()?;
    let wanted = design.in_channels();
    let channels = read.design().map_or(wanted, |read| read.in_channels());
    if channels != wanted && channels == RGB {
        backbone::adapt_channels(&mut tensors, &design);
        console::status(format!("the stem of {} is adapted from {channels} to {wanted} channels", path.display()));
    }
    let mut tensors = match (config.init, config.form, design.mobileone()) {
        (Initialization::FromDeploy, Form::Train, Some(spec)) => backbone::init::from_deploy(spec, &tensors)?,
        _ => tensors,
    };
    let mut variables = checkpoint::variables(&network.variables, T::BACKBONE);
    if T::BACKBONE.is_empty() {
        add_classifier(&read, path, &variables, &mut tensors);
    } else {
        leave_tail_out(&design, &mut tensors, path);
    }
    variables.retain(|(name, _)| !name.starts_with(CLASSIFIER) || tensors.contains_key(name));
    let report = checkpoint::load_into(&variables, &tensors, Policy::Exact).map_err(|error| {
        Failure::failed(format!("{}: {error}", path.display())).hint(format!(
            "backbone.name, backbone.variant or backbone.spec, and backbone.in_channels, must match the weights: `pipeline info {}` shows them.",
            path.display()
        ))
    })?;
    console::status(format!("{} tensors from {} (names {})", report.loaded.len(), path.display(), read.layout));
    Ok(())
}

fn leave_squeeze_excite_out(tensors: &mut StateDict, path: &Path) {
    let before = tensors.len();
    tensors.retain(|name, _| !name.split('.').any(|part| part == "se"));
    match before - tensors.len() {
        0 => {}
        left_out => console::status(format!(
            "{left_out} tensors of squeeze-and-excitation in {} are left out (backbone.squeeze_excite is false)",
            path.display()
        )),
    }
}

/// Leaves out what a classifier alone reads of a published network.
fn leave_tail_out(design: &Design, tensors: &mut StateDict, path: &Path) {
    let before = tensors.len();
    tensors.retain(|name, _| !design.is_tail(name));
    match before - tensors.len() {
        0 => {}
        left_out => console::status(format!(
            "{left_out} tensors of {} are left out: {} has them behind the features, for its classifier",
            path.display(),
            design.title()
        )),
    }
}

/// Adds the file's classifier to the tensors to load, where it has as many classes.
fn add_classifier(read: &checkpoint::Checkpoint, path: &Path, variables: &[(String, Tensor)], tensors: &mut StateDict) {
    let others: Vec<_> = read.tensors.iter().filter(|(name, _)| !read.is_backbone(name)).collect();
    let fits = |(name, tensor): &(&String, &Tensor)| {
        variables.iter().any(|(known, variable)| known == *name && variable.size() == tensor.size())
    };
    if others.iter().all(fits) {
        tensors.extend(others.into_iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())));
    } else {
        let found = read.classes().map_or_else(|| "no".to_owned(), |classes| classes.to_string());
        console::warning(format!(
            "the classifier of {} is left out: it has {found} classes; a new one is trained instead",
            path.display()
        ));
    }
}

const CALIBRATION_BATCHES: usize = 8;

/// Calibrates batch norm on training images where the train form is made from deploy-form weights, so that it computes the same
/// in training as in evaluation ([`backbone::init`]). Does nothing for other initial weights.
///
/// # Errors
/// When an image cannot be read.
pub fn calibrate<T: Task>(
    config: &Config<T::Keys>,
    network: &Network<T>,
    training: &Data<T::Dataset>,
) -> Result<(), Failure> {
    let from_deploy = config.backbone.weights.is_some() && config.backbone.init == Initialization::FromDeploy;
    if !from_deploy || config.backbone.form == Form::Deploy {
        return Ok(());
    }
    let options = LoaderOptions {
        batch_size: config.train.batch_size,
        seed: config.seed,
        order: Order::Shuffled,
        ..config.data.loader()
    };
    let loader = Loader::new(Arc::clone(&training.samples), options)?;
    let normalizer = Normalizer::new(&config.normalization(), network.device(), false);
    let epoch = loader.epoch(0, 0)?;
    console::status("calibrating batch norm on training images");
    let mut failure = None;
    // The first batch that cannot be read ends the calibration.
    let batches = epoch.take(CALIBRATION_BATCHES).map_while(|batch| match batch {
        Ok(batch) => Some(normalizer.batch(batch.samples.iter().map(T::image))),
        Err(error) => {
            failure = Some(Failure::from(error));
            None
        }
    });
    network.model.backbone.calibrate(&mut { batches })?;
    failure.map_or(Ok(()), Err)
}
