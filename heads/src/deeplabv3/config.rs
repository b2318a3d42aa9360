//! Settings of the DeepLabV3 head. Every default is that of torchvision's `DeepLabHead`, except that the atrous rates follow
//! the output stride.

use backbone::OutputStride;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    setting::{at_least_one, below_one, class_weights, in_range, not_negative, positive, share},
};

/// Settings of the head and its losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeepLabV3Config {
    /// Channels of every branch, of the projection and of the extra convolution.
    #[schemars(range(min = 1))]
    pub channels: i64,
    /// Dilations of the 3x3 branches, one branch each. By default those of the paper: 6, 12, 18 at output stride 16, twice as
    /// much at 8, half as much at 32.
    #[schemars(inner(range(min = 1, max = 1024)))]
    pub rates: Option<Vec<i64>>,
    /// Makes each atrous convolution a depthwise and a 1x1 one, both with batch normalisation and ReLU, as in MMSegmentation's
    /// `DepthwiseSeparableASPPModule`.
    pub separable: bool,
    /// Fraction of the projected features that training sets to zero.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
    /// A 3x3 convolution between the pyramid and the classifier, as in torchvision but not in CVNets.
    pub extra_conv: bool,
    /// A second head for training.
    pub auxiliary: Option<AuxiliaryConfig>,
    /// The id of ignored pixels in a mask.
    pub ignore_index: i64,
    /// Factor of each class in the losses.
    #[schemars(inner(range(min = 0.0)))]
    pub class_weights: Option<Vec<f64>>,
    /// Trains on hard pixels only.
    pub ohem: Option<OhemConfig>,
    /// Added to the variance in batch normalisation.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub bn_eps: f64,
    /// Weight of the new batch in the running statistics.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub bn_momentum: f64,
}

/// Settings of the auxiliary head: 3x3 convolution, batch normalisation, ReLU, dropout, 1x1 convolution on C4, as
/// torchvision's `FCNHead`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuxiliaryConfig {
    /// Factor of its loss: 0.5 in torchvision's recipe, 0.4 in CVNets.
    #[schemars(range(min = 0.0))]
    pub weight: f64,
    /// Channels between its convolutions. By default a quarter of those of C4.
    #[schemars(range(min = 1))]
    pub channels: Option<i64>,
    /// Fraction of the features that training sets to zero.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
}

/// Online hard example mining: only pixels whose true class has a low probability are in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OhemConfig {
    /// A pixel is hard if the probability of its true class is at most this.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub threshold: f64,
    /// Minimum number of pixels of a batch that count: the hardest, or all if there are fewer.
    #[schemars(range(min = 1))]
    pub min_kept: i64,
}

impl Default for DeepLabV3Config {
    fn default() -> Self {
        Self {
            channels: 256,
            rates: None,
            separable: false,
            dropout: 0.5,
            extra_conv: true,
            auxiliary: None,
            ignore_index: 255,
            class_weights: None,
            ohem: None,
            bn_eps: 1e-5,
            bn_momentum: 0.1,
        }
    }
}

impl Default for AuxiliaryConfig {
    fn default() -> Self {
        Self { weight: 0.5, channels: None, dropout: 0.1 }
    }
}

impl Default for OhemConfig {
    /// MMSegmentation's.
    fn default() -> Self {
        Self { threshold: 0.7, min_kept: 100_000 }
    }
}

impl DeepLabV3Config {
    /// Dilations of the 3x3 branches.
    pub fn resolved_rates(&self, output_stride: OutputStride) -> Vec<i64> {
        let published = || [1, 2, 3].map(|step| step * 96 / i64::from(output_stride)).to_vec();
        self.rates.clone().unwrap_or_else(published)
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::ConfigRange`] names the first invalid key.
    pub fn validate(&self) -> Result<(), Error> {
        at_least_one("channels", self.channels as f64)?;
        for &rate in self.rates.iter().flatten() {
            in_range("rates", rate as f64, (1..=1024).contains(&rate), "from 1 to 1024")?;
        }
        below_one("dropout", self.dropout)?;
        if let Some(AuxiliaryConfig { weight, channels, dropout }) = self.auxiliary {
            not_negative("auxiliary.weight", weight)?;
            at_least_one("auxiliary.channels", channels.unwrap_or(1) as f64)?;
            below_one("auxiliary.dropout", dropout)?;
        }
        self.class_weights.as_deref().map_or(Ok(()), class_weights)?;
        if let Some(OhemConfig { threshold, min_kept }) = self.ohem {
            share("ohem.threshold", threshold)?;
            at_least_one("ohem.min_kept", min_kept as f64)?;
        }
        positive("bn_eps", self.bn_eps)?;
        share("bn_momentum", self.bn_momentum)
    }
}
