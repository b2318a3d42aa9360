//! Settings of the SSDLite head. Every default is that of torchvision's `ssdlite320_mobilenet_v3_large`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    setting::{at_least_one, fraction, has_length, in_range, not_negative, positive, share},
};

/// The finest features with anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FirstLevel {
    /// Stride 8: one more level, for small objects.
    C3,
    /// Stride 16, as torchvision.
    #[default]
    C4,
}

/// Settings of the head, its training and its post-processing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SsdLiteConfig {
    /// The finest features with anchors.
    pub first_level: FirstLevel,
    /// Output channels of the levels after C5, each of half the resolution of the one before.
    #[schemars(inner(range(min = 2)))]
    pub extra_channels: Vec<i64>,
    /// Side of the anchors of the first level as a fraction of the image, without `scales`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub min_scale: f64,
    /// Side of the anchors of the last level as a fraction of the image, without `scales`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub max_scale: f64,
    /// Sides of the anchors as fractions of the image: one per level and one more for the end of the last level.
    #[schemars(extend("items" = {"type": "number", "exclusiveMinimum": 0}))]
    pub scales: Option<Vec<f64>>,
    /// Aspect ratios of each level besides 1; each `r` gives a box `r` times as wide as high and one `r` times as high as wide.
    /// By default 2 and 3 on every level.
    #[schemars(extend("items" = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}}))]
    pub aspect_ratios: Option<Vec<Vec<f64>>>,
    /// Smallest overlap at which an anchor belongs to an object.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub iou_threshold: f64,
    /// Fraction of anchors with an object among those in the classification loss.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub positive_fraction: f64,
    /// Factor of the classification loss.
    #[schemars(range(min = 0.0))]
    pub classification_weight: f64,
    /// Factor of the localization loss.
    #[schemars(range(min = 0.0))]
    pub localization_weight: f64,
    /// Factors of the encoded boxes: centre x, centre y, width, height.
    #[schemars(extend("items" = {"type": "number", "exclusiveMinimum": 0}))]
    pub box_weights: [f32; 4],
    /// Detections must have a higher score.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub score_threshold: f64,
    /// Overlap above which the weaker of two detections of a class is dropped.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub nms_threshold: f64,
    /// Maximum number of boxes of each class and image in the suppression: the best ones.
    #[schemars(range(min = 1))]
    pub topk_candidates: usize,
    /// Maximum number of detections per image.
    #[schemars(range(min = 1))]
    pub detections_per_image: usize,
    /// Added to the variance in batch normalisation.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub bn_eps: f64,
    /// Weight of the new batch in the running statistics.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub bn_momentum: f64,
    /// Standard deviation of the initial weights.
    #[schemars(range(min = 0.0))]
    pub init_std: f64,
}

impl Default for SsdLiteConfig {
    fn default() -> Self {
        Self {
            first_level: FirstLevel::C4,
            extra_channels: vec![512, 256, 256, 128],
            min_scale: 0.2,
            max_scale: 0.95,
            scales: None,
            aspect_ratios: None,
            iou_threshold: 0.5,
            positive_fraction: 0.25,
            classification_weight: 1.0,
            localization_weight: 1.0,
            box_weights: [10.0, 10.0, 5.0, 5.0],
            score_threshold: 0.001,
            nms_threshold: 0.55,
            topk_candidates: 300,
            detections_per_image: 300,
            bn_eps: 1e-3,
            bn_momentum: 0.03,
            init_std: 0.03,
        }
    }
}

impl SsdLiteConfig {
    /// Number of levels: those of the backbone and the extra ones.
    pub fn levels(&self) -> usize {
        let backbone = match self.first_level {
            FirstLevel::C3 => 3,
            FirstLevel::C4 => 2,
        };
        backbone + self.extra_channels.len()
    }

    /// Sides of the anchors as fractions of the image, `levels() + 1` of them.
    pub fn resolved_scales(&self) -> Vec<f64> {
        self.scales.clone().unwrap_or_else(|| {
            let last = (self.levels() - 1) as f64;
            let range = self.max_scale - self.min_scale;
            let steps = (0..self.levels()).map(|level| self.min_scale + range * level as f64 / last);
            steps.chain([1.0]).collect()
        })
    }

    /// Aspect ratios of each level.
    pub fn resolved_aspect_ratios(&self) -> Vec<Vec<f64>> {
        self.aspect_ratios.clone().unwrap_or_else(|| vec![vec![2.0, 3.0]; self.levels()])
    }

    /// Number of anchors without an object in the classification loss for each anchor with one.
    pub fn negatives_per_positive(&self) -> f64 {
        (1.0 - self.positive_fraction) / self.positive_fraction
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::ConfigRange`] and [`Error::ConfigLength`] name the first invalid key.
    pub fn validate(&self) -> Result<(), Error> {
        self.validate_anchors()?;
        for &channels in &self.extra_channels {
            in_range("extra_channels", channels as f64, channels >= 2, "at least 2")?;
        }
        fraction("iou_threshold", self.iou_threshold)?;
        fraction("score_threshold", self.score_threshold)?;
        fraction("nms_threshold", self.nms_threshold)?;
        share("positive_fraction", self.positive_fraction)?;
        not_negative("classification_weight", self.classification_weight)?;
        not_negative("localization_weight", self.localization_weight)?;
        not_negative("init_std", self.init_std)?;
        for weight in self.box_weights {
            positive("box_weights", f64::from(weight))?;
        }
        positive("bn_eps", self.bn_eps)?;
        share("bn_momentum", self.bn_momentum)?;
        at_least_one("topk_candidates", self.topk_candidates as f64)?;
        at_least_one("detections_per_image", self.detections_per_image as f64)
    }

    fn validate_anchors(&self) -> Result<(), Error> {
        positive("min_scale", self.min_scale)?;
        let ordered = self.max_scale.is_finite() && self.max_scale >= self.min_scale;
        in_range("max_scale", self.max_scale, ordered, "a finite number, at least `min_scale`")?;
        let levels = self.levels();
        if let Some(scales) = &self.scales {
            has_length(
                "scales",
                scales.len(),
                levels + 1,
                format!("{} (one for each of {levels} levels, one more)", levels + 1),
            )?;
            scales.iter().try_for_each(|&scale| positive("scales", scale))?;
        }
        if let Some(ratios) = &self.aspect_ratios {
            has_length("aspect_ratios", ratios.len(), levels, format!("{levels} (one list for each level)"))?;
            ratios.iter().flatten().try_for_each(|&ratio| positive("aspect_ratios", ratio))?;
        }
        Ok(())
    }
}
