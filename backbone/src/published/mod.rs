//! The networks that the MobileOne paper compares (section 4, table 9), as backbones beside it: one file each in the order of its
//! paper, with the names of timm or torchvision, whose files of weights they load. MobileFormer, a folder, is in neither.
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
    /// MobileFormer-52M, 3.5 M parameters.
    #[serde(rename = "mobileformer_52m")]
    Mobileformer52m,
    /// MobileFormer-96M, 4.6 M parameters.
    #[serde(rename = "mobileformer_96m")]
    Mobileformer96m,
    /// MobileFormer-151M, 7.6 M parameters.
    #[serde(rename = "mobileformer_151m")]
    Mobileformer151m,
    /// MobileFormer-214M, 9.4 M parameters.
    #[serde(rename = "mobileformer_214m")]
    Mobileformer214m,
    /// MobileFormer-294M, 11.4 M parameters.
    #[serde(rename = "mobileformer_294m")]
    Mobileformer294m,
    /// MobileFormer-508M, 14.0 M parameters.
    #[serde(rename = "mobileformer_508m")]
    Mobileformer508m,
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
    pub const ALL: [Self; 13] = [
        Self::MobilenetV1,
        Self::MobilenetV2,
        Self::MobilenetV3Large,
        Self::ShufflenetV2X1,
        Self::EfficientnetB0,
        Self::RepvggA0,
        Self::MobilevitS,
        Self::Mobileformer52m,
        Self::Mobileformer96m,
        Self::Mobileformer151m,
        Self::Mobileformer214m,
        Self::Mobileformer294m,
        Self::Mobileformer508m,
    ];

    /// Its name in configurations and metadata, its name in texts, and [its accuracy](Self::published_top1).
    fn card(self) -> (&'static str, &'static str, f64) {
        match self {
            Self::MobilenetV1 => ("mobilenet_v1", "MobileNetV1", 70.6),
            Self::MobilenetV2 => ("mobilenet_v2", "MobileNetV2", 72.0),
            Self::MobilenetV3Large => ("mobilenet_v3_large", "MobileNetV3-Large", 75.2),
            Self::ShufflenetV2X1 => ("shufflenet_v2_x1_0", "ShuffleNetV2 1.0x", 69.4),
            Self::EfficientnetB0 => ("efficientnet_b0", "EfficientNet-B0", 77.1),
            Self::RepvggA0 => ("repvgg_a0", "RepVGG-A0", 72.4),
            Self::MobilevitS => ("mobilevit_s", "MobileViT-S", 78.4),
            Self::Mobileformer52m => ("mobileformer_52m", "MobileFormer-52M", 68.7),
            Self::Mobileformer96m => ("mobileformer_96m", "MobileFormer-96M", 72.8),
            Self::Mobileformer151m => ("mobileformer_151m", "MobileFormer-151M", 75.2),
            Self::Mobileformer214m => ("mobileformer_214m", "MobileFormer-214M", 76.7),
            Self::Mobileformer294m => ("mobileformer_294m", "MobileFormer-294M", 77.9),
            Self::Mobileformer508m => ("mobileformer_508m", "MobileFormer-508M", 79.3),
        }
    }

    /// The name in configurations and metadata.
    pub fn name(self) -> &'static str {
        self.card().0
    }

    /// The name in texts.
    pub fn title(self) -> &'static str {
        self.card().1
    }

    /// ImageNet top-1 in percent, as its own paper reports it.
    pub fn published_top1(self) -> f64 {
        self.card().2
    }

    /// Whether timm or torchvision has the network, and weights under the names that it has here.
    pub fn has_reference(self) -> bool {
        !matches!(
            self,
            Self::Mobileformer52m
                | Self::Mobileformer96m
                | Self::Mobileformer151m
                | Self::Mobileformer214m
                | Self::Mobileformer294m
                | Self::Mobileformer508m
        )
    }

    /// The name of the linear layer in the published files; here it is `linear`, as MobileOne's.
    pub fn classifier(self) -> &'static str {
        match self {
            Self::MobilenetV1 | Self::MobilenetV2 | Self::MobilenetV3Large | Self::EfficientnetB0 => "classifier",
            Self::ShufflenetV2X1 => "fc",
            Self::RepvggA0 | Self::MobilevitS => "head.fc",
            _ => "linear",
        }
    }

    /// The start of the keys of the layer that reads the images.
    pub fn stem(self) -> &'static str {
        match self {
            Self::MobilenetV1 | Self::MobilenetV2 | Self::MobilenetV3Large | Self::EfficientnetB0 => "conv_stem.",
            Self::ShufflenetV2X1 => "conv1.",
            _ => "stem.",
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
            _ => mobileformer::TAIL,
        }
    }

    /// The output strides that the design allows: attention over patches is for the features as published.
    pub fn output_strides(self) -> &'static [OutputStride] {
        match self {
            Self::MobilevitS => &[OutputStride::Os32],
            _ if self.has_reference() => &OutputStride::ALL,
            _ => &[OutputStride::Os32],
        }
    }

    /// Whether its train form has branches that re-parameterisation merges. In the others it folds batch normalisation alone.
    pub fn has_branches(self) -> bool {
        self == Self::RepvggA0
    }

    /// Registers the network's tensors under `path` for images of these channels.
    pub fn build(self, path: &nn::Path, in_channels: i64, setup: Setup) -> Box<dyn Backbone> {
        let former = |size: &mobileformer::Size| Box::new(mobileformer::build(path, in_channels, size, setup));
        Box::new(match self {
            Self::MobilenetV1 => mobilenet_v1::build(path, in_channels, setup),
            Self::MobilenetV2 => mobilenet_v2::build(path, in_channels, setup),
            Self::MobilenetV3Large => mobilenet_v3::build(path, in_channels, setup),
            Self::ShufflenetV2X1 => shufflenet_v2::build(path, in_channels, setup),
            Self::EfficientnetB0 => efficientnet_b0::build(path, in_channels, setup),
            Self::RepvggA0 => repvgg::build(path, in_channels, setup),
            Self::MobilevitS => mobilevit::build(path, in_channels, setup),
            Self::Mobileformer52m => return former(&mobileformer::M52),
            Self::Mobileformer96m => return former(&mobileformer::M96),
            Self::Mobileformer151m => return former(&mobileformer::M151),
            Self::Mobileformer214m => return former(&mobileformer::M214),
            Self::Mobileformer294m => return former(&mobileformer::M294),
            Self::Mobileformer508m => return former(&mobileformer::M508),
        })
    }
}

impl Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
