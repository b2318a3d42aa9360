//! What a MobileOne is made of: the published variants and custom specifications.
//!
//! Widths and block counts are those of Apple's code (`apple/ml-mobileone`) and of the published weights, not those of the
//! paper's table 7: stages 4 and 5 of the paper are one stage here, the stem has at most 64 channels and always one
//! convolution branch.

use std::{
    borrow::Cow,
    fmt::{self, Display},
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Squeeze-and-excitation divides its channels by this.
pub(crate) const SQUEEZE_RATIO: i64 = 16;

/// Channels of an image in color.
pub const RGB: i64 = 3;
/// The largest number of channels of an image.
pub const MAX_INPUTS: i64 = 16;
const MAX_WIDTH: i64 = 1 << 14;
const MAX_BLOCKS: i64 = 256;
const MAX_BRANCHES: i64 = 64;

/// The published variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// 2.1 M parameters in deploy form, 275 M multiply-adds at 224x224, 71.4 % top-1.
    S0,
    /// 4.8 M parameters, 825 M multiply-adds, 75.9 % top-1.
    S1,
    /// 7.8 M parameters, 1.3 G multiply-adds, 77.4 % top-1.
    S2,
    /// 10.1 M parameters, 1.9 G multiply-adds, 78.1 % top-1.
    S3,
    /// 14.8 M parameters, 3.0 G multiply-adds, 79.4 % top-1; the only one with squeeze-and-excitation.
    S4,
}

impl Variant {
    /// All of them, smallest first.
    pub const ALL: [Self; 5] = [Self::S0, Self::S1, Self::S2, Self::S3, Self::S4];

    /// The name in configurations and metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::S0 => "s0",
            Self::S1 => "s1",
            Self::S2 => "s2",
            Self::S3 => "s3",
            Self::S4 => "s4",
        }
    }
}

impl Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Variant {
    type Err = Error;

    /// Reads a name in lower or upper case.
    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|variant| variant.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| Error::UnknownVariant { name: name.to_owned() })
    }
}

/// A network. Deserialising checks it; in code, call [`Spec::validate`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Fields")]
#[schemars(!try_from, deny_unknown_fields)]
pub struct Spec {
    /// Channels of the images: 3 for color, 1 for grey.
    #[serde(skip_serializing_if = "is_rgb")]
    #[schemars(default = "rgb", range(min = 1, max = MAX_INPUTS))]
    pub in_channels: i64,
    /// Channels of the stem, which has stride 2.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub stem: i64,
    /// The stages at strides 4, 8, 16 and 32.
    pub stages: [Stage; 4],
    /// Convolution branches of every block in train form. The stem always has one.
    #[schemars(range(min = 1, max = MAX_BRANCHES))]
    pub branches: i64,
    /// Whether blocks with a kernel larger than 1x1 have a 1x1 branch in train form, as the published variants do.
    #[schemars(default = "yes")]
    pub scale: bool,
    /// Whether blocks that keep shape and resolution have an identity branch in train form, as the published variants do.
    #[schemars(default = "yes")]
    pub skip: bool,
}

/// A stage: blocks of a depthwise 3x3 and a pointwise 1x1 layer, the first with stride 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Output channels.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub width: i64,
    /// Blocks.
    #[schemars(range(min = 1, max = MAX_BLOCKS))]
    pub blocks: i64,
    /// Number of blocks with squeeze-and-excitation in both their layers; they are the last ones.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub squeeze_excite: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default = "rgb")]
    in_channels: i64,
    stem: i64,
    stages: [Stage; 4],
    branches: i64,
    #[serde(default = "yes")]
    scale: bool,
    #[serde(default = "yes")]
    skip: bool,
}

pub(crate) fn rgb() -> i64 {
    RGB
}

pub(crate) fn is_rgb(channels: &i64) -> bool {
    *channels == RGB
}

fn yes() -> bool {
    true
}

impl TryFrom<Fields> for Spec {
    type Error = Error;

    fn try_from(fields: Fields) -> Result<Self, Error> {
        let Fields { in_channels, stem, stages, branches, scale, skip } = fields;
        let spec = Self { in_channels, stem, stages, branches, scale, skip };
        spec.validate()?;
        Ok(spec)
    }
}

impl From<Variant> for Spec {
    fn from(variant: Variant) -> Self {
        let (stem, widths, branches) = match variant {
            Variant::S0 => (48, [48, 128, 256, 1024], 4),
            Variant::S1 => (64, [96, 192, 512, 1280], 1),
            Variant::S2 => (64, [96, 256, 640, 2048], 1),
            Variant::S3 => (64, [128, 320, 768, 2048], 1),
            Variant::S4 => (64, [192, 448, 896, 2048], 1),
        };
        let squeeze_excite = if variant == Variant::S4 { [0, 0, 5, 1] } else { [0; 4] };
        let blocks = [2, 8, 10, 1];
        let stage = |i: usize| Stage { width: widths[i], blocks: blocks[i], squeeze_excite: squeeze_excite[i] };
        Self { in_channels: RGB, stem, stages: std::array::from_fn(stage), branches, scale: true, skip: true }
    }
}

impl Spec {
    /// The published variant with this specification, for images of any number of channels, if there is one.
    pub fn variant(&self) -> Option<Variant> {
        let with_inputs = |variant| Self { in_channels: self.in_channels, ..Self::from(variant) };
        Variant::ALL.into_iter().find(|&variant| with_inputs(variant) == *self)
    }

    /// The same network without squeeze-and-excitation, as the paper uses S4 for segmentation (table 11b).
    pub fn without_squeeze_excite(mut self) -> Self {
        self.stages.iter_mut().for_each(|stage| stage.squeeze_excite = 0);
        self
    }

    /// Checks every number.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), Error> {
        within("in_channels", self.in_channels, 1, MAX_INPUTS)?;
        within("stem", self.stem, 1, MAX_WIDTH)?;
        within("branches", self.branches, 1, MAX_BRANCHES)?;
        let mut inputs = self.stem;
        for (i, stage) in self.stages.iter().enumerate() {
            within(&format!("stages[{i}].width"), stage.width, 1, MAX_WIDTH)?;
            within(&format!("stages[{i}].blocks"), stage.blocks, 1, MAX_BLOCKS)?;
            within(&format!("stages[{i}].squeeze_excite"), stage.squeeze_excite, 0, stage.blocks)?;
            let narrowest = if stage.squeeze_excite == stage.blocks { stage.width.min(inputs) } else { stage.width };
            if stage.squeeze_excite > 0 && narrowest < SQUEEZE_RATIO {
                return Err(Error::TooNarrow { stage: i, channels: narrowest, needed: SQUEEZE_RATIO });
            }
            inputs = stage.width;
        }
        Ok(())
    }
}

fn within(field: &str, value: i64, min: i64, max: i64) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(Error::OutOfRange { field: field.to_owned(), value, min, max })
    }
}

/// The stride of the last features. Below 32, strides of the last stages become dilations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub enum OutputStride {
    /// Stages 3 and 4 keep the resolution of stage 2.
    Os8,
    /// Stage 4 keeps the resolution of stage 3.
    Os16,
    /// As published.
    #[default]
    Os32,
}

impl OutputStride {
    /// All of them, finest first.
    pub const ALL: [Self; 3] = [Self::Os8, Self::Os16, Self::Os32];
}

impl JsonSchema for OutputStride {
    fn schema_name() -> Cow<'static, str> {
        "OutputStride".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": Self::ALL.map(i64::from) })
    }
}

impl From<OutputStride> for i64 {
    fn from(stride: OutputStride) -> Self {
        match stride {
            OutputStride::Os8 => 8,
            OutputStride::Os16 => 16,
            OutputStride::Os32 => 32,
        }
    }
}

impl TryFrom<i64> for OutputStride {
    type Error = Error;

    fn try_from(value: i64) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|&stride| i64::from(stride) == value).ok_or(Error::OutputStride { value })
    }
}
