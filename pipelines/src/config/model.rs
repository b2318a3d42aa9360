//! The `backbone` section.

use backbone::{Form, OutputStride, Spec, TrainForward, Variant};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::failure::Failure;

/// How given weights start the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// The weights are of the form that is trained.
    #[default]
    Same,
    /// Deploy-form weights start a train form of the same function.
    FromDeploy,
}

/// Which MobileOne, in which form it is trained, and what it starts from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// A published variant, `s0` to `s4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
    /// A specification of one's own in place of a variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// Whether squeeze-and-excitation stays where the specification has it (of the variants, S4 alone). The paper's
    /// segmentation goes without.
    #[serde(default = "yes")]
    pub squeeze_excite: bool,
    /// The form that is trained. `deploy` fine-tunes re-parameterised weights at the price of a plain network.
    #[serde(default = "train_form")]
    pub form: Form,
    /// How a train form runs in training: `folded` computes the same as `branches` at a lower price.
    #[serde(default = "folded")]
    pub train_forward: TrainForward,
    /// A checkpoint of the backbone to start from; random weights where it is not given.
    #[serde(default)]
    pub weights: Option<PathBuf>,
    /// How `weights` start the network.
    #[serde(default)]
    pub init: Initialization,
    /// The stride of the last features, by dilation of the stages after it.
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
    /// The specification that `variant` or `spec` names.
    ///
    /// # Errors
    /// When both or neither are given, or the specification is not one that can be built.
    pub fn specification(&self) -> Result<Spec, Failure> {
        let spec = match (&self.variant, &self.spec) {
            (Some(variant), None) => Spec::from(*variant),
            (None, Some(spec)) => spec.clone(),
            (Some(_), Some(_)) => {
                return Err(Failure::usage("backbone: `variant` and `spec` are both given").hint("Remove one of them."));
            }
            (None, None) => {
                return Err(Failure::usage("backbone: neither `variant` nor `spec` is given")
                    .hint("Add `variant: s0` (up to s4) under `backbone`."));
            }
        };
        let spec = if self.squeeze_excite { spec } else { spec.without_squeeze_excite() };
        spec.validate().map_err(|error| Failure::usage(format!("backbone.spec: {error}")))?;
        Ok(spec)
    }
}
