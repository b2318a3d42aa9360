//! Exported files: TorchScript, files for the lite interpreter, ONNX, LiteRT. Writing, checking and running them.

mod card;
mod check;
mod file;
mod litert;
mod onnx;
mod portable;
mod source;
mod torchscript;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::Path;

pub use card::{CARD, Card, CardClass, CardInput, Metric};
pub use check::{Check, Expected, compare};
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
            _ => None,
        }
    }
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
}
