//! What a command exports or quantises: a network in deploy form, with its task and the validation set.

use backbone::checkpoint::Checkpoint as Weights;
use datasets::Class;
use std::path::Path;
use tch::Device;

use crate::config::{Config, ConfigFile};
use crate::console;
use crate::failure::Failure;
use crate::model::{Network, classes_of, deployed, numbered, published, read_weights};
use crate::run::Subject;
use crate::task::{Data, Evaluate, Export};

/// Weights with the configuration that they are used under.
pub struct Trained {
    /// The configuration.
    pub config: ConfigFile,
    weights: Weights,
}

impl Trained {
    /// Opens a run's folder, weights of this program, or a configuration with `weights`; `key` is the network to read of a file with
    /// several.
    ///
    /// # Errors
    /// When nothing has that name, or either is missing.
    pub fn open(
        subject: &str,
        weights: Option<&Path>,
        key: Option<&str>,
        overrides: &[String],
    ) -> Result<Self, Failure> {
        let own_key = key.filter(|_| weights.is_none());
        let read = |path: &Path| read_weights(&published::resolve(path)?, key);
        let (config, weights) = match (Subject::open(subject, own_key, overrides)?, weights) {
            (Subject::Config(file), Some(path)) => (file, read(path)?),
            (Subject::Config(_), None) => {
                return Err(Failure::usage("a configuration alone has no weights")
                    .hint("Add --weights FILE, or name a run's folder."));
            }
            (Subject::Trained { config, .. }, Some(path)) => (config, read(path)?),
            (Subject::Trained { config, weights, .. }, None) => (config, weights),
            (Subject::Bare { path, .. }, _) => {
                return Err(Failure::usage(format!("{} has no configuration", path.display()))
                    .hint("Name a configuration, and these weights with --weights."));
            }
        };
        Ok(Self { config, weights })
    }
}

/// A network in deploy form on the CPU, and what belongs to it.
pub struct Source<T: Export> {
    /// Its configuration.
    pub config: Config<T::Keys>,
    /// Its task.
    pub task: T,
    /// The network.
    pub network: Network<T>,
    /// The classes, in the order of its outputs.
    pub classes: Vec<Class>,
    /// The validation set, where it exists.
    pub data: Option<Data<T::Dataset>>,
}

impl<T: Export> Source<T> {
    /// Builds the network.
    ///
    /// # Errors
    /// When configuration, weights and data do not fit each other, or nothing names the classes.
    pub fn build(trained: Trained) -> Result<Self, Failure> {
        let Trained { config, weights } = trained;
        let config: Config<T::Keys> = config.config()?;
        let classes = classes_of(&weights);
        let data = validation_data::<T>(&config, classes.as_deref())?;
        let classes = classes.or_else(|| data.as_ref().map(|data| data.classes.clone()));
        let classes = classes.or_else(|| classes_by_number(&weights)).ok_or_else(|| {
            Failure::failed("neither the weights nor the data name the classes")
                .hint("Export a run, or weights that `pipeline reparameterize` wrote.")
        })?;
        let task = T::new(&config, &classes)?;
        let network = deployed(&task, weights, Device::Cpu, true)?;
        Ok(Self { config, task, network, classes, data })
    }
}

/// As many classes as a classifier's weights have outputs, with numbers for names.
fn classes_by_number(weights: &Weights) -> Option<Vec<Class>> {
    let count = weights.classes()? as u64;
    console::warning("neither the weights nor the data name the classes: they are numbered from 0");
    Some(numbered(count))
}

/// The validation set, where it exists.
fn validation_data<T: Evaluate>(
    config: &Config<T::Keys>,
    classes: Option<&[Class]>,
) -> Result<Option<Data<T::Dataset>>, Failure> {
    if !config.data.root.is_dir() {
        console::warning(format!(
            "cannot find the data: {} does not exist; random images take the place of the validation set",
            config.data.root.display()
        ));
        return Ok(None);
    }
    T::validation_data(config, classes).map(Some)
}
