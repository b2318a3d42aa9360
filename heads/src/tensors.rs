//! Small operations that several heads share.

use backbone::Mode;
use tch::{Kind, Tensor};

use crate::Error;

/// Sets a fraction `rate` of the values to zero in training and scales up the others.
pub(crate) fn dropout(xs: Tensor, rate: f64, mode: Mode) -> Result<Tensor, Error> {
    if mode.is_train() && rate > 0.0 { Ok(xs.f_dropout(rate, true)?) } else { Ok(xs) }
}

/// Half precision as fp32; other kinds unchanged.
pub(crate) fn full_precision(xs: &Tensor) -> Result<Tensor, Error> {
    match xs.kind() {
        Kind::Half | Kind::BFloat16 => Ok(xs.f_to_kind(Kind::Float)?),
        _ => Ok(xs.shallow_clone()),
    }
}

/// Checks features `[N, channels, H, W]` without empty dimensions and returns N.
pub(crate) fn check_features(features: &Tensor, channels: i64) -> Result<i64, Error> {
    let size = features.size();
    match size[..] {
        [images, found, height, width] if found == channels && images > 0 && height > 0 && width > 0 => Ok(images),
        _ => Err(Error::Shape { what: "features", found: size, expected: format!("[N, {channels}, H, W]") }),
    }
}
