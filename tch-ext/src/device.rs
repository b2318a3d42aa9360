//! Devices as numbers for `csrc/`.

use std::ffi::c_int;

use tch::Device;

use crate::Error;

/// -1 for the CPU, otherwise the index of the CUDA device.
pub(crate) fn cuda_index(device: Device) -> Result<c_int, Error> {
    match device {
        Device::Cpu => Ok(-1),
        Device::Cuda(index) => c_int::try_from(index).map_err(|_| Error::Device { device }),
        Device::Mps | Device::Vulkan => Err(Error::Device { device }),
    }
}
