//! Settings of the classifier.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    setting::{below_one, class_weights},
};

/// Settings of the head and its loss. By default: no dropout, no smoothing, equal class weights.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Fraction of the pooled features that training sets to zero.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
    /// Fraction of each target that is distributed evenly over all classes (the recipe of the MobileOne paper: 0.1).
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub label_smoothing: f64,
    /// Factor of each class in the loss.
    #[schemars(inner(range(min = 0.0)))]
    pub class_weights: Option<Vec<f64>>,
}

impl ClassifierConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::ConfigRange`] names the first invalid key.
    pub fn validate(&self) -> Result<(), Error> {
        below_one("dropout", self.dropout)?;
        below_one("label_smoothing", self.label_smoothing)?;
        self.class_weights.as_deref().map_or(Ok(()), class_weights)
    }
}
