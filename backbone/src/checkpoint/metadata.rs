//! The metadata of this crate's format, in the header of the safetensors file.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::file::Text;
use crate::{
    design::Design,
    error::Error,
    form::Form,
    spec::{MAX_INPUTS, RGB},
};

/// The key that identifies this crate's format; its value is the version.
const FORMAT: &str = "mobileone_format";
const VERSION: u32 = 1;

/// How pixels become the network's input: `(pixel / 255 - mean) / std`, a number for each channel; color in the order red, green, blue.
///
/// Deserialising checks that both have as many numbers, 1 to 16, that every number is finite and every deviation 1.2e-38 or more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Fields")]
#[schemars(!try_from, deny_unknown_fields)]
pub struct Normalization {
    /// Of pixels between 0 and 1.
    #[schemars(length(min = 1, max = MAX_INPUTS))]
    pub mean: Vec<f64>,
    /// Of pixels between 0 and 1.
    #[schemars(length(min = 1, max = MAX_INPUTS), extend("items" = {"type": "number", "exclusiveMinimum": 0}))]
    pub std: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "`mean` and `std`, a number for each channel")]
struct Fields {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl TryFrom<Fields> for Normalization {
    type Error = String;

    fn try_from(Fields { mean, std }: Fields) -> Result<Self, String> {
        if mean.len() != std.len() || !(1..=MAX_INPUTS as usize).contains(&mean.len()) {
            let (means, deviations) = (mean.len(), std.len());
            return Err(format!(
                "`mean` has {means} numbers and `std` {deviations}: expected one for each channel, 1 to {MAX_INPUTS}"
            ));
        }
        if let Some(number) = mean.iter().find(|number| !number.is_finite()) {
            return Err(format!("`mean` has {number}, which is not finite"));
        }
        // With smaller ones the results overflow single precision.
        match std.iter().find(|&&number| !(number.is_finite() && number >= f64::from(f32::MIN_POSITIVE))) {
            Some(number) => Err(format!("`std` has {number:?}; every deviation must be 1.2e-38 or more")),
            None => Ok(Self { mean, std }),
        }
    }
}

impl Default for Normalization {
    fn default() -> Self {
        Self::imagenet(RGB)
    }
}

impl Normalization {
    /// ImageNet's, which the published weights were trained with; its average for one channel, for others repeated in order.
    pub fn imagenet(channels: i64) -> Self {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let each = |values: [f64; 3]| match channels {
            1 => vec![values.iter().sum::<f64>() / 3.0],
            _ => values.into_iter().cycle().take(channels as usize).collect(),
        };
        Self { mean: each(mean), std: each(std) }
    }

    /// The number of channels.
    pub fn channels(&self) -> i64 {
        self.mean.len() as i64
    }
}

/// What is needed to rebuild the network in a file and to prepare its input.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// The backbone.
    pub design: Design,
    /// The form of the tensors.
    pub form: Form,
    /// Names of the classes in the order of the outputs; empty for a backbone alone.
    pub classes: Vec<String>,
    /// Normalisation of the input.
    pub normalization: Normalization,
    /// Further entries of the writer, for example the task and the head's configuration.
    pub extra: Text,
}

impl Metadata {
    /// As text by key. Keys of the format replace equal ones in [`Metadata::extra`].
    pub fn to_text(&self) -> Text {
        let mut text = self.extra.clone();
        let mut insert = |key: &str, value: String| text.insert(key.to_owned(), value);
        insert(FORMAT, VERSION.to_string());
        insert("spec", json!(self.design).to_string());
        insert("form", self.form.to_string());
        insert("classes", json!(self.classes).to_string());
        insert("normalization", json!(self.normalization).to_string());
        if let Some(name) = self.design.name() {
            insert("variant", name.to_owned());
        }
        text
    }

    /// Parses the text of the file at `path`; none without the key of this format.
    ///
    /// # Errors
    /// A version that this program does not know, or a value that is missing or cannot be understood.
    pub fn from_text(text: &Text, path: &Path) -> Result<Option<Self>, Error> {
        let Some(version) = text.get(FORMAT) else { return Ok(None) };
        if version.parse() != Ok(VERSION) {
            return Err(Error::FormatVersion { path: path.to_owned(), found: version.clone(), known: VERSION });
        }
        let mut rest = text.clone();
        rest.remove(FORMAT);
        rest.remove("variant");
        let form = take(&mut rest, "form", path)?;
        Ok(Some(Self {
            design: parse(&take(&mut rest, "spec", path)?, "spec", path)?,
            form: parse(&json!(form).to_string(), "form", path)?,
            classes: parse(&take(&mut rest, "classes", path)?, "classes", path)?,
            normalization: parse(&take(&mut rest, "normalization", path)?, "normalization", path)?,
            extra: rest,
        }))
    }
}

fn take(text: &mut Text, key: &'static str, path: &Path) -> Result<String, Error> {
    text.remove(key).ok_or_else(|| Error::Metadata { path: path.to_owned(), key, reason: "is missing".to_owned() })
}

fn parse<T: DeserializeOwned>(value: &str, key: &'static str, path: &Path) -> Result<T, Error> {
    let reason = |error| format!("is invalid: {error}");
    serde_json::from_str(value).map_err(|error| Error::Metadata { path: path.to_owned(), key, reason: reason(error) })
}
