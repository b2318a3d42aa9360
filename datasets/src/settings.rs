//! The ranges of settings: one [`Error::Setting`] with the key, the value and what is expected.

use crate::Error;
use crate::image::Size;

pub(crate) fn check(
    is_valid: bool,
    key: &'static str,
    value: impl ToString,
    expected: &'static str,
) -> Result<(), Error> {
    if is_valid { Ok(()) } else { Err(Error::Setting { key, value: value.to_string(), expected }) }
}

pub(crate) fn check_probability(key: &'static str, value: f64) -> Result<(), Error> {
    check((0.0..=1.0).contains(&value), key, value, "a probability from 0 to 1")
}

/// Two numbers inside `[least, greatest]`, the smaller first.
pub(crate) fn check_range(
    key: &'static str,
    [low, high]: [f64; 2],
    [least, greatest]: [f64; 2],
    expected: &'static str,
) -> Result<(), Error> {
    check(least <= low && low <= high && high <= greatest, key, format!("[{low}, {high}]"), expected)
}

/// Refuses a setting that only has a meaning for red, green and blue, where images have other channels.
pub(crate) fn check_colour(needing: Option<&'static str>, channels: usize) -> Result<(), Error> {
    needing
        .filter(|_| channels != 3)
        .map_or(Ok(()), |key| check(false, key, "on", "off: it needs images of red, green and blue"))
}

pub(crate) fn check_size(key: &'static str, size: Size) -> Result<(), Error> {
    let sides = 1..=usize::from(u16::MAX);
    let is_valid = sides.contains(&size.height) && sides.contains(&size.width);
    check(is_valid, key, size, "a width and a height from 1 to 65535 pixels")
}
