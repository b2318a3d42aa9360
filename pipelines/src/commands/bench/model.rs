//! The subjects of a measurement: a variant, configuration, run or weights, as a task with a network in both forms.

use backbone::checkpoint::Checkpoint;
use backbone::{Design, Form};
use datasets::Class;
use front::cli::BenchArgs;
use std::path::Path;
use tch::Device;

use crate::config::{Config, ConfigFile, TaskKind};
use crate::failure::Failure;
use crate::measure::Forms;
use crate::model::{Network, classes_of, numbered};
use crate::run::Subject;
use crate::task::{Task, Train};

/// Outputs of the published classifiers, and their input's side.
const IMAGENET_CLASSES: u32 = 1000;
pub(super) const IMAGENET_SIDE: usize = 224;

/// A subject named on the command line.
pub(super) struct Named {
    /// The name in tables.
    pub name: String,
    /// The backbone, where it is measured as a classifier of ImageNet.
    pub design: Option<Design>,
    file: ConfigFile,
    weights: Option<Checkpoint>,
}

/// A task with its network.
pub(super) struct Model<T: Task> {
    pub task: T,
    pub forms: Forms<T>,
    pub config: Config<T::Keys>,
    pub classes: Vec<Class>,
    /// Height and width of the input.
    pub size: [i64; 2],
}

impl Named {
    /// Opens a subject by name.
    ///
    /// # Errors
    /// When nothing has that name, or it cannot be read.
    pub fn open(name: &str, args: &BenchArgs) -> Result<Self, Failure> {
        if let Some(design) = Design::named(name) {
            return Self::of_design(name.to_owned(), design);
        }
        let (file, weights, design) = match Subject::open(name, None, &args.set.overrides)? {
            Subject::Config(file) => (file, None, None),
            Subject::Trained { weights, config, .. } => (config, Some(weights), None),
            Subject::Bare { path, weights } => {
                let design =
                    weights.design().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
                (classifier(&design)?, None, Some(design))
            }
        };
        let name = Path::new(name).file_stem().unwrap_or(name.as_ref()).to_string_lossy().into_owned();
        Ok(Self { name, design, file, weights })
    }

    /// A classifier of ImageNet on that backbone.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn of_design(name: String, design: Design) -> Result<Self, Failure> {
        Ok(Self { name, file: classifier(&design)?, design: Some(design), weights: None })
    }

    /// The task.
    ///
    /// # Errors
    /// When the configuration names none.
    pub fn task(&self) -> Result<TaskKind, Failure> {
        self.file.task()
    }

    /// Builds the network on `device`. Latency does not depend on the weights: those of the file are used where they are in
    /// train form, random ones otherwise.
    ///
    /// # Errors
    /// When the configuration or the weights do not fit.
    pub fn model<T: Train>(&self, args: &BenchArgs, device: Device) -> Result<Model<T>, Failure> {
        let mut config: Config<T::Keys> = self.file.config()?;
        if let Some(size) = args.size {
            config.data.size = size.into();
        }
        let classes = match (args.classes, self.weights.as_ref().and_then(classes_of)) {
            (Some(count), _) => numbered(count.into()),
            (None, Some(classes)) => classes,
            (None, None) if self.design.is_some() => numbered(IMAGENET_CLASSES.into()),
            (None, None) => {
                let data = T::training_data(&config);
                data.map_err(|failure| failure.hint("--classes COUNT measures the network without the data."))?.classes
            }
        };
        let task = T::new(&config, &classes)?;
        let mut train = Network::<T>::new(&task, Form::Train, device)?;
        let in_train_form = |weights: &&Checkpoint| {
            weights.metadata.as_ref().is_some_and(|metadata| metadata.form == Form::Train) && args.classes.is_none()
        };
        if let Some(weights) = self.weights.as_ref().filter(in_train_form) {
            train.variables.freeze();
            train.load(&weights.tensors)?;
        }
        let forms = Forms::of(&task, train)?;
        let size = config.data.size.sides();
        Ok(Model { task, forms, config, classes, size })
    }
}

fn classifier(design: &Design) -> Result<ConfigFile, Failure> {
    let backbone = match design {
        Design::MobileOne(spec) => format!("{{ spec: {} }}", serde_json::to_string(spec)?),
        Design::Published(published) => serde_json::to_string(published)?,
    };
    let text = format!(
        "task: classify\nbackbone: {backbone}\ndata: {{ root: ., size: {IMAGENET_SIDE}, \
         train: {{ format: folder, path: . }}, val: {{ format: folder, path: . }} }}\n"
    );
    ConfigFile::kept_in("network".as_ref(), &text, &[])
}
