//! How the pixels of a file become those of a sample.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MAX_CHANNELS;
use crate::Error;
use crate::settings::check;

/// What happens with the pixels of every image file, in training, evaluation, prediction and checking alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PixelOptions {
    /// Whether images are turned as their EXIF orientation says.
    pub orientation: Orientation,
    /// Which bits of 16-bit images are used.
    pub depth: Depth,
    /// How many channels an image has: 3 are red, green and blue, 1 is grey, both from any file; any other number has to be the
    /// file's own.
    #[schemars(range(min = 1, max = MAX_CHANNELS))]
    pub channels: usize,
}

impl Default for PixelOptions {
    fn default() -> PixelOptions {
        PixelOptions { orientation: Orientation::default(), depth: Depth::default(), channels: 3 }
    }
}

impl PixelOptions {
    /// # Errors
    /// [`Error::Setting`] where a number of bits or of channels is out of range.
    pub fn validate(&self) -> Result<(), Error> {
        check((1..=MAX_CHANNELS).contains(&self.channels), "channels", self.channels, "1 to 16 channels")?;
        match self.depth {
            Depth::Auto => Ok(()),
            Depth::Bits(bits) => check((8..=16).contains(&bits), "depth", bits, "`auto` or 8 to 16 bits"),
        }
    }
}

/// What to do with the orientation that a camera writes into the EXIF block of a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// Turned upright, as a viewer shows it; the choice of MMDetection, Detectron2 and Ultralytics.
    #[default]
    Upright,
    /// As stored; the choice of torchvision and timm.
    Stored,
}

/// Which bits of an image with more than 8 bits per channel are used. Written as `auto` or as the number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", into = "Written")]
pub enum Depth {
    /// As the file says: a PNG's `sBIT` chunk, a TIFF's `MaxSampleValue`, a PNM's greatest value; otherwise the high 8 of
    /// 16 bits.
    #[default]
    Auto,
    /// The highest value of a channel has this many bits, 8 to 16: 12 for values up to 4095. Greater values become white.
    Bits(u8),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a depth is `auto` or a number of bits from 8 to 16")]
enum Written {
    /// As the file says.
    Word(Word),
    /// The significant bits of each channel.
    Bits(#[schemars(range(min = 8, max = 16))] u8),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Auto,
}

impl From<Written> for Depth {
    fn from(written: Written) -> Depth {
        match written {
            Written::Word(Word::Auto) => Depth::Auto,
            Written::Bits(bits) => Depth::Bits(bits),
        }
    }
}

impl From<Depth> for Written {
    fn from(depth: Depth) -> Written {
        match depth {
            Depth::Auto => Written::Word(Word::Auto),
            Depth::Bits(bits) => Written::Bits(bits),
        }
    }
}
