//! Mixed precision for a forward pass.

use tch::{Device, Kind};
use tch_ext::autocast::Autocast;

use crate::config::Precision;
use crate::failure::Failure;

/// Runs `forward` in `precision`: under autocast where that is not fp32.
///
/// # Errors
/// When libtorch has no autocast for the device.
pub fn forward<R>(precision: Precision, device: Device, forward: impl FnOnce() -> R) -> Result<R, Failure> {
    let _guard = match precision {
        Precision::Fp32 => None,
        Precision::Bf16 => Some(Autocast::enter(device, Kind::BFloat16)?),
    };
    Ok(forward())
}
