//! The two forms of a network and the ways to run it.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};
use tch_ext::distributed::Group;

/// Tensors by their full key, as a checkpoint holds them.
pub type StateDict = BTreeMap<String, Tensor>;

/// How a network is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Branches, each with its batch normalisation: for training.
    Train,
    /// One convolution with a bias in place of the branches: for inference.
    Deploy,
}

impl Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Deploy => "deploy",
        })
    }
}

/// Which statistics batch normalisation uses. The deploy form has none, so all modes compute the same there.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Statistics of the batch; the running ones are updated. Activations run in place.
    Train,
    /// As [`Mode::Train`], with the statistics of a batch that several processes share.
    TrainTogether(Together<'a>),
    /// Running statistics. Nothing runs in place, so a trace of the network contains no mutation.
    Eval,
}

/// A batch of which each process has a part.
#[derive(Debug, Clone, Copy)]
pub struct Together<'a> {
    /// The processes. Batch normalisation needs connections of its own beside those that reduce gradients.
    pub group: &'a Group,
    /// Images of the whole batch, the same number on all processes.
    pub images: i64,
}

impl Mode<'_> {
    /// Whether batch normalisation uses the statistics of a batch.
    pub fn is_train(self) -> bool {
        !matches!(self, Self::Eval)
    }

    /// The images whose statistics are used, where this process has `own` of them.
    pub fn images(self, own: i64) -> i64 {
        match self {
            Self::TrainTogether(together) => together.images,
            _ => own,
        }
    }
}

/// How a block in train form runs in training. Outputs, gradients and running statistics are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainForward {
    /// Branch by branch: the reference.
    #[default]
    Branches,
    /// Merged by the statistics of the input where that is cheaper.
    Folded,
}

/// A module that can be written in deploy form.
pub trait Fold {
    /// Adds this module's deploy-form tensors under their full keys.
    ///
    /// Batch normalisation is folded with its running statistics, in fp64, and stored in the kind and on the device of the
    /// parameters. A module already in deploy form adds copies. The result is valid for [`Mode::Eval`] only.
    fn fold(&self, into: &mut StateDict);

    /// The deploy-form tensors alone.
    fn folded(&self) -> StateDict {
        let mut tensors = StateDict::new();
        self.fold(&mut tensors);
        tensors
    }
}

/// The key of the tensor `name` below `path`; `name` may have several parts (`conv.weight`).
pub fn key(path: &nn::Path, name: &str) -> String {
    let mut key = String::new();
    for part in path.components() {
        key.push_str(part);
        key.push('.');
    }
    key + name
}
