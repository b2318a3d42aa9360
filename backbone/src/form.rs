//! The two forms of a network and the two ways to run its batch normalisation.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

/// Tensors by their full key, as a checkpoint holds them.
pub type StateDict = BTreeMap<String, Tensor>;

/// How a network is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Branches, each with its batch normalisation: what is trained.
    Train,
    /// One convolution with a bias where the train form has branches: what is shipped.
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

/// Which statistics batch normalisation uses. The deploy form has none, so there both modes compute the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Statistics of the batch; the running ones are updated. Activations work in place.
    Train,
    /// Running statistics. Nothing is changed in place, so that a trace of the network holds no mutation.
    Eval,
}

/// A module that can be written in deploy form.
pub trait Fold {
    /// Writes this module's deploy-form tensors under their full keys.
    ///
    /// Batch normalisation is folded with its running statistics, in fp64, and stored in the kind and on the device of the
    /// parameters. A module already in deploy form writes copies. The result holds for [`Mode::Eval`] only.
    fn fold(&self, into: &mut StateDict);
}

/// The key that `path` gives to the tensor `name`, also where `name` has several parts (`conv.weight`).
pub fn key(path: &nn::Path, name: &str) -> String {
    let mut key = String::new();
    for part in path.components() {
        key.push_str(part);
        key.push('.');
    }
    key + name
}
