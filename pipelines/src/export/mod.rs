//! Exported files: TorchScript, files for the lite interpreter, ONNX, LiteRT, Core ML. Writing, checking and running them.

mod card;
mod check;
mod coreml;
mod file;
mod litert;
mod onnx;
mod portable;
mod source;
mod torchscript;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::Path;

use crate::task::Convention;

pub use card::{CARD, Card, CardClass, CardInput, Metric};
pub use check::{Check, Expected, Rounding, compare};
pub use coreml::assemble_coreml;
pub use file::ExportedModel;
pub use litert::assemble_litert;
pub use onnx::assemble_onnx;
pub use portable::portable;
pub use source::{Source, Trained};
pub use torchscript::assemble;

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

    /// In which form its files give their outputs.
    pub fn convention(self) -> Convention {
        match self {
            Self::Torchscript | Self::Lite | Self::Onnx => Convention::Pytorch,
            Self::Litert => Convention::Litert,
            Self::Coreml => Convention::Coreml,
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
