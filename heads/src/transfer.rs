//! Copies between host and device.

use tch::{Device, Tensor, kind::Element};

use crate::Error;

/// `values` on `device`, `[len]`.
///
/// The copy is queued on the device without waiting. This is safe from pageable memory, which CUDA reads before it returns.
pub(crate) fn to_device<T: Element>(values: &[T], device: Device) -> Result<Tensor, Error> {
    Ok(Tensor::f_from_slice(values)?.f_to_device_(device, T::KIND, true, false)?)
}

/// The values of a tensor of fp32, row by row; waits for the device.
pub(crate) fn to_host(tensor: &Tensor) -> Result<Vec<f32>, Error> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}
