//! Checks of single settings; the error names the key.

use crate::Error;

pub(crate) fn in_range(key: &'static str, value: f64, holds: bool, expected: &'static str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::ConfigRange { key, value, expected }) }
}

pub(crate) fn positive(key: &'static str, value: f64) -> Result<(), Error> {
    in_range(key, value, value.is_finite() && value > 0.0, "a finite number above 0")
}

pub(crate) fn not_negative(key: &'static str, value: f64) -> Result<(), Error> {
    in_range(key, value, value.is_finite() && value >= 0.0, "0 or a finite number above")
}

/// From 0 to 1, both included.
pub(crate) fn fraction(key: &'static str, value: f64) -> Result<(), Error> {
    in_range(key, value, (0.0..=1.0).contains(&value), "a number from 0 to 1")
}

/// Above 0, at most 1.
pub(crate) fn share(key: &'static str, value: f64) -> Result<(), Error> {
    in_range(key, value, value > 0.0 && value <= 1.0, "a number above 0, at most 1")
}

/// From 0, below 1: a fraction to drop or to smooth.
pub(crate) fn below_one(key: &'static str, value: f64) -> Result<(), Error> {
    in_range(key, value, (0.0..1.0).contains(&value), "a number from 0, below 1")
}

pub(crate) fn at_least_one(key: &'static str, value: f64) -> Result<(), Error> {
    in_range(key, value, value >= 1.0, "at least 1")
}

/// Named counts.
pub(crate) fn at_least_one_each(counts: impl IntoIterator<Item = (&'static str, i64)>) -> Result<(), Error> {
    match counts.into_iter().find(|(_, value)| *value < 1) {
        Some((what, value)) => Err(Error::NotPositive { what, value }),
        None => Ok(()),
    }
}

pub(crate) fn has_length(key: &'static str, found: usize, wanted: usize, expected: String) -> Result<(), Error> {
    if found == wanted { Ok(()) } else { Err(Error::ConfigLength { key, found, expected }) }
}

/// Factors of the classes in a loss: none below 0, not all of them 0.
pub(crate) fn class_weights(weights: &[f64]) -> Result<(), Error> {
    weights.iter().try_for_each(|&weight| not_negative("class_weights", weight))?;
    let sum = weights.iter().sum();
    in_range("class_weights", sum, sum > 0.0, "at least one number above 0")
}

/// One factor for each class.
pub(crate) fn fits_classes(weights: Option<&[f64]>, classes: i64) -> Result<(), Error> {
    match weights {
        Some(weights) => {
            has_length("class_weights", weights.len(), classes as usize, format!("{classes} (one for each class)"))
        }
        None => Ok(()),
    }
}
