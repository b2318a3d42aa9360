//! The description of an exported file, which is inside the file and beside it.

use backbone::{Design, Normalization};
use datasets::Class;
use serde::{Deserialize, Serialize};
use serde_yaml::Value;
use std::path::{Path, PathBuf};

use super::{FloatKind, Format, Input};
use crate::config::{Config, ConfigFile, Keys, TaskKind};
use crate::failure::Failure;
use crate::task::{OutputKind, Port};

/// The name of the card inside a TorchScript archive, and its key in an ONNX file.
pub const CARD: &str = "model.json";

/// The result of the run that a file was exported from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value on the run's validation set, before the export.
    pub value: f64,
}

/// What an exported file is: its inputs, its outputs, and where it is from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The name of the run or configuration.
    pub name: String,
    /// What it was trained for.
    pub task: TaskKind,
    /// The format of the file.
    pub format: Format,
    /// Whether it computes in int8.
    #[serde(default, skip_serializing_if = "is_not")]
    pub int8: bool,
    /// Its floating point.
    #[serde(default)]
    pub precision: FloatKind,
    /// The published network that its backbone is, where it is one: `s0`, `efficientnet_b0`.
    pub variant: Option<String>,
    /// The backbone.
    pub backbone: Design,
    /// What it takes.
    pub input: CardInput,
    /// What it gives, in this order.
    pub outputs: Vec<Port>,
    /// Whether these are the network's own outputs, or those of the steps that usually follow.
    #[serde(rename = "raw")]
    pub output_kind: OutputKind,
    /// The classes, in the order that outputs count them.
    pub classes: Vec<CardClass>,
    /// Its accuracy.
    pub metric: Option<Metric>,
    /// The program that wrote it, and its libtorch.
    pub producer: String,
    /// The configuration that it was trained with, as YAML, without paths of the machine that exported it.
    pub config: String,
}

fn is_not(flag: &bool) -> bool {
    !flag
}

/// What an exported file takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardInput {
    /// Layout and range.
    pub kind: Input,
    /// Height and width in pixels.
    pub size: [i64; 2],
    /// Other heights and widths that it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<[i64; 2]>,
    /// Whether it takes images of these sizes only.
    pub fixed_size: bool,
    /// Whether it takes a single image at a time.
    #[serde(default, skip_serializing_if = "is_not")]
    pub single: bool,
    /// What it does, or what the caller has to do, to pixels in 0..1.
    pub normalization: Normalization,
}

impl CardInput {
    /// Channels of the images.
    pub fn channels(&self) -> i64 {
        self.normalization.channels()
    }

    /// Whether it takes images of this height and width.
    pub fn takes(&self, size: [i64; 2]) -> bool {
        !self.fixed_size || self.size == size || self.sizes.contains(&size)
    }

    /// The sizes that it takes, in words.
    pub fn sizes_in_words(&self) -> String {
        let all = std::iter::once(&self.size).chain(&self.sizes);
        all.map(|[height, width]| format!("{height}x{width}")).collect::<Vec<_>>().join(", ")
    }
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardClass {
    /// The id in the data set's annotations.
    pub id: u64,
    /// Its name.
    pub name: String,
}

impl Card {
    /// The classes as data sets have them.
    pub fn classes(&self) -> Vec<Class> {
        self.classes.iter().map(|class| Class { id: class.id, name: class.name.clone() }).collect()
    }

    /// One line.
    pub fn summary(&self) -> String {
        let CardInput { kind, size: [height, width], fixed_size, .. } = &self.input;
        let channels = self.input.channels();
        let batch = if self.input.single { "1" } else { "N" };
        let what = match kind {
            Input::Normalized if self.format == Format::Litert => {
                format!("normalised fp32 [{batch}, {height}, {width}, {channels}]")
            }
            Input::Normalized => format!("normalised fp32 [{batch}, {channels}, {height}, {width}]"),
            Input::Nchw => format!("uint8 [{batch}, {channels}, {height}, {width}]"),
            Input::Nhwc => format!("uint8 [{batch}, {height}, {width}, {channels}]"),
            Input::Image => format!("a picture of {height}x{width} with {channels} channels"),
        };
        let any = match (fixed_size, self.input.sizes.is_empty()) {
            (false, _) => " or any other size",
            (true, true) => "",
            (true, false) => " or another listed size",
        };
        format!("{}, {} classes, takes {what}{any}", self.name, self.classes.len())
    }

    /// As JSON.
    ///
    /// # Errors
    /// None for a card that [`Card::parse`] reads.
    pub fn to_json(&self) -> Result<String, Failure> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(Failure::failed)
    }

    /// Reads the card of `file`.
    ///
    /// # Errors
    /// When the text is not a card, or names no classes.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::failed(format!("cannot read {}: {CARD}: {reason}", file.display()));
        let card: Self = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
        if card.classes.is_empty() { Err(failed("it names no classes".to_owned())) } else { Ok(card) }
    }

    /// The path of the card beside `file`.
    pub fn beside(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".json");
        PathBuf::from(name)
    }

    /// The configuration of `file`, which is this card's, for its network alone: the folder of the data is not the real one.
    ///
    /// # Errors
    /// When the card's configuration is not YAML.
    pub fn network_configuration(&self, file: &Path) -> Result<ConfigFile, Failure> {
        ConfigFile::kept_in(file, &self.config, &["data.root=.".to_owned()])
    }

    /// The configuration of `file`, which is this card's, under `overrides` (`key=value`).
    ///
    /// # Errors
    /// When neither the card nor an override says where the data are, or either cannot be read.
    pub fn configuration(&self, file: &Path, overrides: &[String]) -> Result<ConfigFile, Failure> {
        let kept: Value = serde_yaml::from_str(&self.config)?;
        let names_data = kept.get("data").is_some_and(|data| data.get("root").is_some());
        if !names_data && !overrides.iter().any(|change| change.starts_with("data.root=")) {
            return Err(Failure::usage(format!("{} does not say where the data are", file.display())).hint(format!(
                "Name its run or a configuration, `pipeline eval {} RUN`, or add --set data.root=FOLDER.",
                file.display()
            )));
        }
        ConfigFile::kept_in(file, &self.config, overrides)
    }

    /// Refuses a configuration whose images the file does not take.
    ///
    /// # Errors
    /// Another size, where the file takes one only, or another normalisation.
    pub fn check<K: Keys>(&self, config: &Config<K>) -> Result<(), Failure> {
        let size @ [height, width] = config.data.size.sides();
        if !self.input.takes(size) {
            let sizes = self.input.sizes_in_words();
            return Err(Failure::usage(format!("data.size is {height}x{width}, but the file takes {sizes} only")));
        }
        if config.normalization() != self.input.normalization {
            return Err(Failure::usage("data.normalize is not what the file was exported with"));
        }
        Ok(())
    }
}
