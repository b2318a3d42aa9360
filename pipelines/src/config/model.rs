//! The `backbone` section.

use backbone::spec::{MAX_INPUTS, RGB};
use backbone::{Form, OutputStride, Spec, TrainForward, Variant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// How `weights` initialize the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// The weights have the form that is trained.
    #[default]
    Same,
    /// Deploy-form weights initialize a train form that computes the same function.
    FromDeploy,
}

/// A file of weights, and which network of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a file, or `file` and `key`")]
pub enum WeightsFile {
    /// A file with one network, or whose average is used.
    File(PathBuf),
    /// A network of a file.
    Network(NetworkInFile),
}

/// A network of a file that holds several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct NetworkInFile {
    /// The file.
    pub file: PathBuf,
    /// The key of the network in the file.
    pub key: String,
}

impl WeightsFile {
    /// The file.
    pub fn file(&self) -> &Path {
        match self {
            Self::File(file) | Self::Network(NetworkInFile { file, .. }) => file,
        }
    }

    /// The key of the network, where one is given.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Network(NetworkInFile { key, .. }) => Some(key),
        }
    }

    /// The same network of the file at another path.
    pub fn with_file(&self, file: PathBuf) -> Self {
        match self {
            Self::File(_) => Self::File(file),
            Self::Network(NetworkInFile { key, .. }) => Self::Network(NetworkInFile { file, key: key.clone() }),
        }
    }
}

/// The MobileOne backbone: its size, the form that is trained, and its initial weights.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// A published variant, `s0` to `s4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// Your own specification instead of a variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// Whether to keep the squeeze-and-excitation of the specification (of the variants, only S4 has it). The paper's
    /// segmentation networks do without.
    #[serde(default = "yes")]
    pub squeeze_excite: bool,
    /// The form that is trained. `deploy` fine-tunes re-parameterised weights at the cost of a plain network.
    #[serde(default = "train_form")]
    pub form: Form,
    /// How a train form runs in training: `folded` computes the same as `branches` at a lower cost.
    #[serde(default = "folded")]
    pub train_forward: TrainForward,
    /// Channels of the images: 3 for color, 1 for grey, up to 16 for others. By default those of `spec`, which are 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_INPUTS))]
    pub in_channels: Option<i64>,
    /// A checkpoint of the backbone to start from: a file, or published weights by name (`timm/mobileone_s1.apple_in1k`;
    /// `pipeline weights list` shows them). `{ file: ..., key: ... }` names one of several networks in a file (`state_dict_ema`).
    /// Random weights if `null`.
    #[serde(default)]
    pub weights: Option<WeightsFile>,
    /// How `weights` initialize the network.
    #[serde(default)]
    pub init: Initialization,
    /// The stride of the last features; below 32, later stages are dilated instead of strided.
    #[serde(default = "native_stride")]
    pub output_stride: OutputStride,
}

fn train_form() -> Form {
    Form::Train
}

fn folded() -> TrainForward {
    TrainForward::Folded
}

fn yes() -> bool {
    true
}

fn native_stride() -> OutputStride {
    OutputStride::Os32
}

impl BackboneConfig {
    /// Channels of the images.
    pub fn channels(&self) -> i64 {
        self.in_channels.or(self.spec.as_ref().map(|spec| spec.in_channels)).unwrap_or(RGB)
    }

    /// The specification that `variant` or `spec` names.
    ///
    /// # Errors
    /// When both or neither are given, or the specification cannot be built.
    pub fn specification(&self) -> Result<Spec, Failure> {
        let spec = match (&self.variant, &self.spec) {
            (Some(variant), None) => Spec::from(*variant),
            (None, Some(spec)) => spec.clone(),
            (Some(_), Some(_)) => {
                return Err(Failure::usage("backbone: `variant` and `spec` are both given")
                    .hint("Remove one of them, or set the one of the extended file to null."));
            }
            (None, None) => {
                return Err(Failure::usage("backbone: neither `variant` nor `spec` is given")
                    .hint("Add `variant: s0` (up to s4) under `backbone`."));
            }
        };
        let spec = if self.squeeze_excite { spec } else { spec.without_squeeze_excite() };
        let spec = Spec { in_channels: self.channels(), ..spec };
        spec.validate().map_err(|error| Failure::usage(format!("backbone.spec: {error}")))?;
        Ok(spec)
    }
}
