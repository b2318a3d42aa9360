//! The networks that the MobileOne paper compares (section 4, table 9), as backbones beside it: one file each in the order of its
//! paper, with the names of timm or torchvision, whose files of weights they load. MobileFormer is in neither.
//!
//! A published classifier may have layers between its features and its linear layer (`conv_head` of EfficientNet). They are part of
//! the backbone where a classifier follows ([`Purpose::Classification`]), and its last features are then theirs; detectors and
//! segmenters read the features before them, as in the papers.

mod efficientnet_b0;
mod mobileformer;
mod mobilenet_v1;
mod mobilenet_v2;
mod mobilenet_v3;
mod mobilevit;
mod recognise;
mod repvgg;
mod shufflenet_v2;

use std::fmt::{self, Display};

pub(crate) use recognise::recognise;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::nn;

use crate::{
    features::Backbone,
    form::{Form, TrainForward},
    spec::OutputStride,
};

/// A network of another publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// MobileNetV1, 4.2 M parameters.
    #[serde(rename = "mobilenet_v1")]
    MobilenetV1,
    /// MobileNetV2, 3.5 M parameters.
    #[serde(rename = "mobilenet_v2")]
    MobilenetV2,
    /// MobileNetV3-Large, 5.5 M parameters.
    #[serde(rename = "mobilenet_v3_large")]
    MobilenetV3Large,
    /// ShuffleNetV2 1.0x, 2.3 M parameters.
    #[serde(rename = "shufflenet_v2_x1_0")]
    ShufflenetV2X1,
    /// EfficientNet-B0, 5.3 M parameters.
    #[serde(rename = "efficientnet_b0")]
    EfficientnetB0,
    /// RepVGG-A0, 8.3 M parameters in deploy form.
    #[serde(rename = "repvgg_a0")]
    RepvggA0,
    /// MobileViT-S, 5.6 M parameters.
    MobilevitS,
    /// MobileFormer-294M, 11.5 M parameters.
    #[serde(rename = "mobileformer_294m")]
    Mobileformer294m,
}

/// What reads the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A classifier that pools the last features.
    Classification,
    /// A head that reads features of several strides.
    Dense,
}

/// How a network is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// For training or for inference.
    pub form: Form,
    /// The stride of the last features.
    pub output_stride: OutputStride,
    /// What reads the features.
    pub purpose: Purpose,
    /// How blocks with branches run in training.
    pub train_forward: TrainForward,
}

impl Setup {
    /// As published, for a classifier.
    pub fn classifier(form: Form) -> Self {
        let (output_stride, train_forward) = (OutputStride::Os32, TrainForward::default());
        Self { form, output_stride, purpose: Purpose::Classification, train_forward }
    }
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::MobilenetV1,
        Self::MobilenetV2,
        Self::MobilenetV3Large,
        Self::ShufflenetV2X1,
        Self::EfficientnetB0,
        Self::RepvggA0,
        Self::MobilevitS,
        Self::Mobileformer294m,
    ];

    /// The name in configurations and metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::MobilenetV1 => "mobilenet_v1",
            Self::MobilenetV2 => "mobilenet_v2",
            Self::MobilenetV3Large => "mobilenet_v3_large",
            Self::ShufflenetV2X1 => "shufflenet_v2_x1_0",
            Self::EfficientnetB0 => "efficientnet_b0",
            Self::RepvggA0 => "repvgg_a0",
            Self::MobilevitS => "mobilevit_s",
            Self::Mobileformer294m => "mobileformer_294m",
        }
    }

    /// The name in texts.
    pub fn title(self) -> &'static str {
        match self {
            Self::MobilenetV1 => "MobileNetV1",
            Self::MobilenetV2 => "MobileNetV2",
            Self::MobilenetV3Large => "MobileNetV3-Large",
            Self::ShufflenetV2X1 => "ShuffleNetV2 1.0x",
            Self::EfficientnetB0 => "EfficientNet-B0",
            Self::RepvggA0 => "RepVGG-A0",
            Self::MobilevitS => "MobileViT-S",
            Self::Mobileformer294m => "MobileFormer-294M",
        }
    }

    /// ImageNet top-1 in percent, as its own paper reports it.
    pub fn published_top1(self) -> f64 {
        match self {
            Self::MobilenetV1 => 70.6,
            Self::MobilenetV2 => 72.0,
            Self::MobilenetV3Large => 75.2,
            Self::ShufflenetV2X1 => 69.4,
            Self::EfficientnetB0 => 77.1,
            Self::RepvggA0 => 72.4,
            Self::MobilevitS => 78.4,
            Self::Mobileformer294m => 77.9,
        }
    }

    /// Whether timm or torchvision has the network, and weights under the names that it has here.
    pub fn has_reference(self) -> bool {
        self != Self::Mobileformer294m
    }

    /// The name of the linear layer in the published files; here it is `linear`, as MobileOne's.
    pub fn classifier(self) -> &'static str {
        match self {
            Self::MobilenetV1 | Self::MobilenetV2 | Self::MobilenetV3Large | Self::EfficientnetB0 => "classifier",
            Self::ShufflenetV2X1 => "fc",
            Self::RepvggA0 | Self::MobilevitS => "head.fc",
            Self::Mobileformer294m => "linear",
        }
    }

    /// The start of the keys of the layer that reads the images.
    pub fn stem(self) -> &'static str {
        match self {
            Self::MobilenetV1 | Self::MobilenetV2 | Self::MobilenetV3Large | Self::EfficientnetB0 => "conv_stem.",
            Self::ShufflenetV2X1 => "conv1.",
            Self::RepvggA0 | Self::MobilevitS | Self::Mobileformer294m => "stem.",
        }
    }

    /// The layers behind the features that only a classifier reads, by the start of their keys.
    pub fn tail(self) -> &'static [&'static str] {
        match self {
            Self::MobilenetV1 | Self::RepvggA0 => &[],
            Self::MobilenetV2 | Self::EfficientnetB0 => &["conv_head", "bn2"],
            Self::MobilenetV3Large => &["conv_head"],
            Self::ShufflenetV2X1 => &["conv5"],
            Self::MobilevitS => &["final_conv"],
            Self::Mobileformer294m => &["last", "head"],
        }
    }

    /// The output strides that the design allows: attention over patches is for the features as published.
    pub fn output_strides(self) -> &'static [OutputStride] {
        match self {
            Self::MobilevitS | Self::Mobileformer294m => &[OutputStride::Os32],
            _ => &OutputStride::ALL,
        }
    }

    /// Whether its train form has branches that re-parameterisation merges. In the others it folds batch normalisation alone.
    pub fn has_branches(self) -> bool {
        self == Self::RepvggA0
    }

    /// Registers the network's tensors under `path` for images of these channels.
    pub fn build(self, path: &nn::Path, in_channels: i64, setup: Setup) -> Box<dyn Backbone> {
        Box::new(match self {
            Self::Mobileformer294m => return Box::new(mobileformer::build(path, in_channels, setup)),
            Self::MobilenetV1 => mobilenet_v1::build(path, in_channels, setup),
            Self::MobilenetV2 => mobilenet_v2::build(path, in_channels, setup),
            Self::MobilenetV3Large => mobilenet_v3::build(path, in_channels, setup),
            Self::ShufflenetV2X1 => shufflenet_v2::build(path, in_channels, setup),
            Self::EfficientnetB0 => efficientnet_b0::build(path, in_channels, setup),
            Self::RepvggA0 => repvgg::build(path, in_channels, setup),
            Self::MobilevitS => mobilevit::build(path, in_channels, setup),
        })
    }
}

impl Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
