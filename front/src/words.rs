//! Words of the command line, which files use as well.

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of the tasks a configuration describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// Image classification.
    Classify,
    /// Object detection with SSDLite.
    Detect,
    /// Semantic segmentation with DeepLabV3.
    Segment,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Classify, Self::Detect, Self::Segment];

    /// The word in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classify => "classify",
            Self::Detect => "detect",
            Self::Segment => "segment",
        }
    }
}

/// A way to run a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Train form, operation by operation
    Train,
    /// Deploy form, operation by operation
    Deploy,
    /// Deploy form as frozen TorchScript
    Script,
    /// Deploy form as frozen TorchScript, fused by oneDNN's graph compiler (CPU)
    Onednn,
    /// The same in bfloat16 (CPU)
    OnednnBf16,
    /// Deploy form in the lite interpreter of phones, prepacked for XNNPACK (CPU)
    Lite,
}

impl Engine {
    /// The name on the command line and in tables.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The naming scheme that a file of weights is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LayoutName {
    /// This program's, with metadata
    Own,
    /// apple/ml-mobileone's
    Apple,
    /// timm's
    Timm,
}

/// The format of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PredictionFormat {
    /// One object per image: its file and its predictions
    Json,
    /// COCO results (detection): one object per box; image_id is the input's name
    Coco,
    /// One row per class or box
    Csv,
}

/// Which layers stay in floating point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FloatLayers {
    /// As few as keep the drop within the limit.
    Auto,
    /// As many of the worst.
    Worst(usize),
    /// Those of these names.
    Named(BTreeSet<String>),
}

impl FromStr for FloatLayers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(count)) => Ok(Self::Worst(count)),
            _ => Ok(Self::Named(text.split(',').map(|name| name.trim().to_owned()).collect())),
        }
    }
}

/// A kind of exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For torch.jit.load in Python and torch::jit::load in C++ (.pt)
    Torchscript,
    /// For the lite interpreter of Android and iOS (.ptl)
    Lite,
    /// For ONNX Runtime and other engines (.onnx)
    Onnx,
    /// For LiteRT on Android, iOS and elsewhere (.tflite)
    Litert,
    /// For Core ML on iOS and macOS (.mlpackage)
    Coreml,
}

impl Format {
    /// The word on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How the names of its files end.
    pub fn ending(self) -> String {
        let ending = match self {
            Self::Torchscript => ".pt",
            Self::Lite => ".ptl",
            Self::Onnx => ".onnx",
            Self::Litert => ".tflite",
            Self::Coreml => ".mlpackage",
        };
        ending.to_owned()
    }

    /// The format that the ending of a name stands for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "pt" => Some(Self::Torchscript),
            "ptl" => Some(Self::Lite),
            "onnx" => Some(Self::Onnx),
            "tflite" => Some(Self::Litert),
            "mlpackage" => Some(Self::Coreml),
            _ => None,
        }
    }

    /// What its files take where nothing else is asked for.
    pub fn usual_input(self) -> Input {
        if self == Self::Coreml { Input::Image } else { Input::Normalized }
    }

    /// Whether its files take that.
    pub fn takes(self, input: Input) -> bool {
        match self {
            Self::Torchscript | Self::Lite | Self::Onnx => input != Input::Image,
            Self::Litert => matches!(input, Input::Normalized | Input::Nhwc),
            Self::Coreml => matches!(input, Input::Normalized | Input::Image),
        }
    }

    /// Floating point in its files where nothing else is asked for.
    pub fn usual_precision(self) -> FloatKind {
        if self == Self::Coreml { FloatKind::Fp16 } else { FloatKind::Fp32 }
    }
}

/// Floating point in an exported file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FloatKind {
    /// 32 bits
    #[default]
    Fp32,
    /// 16 bits: of Core ML files everything, of LiteRT files the weights
    Fp16,
}

/// What an exported file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// fp32 [N, C, H, W], of LiteRT files [N, H, W, C], normalised by the caller
    Normalized,
    /// uint8 [N, C, H, W], color as RGB; normalised inside
    Nchw,
    /// uint8 [N, H, W, C], color as RGB, as image decoders give it; normalised inside
    Nhwc,
    /// A picture, as Vision hands it over (Core ML); normalised inside
    Image,
}
