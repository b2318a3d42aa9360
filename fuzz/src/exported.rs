//! What the readers of exported files promise for any bytes: an error or numbers, and the process goes on.

use std::fs;
use std::path::Path;

use formats::{Array, Data, coreml, litert};
use tch::{Device, Kind, Tensor};

use super::memory::Bound;

/// The copy that the library gets, and what is known of each tensor and operator.
const LITERT: Bound = Bound { fixed: 4 << 20, times: 256 };
/// A message of two bytes becomes a value of some hundred.
const COREML: Bound = Bound { fixed: 4 << 20, times: 1024 };
/// Inputs of more numbers are not run.
const MOST_NUMBERS: usize = 1 << 20;

/// The number of elements of a shape, where it is not too large.
fn few(shape: &[usize]) -> Option<usize> {
    let count = shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
    count.filter(|&count| count <= MOST_NUMBERS)
}

/// LiteRT files, run on zeros.
pub fn litert(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("network.tflite");
    fs::write(&path, bytes).expect("written");
    let Ok(session) = LITERT.hold(bytes.len(), || litert::Session::load(&path)) else { return false };
    let zeros = |slot: &litert::Slot| {
        let shape: Vec<usize> = slot.shape.iter().map(|side| side.unwrap_or(1)).collect();
        let count = few(&shape)?;
        Array::new(shape, Data::F32(vec![0.0; count])).ok()
    };
    let inputs: Option<Vec<Array>> = session.inputs().iter().map(zeros).collect();
    inputs.is_some_and(|inputs| session.run(&inputs).is_ok())
}

/// Core ML packages: the length of the model (four bytes, little-endian), the model, the weights.
pub fn coreml(folder: &Path, bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
    let (model, weights) = rest.split_at(length);
    let path = folder.join("network.mlpackage");
    let _ = fs::remove_dir_all(&path);
    coreml::Package::of_bytes(model, weights, &path).is_ok_and(|package| {
        package.write(&path).expect("written");
        let Ok(session) = COREML.hold(bytes.len(), || coreml::Session::load(&path)) else { return false };
        let shape: Option<Vec<usize>> = session.shapes()[0].iter().map(|&side| usize::try_from(side).ok()).collect();
        shape.and_then(|shape| few(&shape)).is_some_and(|_| {
            let images = Tensor::zeros(&session.shapes()[0], (Kind::Float, Device::Cpu));
            session.run(&images).is_ok()
        })
    })
}
