//! What a task is: the seam between the stages, which are written once, and classification, detection and segmentation.
//!
//! | trait | who uses it |
//! |---|---|
//! | [`Task`] | everything: configuration, network, cost |
//! | [`Train`] | the training stage |
//! | [`Evaluate`] | evaluation and prediction |
//! | [`Export`] | exported files; a task can be trained without it |

mod backbone_builder;
pub mod classify;
mod data;
pub mod detect;
mod evaluate;
mod export;
pub mod segment;
mod train;

use backbone::{Backbone, Cost, Fold, Form, Mode, StateDict};
use datasets::{Class, Dataset, Image};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::config::{Config, Keys, TaskKind};
use crate::failure::Failure;
pub use backbone_builder::BackboneBuilder;
pub use classify::Classify;
pub use data::{AnnotatedSet, Data, Member, Source, read_splits, training_data_of, warn_findings};
pub use detect::Detect;
pub use evaluate::{Evaluate, Paired, Pairing, RenderOptions, Scorer};
pub use export::{Convention, Export, FinalSteps, OutputKind, Port};
pub use segment::Segment;
pub use train::{Loss, Train};

/// A task: its configuration, its samples and its network.
pub trait Task: Sized {
    /// What the task adds to the configuration.
    type Keys: Keys<Source: Source>;
    /// A decoded image with its annotations, at the size of the network's input.
    type Sample: Send + 'static;
    /// Where samples come from.
    type Dataset: Dataset<Sample = Self::Sample> + 'static;
    /// What follows the backbone.
    type Head: Fold;
    /// The output of the network.
    type Output;

    /// The word for the task in configurations.
    const KIND: TaskKind;

    /// The prefix of the backbone's keys; empty where the backbone is the root of the network.
    const BACKBONE: &'static str;

    /// The task for these classes.
    ///
    /// # Errors
    /// When the configuration does not describe a network that can be built for them.
    fn new(config: &Config<Self::Keys>, classes: &[Class]) -> Result<Self, Failure>;

    /// Height and width of the network's input.
    fn size(&self) -> [i64; 2];

    /// The image of a sample.
    fn image(sample: &Self::Sample) -> &Image;

    /// Registers the model's weights under `path`. `Form::Train` is the form that the configuration trains.
    ///
    /// # Errors
    /// When the configuration does not describe a model that can be built.
    fn build(&self, path: &nn::Path, form: Form) -> Result<WithHead<Self::Head>, Failure>;

    /// Runs the network once on normalised images `[N, C, H, W]`. This is what is trained, recorded, exported and measured.
    ///
    /// # Errors
    /// When the images do not fit the network.
    fn forward(&self, model: &WithHead<Self::Head>, images: &Tensor, mode: Mode) -> Result<Self::Output, Failure>;

    /// The tensors of an output, by name, for comparing two models.
    fn numbers<'a>(&self, output: &'a Self::Output) -> Vec<(&'static str, &'a Tensor)>;

    /// The output that has these tensors, in the order of [`Task::numbers`].
    ///
    /// # Errors
    /// When there are not as many.
    fn output_of(&self, numbers: Vec<Tensor>) -> Result<Self::Output, Failure>;

    /// The cost of a model in its form, heads included, for one image of the configured size, layer by layer.
    fn cost(&self, model: &WithHead<Self::Head>) -> Cost;
}

/// A network: a backbone under a head.
pub struct WithHead<H> {
    /// The features.
    pub backbone: Box<dyn Backbone>,
    /// What is computed from them.
    pub head: H,
}

impl<H: Fold> Fold for WithHead<H> {
    fn fold(&self, into: &mut StateDict) {
        self.backbone.fold(into);
        self.head.fold(into);
    }
}

/// As many tensors as an output has.
///
/// # Errors
/// When there are more or fewer.
fn exactly<const COUNT: usize>(numbers: Vec<Tensor>) -> Result<[Tensor; COUNT], Failure> {
    let found = numbers.len();
    numbers.try_into().map_err(|_| Failure::failed(format!("a network gave {found} tensors, expected {COUNT}")))
}

/// A section of the configuration in which a task has no keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NoOptions {}

/// Evaluates an expression with `T` as the task of that kind: the only place that knows the type of each kind. With
/// `T: Export` the expression is a `Result`, and a task that cannot be exported is an error.
macro_rules! for_task {
    (@ $kind:expr, $task:ident => $body:expr; $($known:ident),*; $($other:ident),*) => {
        match $kind {
            $($crate::config::TaskKind::$known => {
                type $task = $crate::task::$known;
                $body
            })*
            $(kind @ $crate::config::TaskKind::$other => Err($crate::failure::Failure::usage(
                format!("task {}: exporting is not supported yet", kind.name()),
            )),)*
        }
    };
    ($kind:expr, $task:ident => $body:expr) => {
        $crate::task::for_task!(@ $kind, $task => $body; Classify, Detect, Segment;)
    };
    // A task without `Export` stands behind the second semicolon.
    ($kind:expr, $task:ident: Export => $body:expr) => {
        $crate::task::for_task!(@ $kind, $task => $body; Classify, Detect, Segment;)
    };
}
pub(crate) use for_task;
