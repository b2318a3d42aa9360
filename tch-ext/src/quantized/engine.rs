//! The engines of this libtorch.

use std::{
    ffi::{c_char, c_int},
    fmt,
};

use crate::{Error, ffi::check};

unsafe extern "C" {
    fn tch_ext_quantized_engine() -> c_int;
    fn tch_ext_quantized_supports(engine: c_int) -> bool;
    fn tch_ext_quantized_set_engine(engine: c_int) -> *mut c_char;
}

/// A library of quantised kernels; as `torch.backends.quantized.engine`.
///
/// Every engine runs convolutions with any strides, padding, dilations and groups, depthwise ones included, and linear
/// layers, with one weight scale for each output channel. All results are within one quantisation step of each other,
/// except where an engine [saturates](super::saturates).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The engine of phones, also on x86, where its kernels use SSE2 only. Never saturates. It packs a layer at its first
    /// run, which is slow, and accepts a layer for one input scale at a time: another scale packs again. A layer whose
    /// input scale times weight scale, divided by the output scale, is not a normal `f32` fails at its first run, and so
    /// does an image without pixels.
    Qnnpack,
    /// x86 with AVX2 or newer. Its depthwise kernels (3x3, 5x5 and 7x7, padding that keeps the size, a multiple of 8
    /// channels) saturate on every processor, its other kernels on those without VNNI.
    Fbgemm,
    /// oneDNN. Saturates on x86 processors without VNNI.
    Onednn,
    /// libtorch's choice on x86 for each layer: oneDNN on processors with VNNI for up to 100 groups, otherwise FBGEMM.
    /// Depthwise layers of more than 100 channels thus saturate as in FBGEMM.
    X86,
}

/// The order is that of the names in errors.
const ENGINES: [Engine; 4] = [Engine::Qnnpack, Engine::Fbgemm, Engine::Onednn, Engine::X86];

impl Engine {
    /// Its name in `torch.backends.quantized`: "qnnpack", "fbgemm", "onednn" or "x86".
    pub fn name(self) -> &'static str {
        match self {
            Self::Qnnpack => "qnnpack",
            Self::Fbgemm => "fbgemm",
            Self::Onednn => "onednn",
            Self::X86 => "x86",
        }
    }

    /// As `c10::QEngine`.
    fn number(self) -> c_int {
        match self {
            Self::Fbgemm => 1,
            Self::Qnnpack => 2,
            Self::Onednn => 3,
            Self::X86 => 4,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The engines that this libtorch has and this processor can run.
pub fn supported_engines() -> Vec<Engine> {
    // SAFETY: the argument is a number.
    ENGINES.into_iter().filter(|engine| unsafe { tch_ext_quantized_supports(engine.number()) }).collect()
}

/// The engine for layers that are registered or loaded now, `None` for a libtorch without any. Initially libtorch's
/// choice for this processor.
pub fn engine() -> Option<Engine> {
    // SAFETY: the function only reads a setting.
    let number = unsafe { tch_ext_quantized_engine() };
    ENGINES.into_iter().find(|engine| engine.number() == number)
}

/// Sets the engine for layers that are registered or loaded from now on, in all threads. Pooling and other operators
/// without weights use it when they run.
///
/// # Errors
/// An engine that this libtorch or this processor lacks.
pub fn set_engine(engine: Engine) -> Result<(), Error> {
    let supported = supported_engines();
    if !supported.contains(&engine) {
        return Err(Error::Engine { engine, supported });
    }
    // SAFETY: the argument is a number.
    check("set the quantised engine", unsafe { tch_ext_quantized_set_engine(engine.number()) })
}

/// The engines in words.
pub(crate) fn names(engines: &[Engine]) -> String {
    if engines.is_empty() {
        return "none".to_owned();
    }
    engines.iter().map(|engine| engine.name()).collect::<Vec<_>>().join(", ")
}
