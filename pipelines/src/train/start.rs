//! What a network starts from.

use backbone::Form;
use backbone::checkpoint::{self, BACKBONE, Policy};

use crate::config::{BackboneConfig, Initialization};
use crate::console;
use crate::failure::Failure;
use crate::network::Network;
use crate::task::Task;

/// Loads `backbone.weights` into the backbone of `network`; says what was loaded.
///
/// # Errors
/// When the file cannot be read, or its backbone is not the configured one.
pub fn start_weights<T: Task>(config: &BackboneConfig, network: &Network<T>) -> Result<(), Failure> {
    let Some(path) = &config.weights else { return Ok(()) };
    let read = checkpoint::read(path).map_err(Failure::failed)?;
    let wanted = match config.init {
        Initialization::Same => config.form,
        Initialization::FromDeploy => Form::Deploy,
    };
    let tensors = read.backbone();
    let Some(form) = read.form else {
        return Err(Failure::failed(format!("{} holds no MobileOne that this program knows", path.display())));
    };
    if form != wanted {
        return Err(Failure::usage(format!(
            "{} holds a {form} form, but the configuration wants a {wanted} form",
            path.display(),
        ))
        .hint(match form {
            Form::Deploy => "Set backbone.form to deploy to fine-tune it as it is, or backbone.init to from_deploy.",
            Form::Train => "Set backbone.form to train and backbone.init to same.",
        }));
    }
    let tensors = match (config.init, config.form) {
        (Initialization::FromDeploy, Form::Train) => {
            backbone::init::from_deploy(&config.specification()?, &tensors).map_err(Failure::failed)?
        }
        _ => tensors,
    };
    let variables = checkpoint::variables(&network.variables, BACKBONE);
    let report = checkpoint::load_into(&variables, &tensors, Policy::Exact)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    console::status(format!("{} tensors of the backbone from {}", report.loaded.len(), path.display()));
    Ok(())
}

/// Lays all weights of convolutions channels-last in memory.
///
/// # Errors
/// When libtorch fails.
pub fn lay_channels_last<T: Task>(network: &Network<T>) -> Result<(), Failure> {
    let weights: Vec<_> = network.state().into_values().filter(|tensor| tensor.dim() == 4).collect();
    tch_ext::convert_channels_last(&weights).map_err(Failure::failed)
}
