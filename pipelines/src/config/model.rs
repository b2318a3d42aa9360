//! The `backbone` section.

use backbone::spec::{MAX_INPUTS, RGB};
use backbone::{Architecture, Design, Form, OutputStride, Published, Spec, TrainForward, Variant};
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

/// The backbone: which network, the form that is trained, and its initial weights.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// A published variant, `s0` to `s4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// Your own specification instead of a variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// A network of another publication instead of MobileOne.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Architecture>,
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

    /// The network that `variant`, `spec` or `name` names.
    ///
    /// # Errors
    /// When none or several are given, when it cannot be built, or when a setting has no meaning for it.
    pub fn design(&self) -> Result<Design, Failure> {
        let design = match (&self.variant, &self.spec, self.name) {
            (Some(variant), None, None) => self.mobileone(Spec::from(*variant))?,
            (None, Some(spec), None) => self.mobileone(spec.clone())?,
            (None, None, Some(name)) => {
                self.check_published(name)?;
                Design::Published(Published { name, in_channels: self.channels() })
            }
            (None, None, None) => {
                return Err(Failure::usage("backbone: neither `variant`, `spec` nor `name` is given")
                    .hint("Add `variant: s0` (up to s4) under `backbone`, or `name: efficientnet_b0`."));
            }
            _ => {
                let given = [
                    ("`variant`", self.variant.is_some()),
                    ("`spec`", self.spec.is_some()),
                    ("`name`", self.name.is_some()),
                ];
                let given: Vec<&str> = given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect();
                let all = if given.len() == 2 { "both" } else { "all" };
                return Err(Failure::usage(format!("backbone: {} are {all} given", given.join(" and ")))
                    .hint("Keep one of them, or set that of the extended file to null."));
            }
        };
        if !design.output_strides().contains(&self.output_stride) {
            let (title, stride) = (design.title(), i64::from(self.output_stride));
            return Err(Failure::usage(format!("backbone.output_stride is {stride}, which {title} cannot have"))
                .hint("Its attention over patches is for the features as published: set it to 32."));
        }
        Ok(design)
    }

    fn mobileone(&self, spec: Spec) -> Result<Design, Failure> {
        let spec = if self.squeeze_excite { spec } else { spec.without_squeeze_excite() };
        let spec = Spec { in_channels: self.channels(), ..spec };
        spec.validate().map_err(|error| Failure::usage(format!("backbone.spec: {error}")))?;
        Ok(Design::MobileOne(spec))
    }

    /// Refuses settings of MobileOne for another network.
    fn check_published(&self, name: Architecture) -> Result<(), Failure> {
        let title = name.title();
        if !self.squeeze_excite {
            return Err(Failure::usage(format!("backbone.squeeze_excite is false, but {title} is built as published"))
                .hint("Only MobileOne can be built without its squeeze-and-excitation."));
        }
        if self.init == Initialization::FromDeploy {
            return Err(Failure::usage(format!(
                "backbone.init is from_deploy, which makes a MobileOne and no {title}"
            ))
            .hint("Start from weights in train form, with backbone.init same."));
        }
        if self.form == Form::Deploy && !name.has_branches() {
            return Err(Failure::usage(format!(
                "backbone.form is deploy, but {title} has no branches to re-parameterise: its deploy form is for inference"
            ))
            .hint("Remove backbone.form; export and evaluation fold batch norm themselves."));
        }
        Ok(())
    }
}
