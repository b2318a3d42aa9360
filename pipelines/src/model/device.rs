//! The device of a job.

use tch::{Cuda, Device};
use tch_ext::cuda::{self, CudaLibrary};

use crate::console;
use crate::failure::Failure;

/// The device that `--device` names: `auto`, `cpu`, `cuda` or `cuda:N`.
///
/// Must be called before the first tensor is created, because it loads libtorch's CUDA library where that is beside the
/// CPU library.
///
/// # Errors
/// When the name is none of these, or CUDA is requested and not available.
pub fn select(name: &str) -> Result<Device, Failure> {
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let index = match name {
        "auto" | "cuda" => 0,
        _ => name.strip_prefix("cuda:").and_then(|index| index.parse().ok()).ok_or_else(|| {
            Failure::usage(format!("--device {name} is not a device")).hint("Use auto, cpu, cuda or cuda:N.")
        })?,
    };
    let library = cuda::load();
    let count = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    if (index as i64) < count {
        return Ok(Device::Cuda(index));
    }
    match library {
        Err(error) if name == "auto" => {
            console::warning(format!("CUDA is not used: {error}"));
            Ok(Device::Cpu)
        }
        _ if name == "auto" => Ok(Device::Cpu),
        Err(error) => Err(Failure::failed(format!("--device {name}: {error}"))),
        Ok(CudaLibrary::Absent) => Err(Failure::failed(format!("--device {name}: this libtorch has no CUDA library"))
            .hint("Build with LIBTORCH naming a CUDA build of libtorch 2.11; `pipeline doctor` shows what is used.")),
        Ok(_) => Err(Failure::failed(format!("--device {name}: there are {count} CUDA devices"))
            .hint("`pipeline doctor` shows the devices.")),
    }
}

/// The device in words.
pub fn describe(device: Device) -> String {
    match device {
        Device::Cpu => format!("CPU ({} threads)", tch::get_num_threads()),
        Device::Cuda(index) => format!("CUDA device {index}"),
        other => format!("{other:?}"),
    }
}
