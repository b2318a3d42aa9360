//! Gradients that are means over all processes, reduced in buckets while the backward pass goes on.

use std::{
    ffi::c_char,
    ptr::{self, NonNull},
};

use tch::Tensor;
use torch_sys::C_tensor;

use super::{
    group::{ForeignGroup, Group, checked},
    lost,
};
use crate::{
    Error,
    ffi::{self, Text, take_text},
    list::TensorList,
};

/// `Reducer` of `csrc/dist_reducer.cpp`.
#[repr(C)]
struct ForeignReducer {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn tch_ext_dist_reducer(
        group: *const ForeignGroup,
        params: ffi::List,
        names: *const Text,
        count: usize,
        first_bucket_bytes: i64,
        bucket_bytes: i64,
        gradients_are_views: bool,
        find_unused: bool,
        bfloat16: bool,
        reducer: *mut *mut ForeignReducer,
    ) -> *mut c_char;
    fn tch_ext_dist_reducer_free(reducer: *mut ForeignReducer);
    fn tch_ext_dist_reducer_backward(reducer: *const ForeignReducer, loss: *const C_tensor) -> *mut c_char;
    fn tch_ext_dist_backward(loss: *const C_tensor) -> *mut c_char;
}

/// How gradients are reduced; equal on all processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReducerOptions {
    /// Gradients are sent in groups of this many bytes, 1 or more.
    pub bucket_bytes: u32,
    /// Whether gradients share the memory of the buckets, which saves a copy. Set them to zero in place then instead of
    /// dropping them.
    pub gradients_are_views: bool,
    /// In which numbers gradients are sent.
    pub sent_as: GradientKind,
    /// Whether a loss may leave out parameters.
    pub unused: UnusedParameters,
}

/// In which numbers gradients are sent and added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientKind {
    /// The gradient's own.
    Own,
    /// Half of float32's bytes; every addition rounds to 8 bits.
    BFloat16,
}

/// Whether a loss may leave out parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusedParameters {
    /// An error on the process where it happens.
    Refused,
    /// They are searched for in every step. Those that no process uses get no gradient; one that some use gets the mean
    /// with zeros for the others.
    Found,
}

impl Default for ReducerOptions {
    /// DistributedDataParallel's 25 MiB, with views.
    fn default() -> Self {
        Self {
            bucket_bytes: 25 << 20,
            gradients_are_views: true,
            sent_as: GradientKind::Own,
            unused: UnusedParameters::Refused,
        }
    }
}

/// The first bucket is small, so that sending starts early.
const FIRST_BUCKET_BYTES: u32 = 1 << 20;

/// Reduces the gradients of a list of parameters.
///
/// The parameters must stay the same tensors. Their gradients are means of the processes' gradients: with batches of `n` of
/// `N` images a process scales the sum over its own images by `size / N`, not by `1 / n`.
#[derive(Debug)]
pub struct Reducer {
    handle: NonNull<ForeignReducer>,
    group: Group,
    names: Vec<String>,
}

// SAFETY: c10d's Reducer belongs to no thread; it locks its state.
unsafe impl Send for Reducer {}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: the handle owns the reducer, and nothing uses it after this.
        unsafe { tch_ext_dist_reducer_free(self.handle.as_ptr()) }
    }
}

impl Reducer {
    /// Checks that all processes have the same parameters, copies those of rank 0 to all, and watches their gradients.
    ///
    /// # Errors
    /// [`Error::Differs`] on all processes where one has other parameters; an option out of range; a process is lost.
    pub fn new(parameters: &[(String, Tensor)], group: &Group, options: ReducerOptions) -> Result<Self, Error> {
        let (names, tensors): (Vec<String>, Vec<Tensor>) =
            parameters.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).unzip();
        let list = TensorList::new("parameters", &tensors)?;
        if options.bucket_bytes == 0 {
            return Err(Error::Option { option: "bucket_bytes", value: 0.0, range: "1 or more" });
        }
        group.require_equal("the list of parameters", &description(parameters, options))?;
        group.broadcast(&tensors, 0)?;
        let mut handle = ptr::null_mut();
        // SAFETY: group, tensors and texts live through the call, which writes the reducer before it returns null.
        checked("prepare the reduction of gradients", unsafe {
            tch_ext_dist_reducer(
                group.as_ptr(),
                list.pointers(),
                Text::list(&names).as_ptr(),
                list.len(),
                FIRST_BUCKET_BYTES.min(options.bucket_bytes).into(),
                options.bucket_bytes.into(),
                options.gradients_are_views,
                options.unused == UnusedParameters::Found,
                options.sent_as == GradientKind::BFloat16,
                &mut handle,
            )
        })?;
        let handle = NonNull::new(handle).expect("a successful call creates a reducer");
        Ok(Self { handle, group: group.clone(), names })
    }

    /// The backward pass from a loss of one element. Afterwards the gradients, those of earlier [`Reducer::accumulate`]
    /// included, are means over all processes, which call this together.
    ///
    /// # Errors
    /// [`Error::Unused`], a process is lost, or libtorch's own message. The reducer is of no use after an error.
    pub fn backward(&mut self, loss: &Tensor) -> Result<(), Error> {
        self.run(loss, |loss| {
            // SAFETY: reducer and loss are alive.
            unsafe { tch_ext_dist_reducer_backward(self.handle.as_ptr(), loss) }
        })
    }

    /// A backward pass that adds to the gradients of this process and sends nothing.
    ///
    /// # Errors
    /// libtorch's own message.
    pub fn accumulate(&mut self, loss: &Tensor) -> Result<(), Error> {
        // SAFETY: the loss is alive.
        self.run(loss, |loss| unsafe { tch_ext_dist_backward(loss) })
    }

    /// The processes among which gradients are reduced.
    pub fn group(&self) -> &Group {
        &self.group
    }

    fn run(&self, loss: &Tensor, call: impl FnOnce(*const C_tensor) -> *mut c_char) -> Result<(), Error> {
        if !loss.defined() {
            return Err(Error::Undefined { list: "losses", index: 0 });
        }
        let text = call(loss.as_ptr());
        if text.is_null() {
            return Ok(());
        }
        let text = take_text(text);
        Err(unused(&text, &self.names).unwrap_or_else(|| lost::error("compute gradients", &text)))
    }
}

/// A line for each parameter: a process with another model must not start to send buckets of other sizes.
fn description(parameters: &[(String, Tensor)], options: ReducerOptions) -> String {
    let mut lines = vec![format!("{options:?}")];
    lines.extend(parameters.iter().map(|(name, tensor)| {
        let (kind, device) = (tensor.kind(), tensor.device());
        let trainable = if tensor.requires_grad() { "" } else { ", frozen" };
        format!("{name}: {:?} with strides {:?}, {kind:?}, {device:?}{trainable}", tensor.size(), tensor.stride())
    }));
    lines.join("\n")
}

/// The names behind "Parameter indices which did not receive grad for rank 0: 2 3 ...".
fn unused(text: &str, names: &[String]) -> Option<Error> {
    if !text.contains("Expected to have finished reduction") {
        return None;
    }
    let (_, list) = text.split_once("did not receive grad for rank").and_then(|(_, rest)| rest.split_once(':'))?;
    let indices = list.split_whitespace().map_while(|word| word.trim_end_matches(['.', ',']).parse::<usize>().ok());
    let parameters = indices.filter_map(|index| names.get(index).cloned()).collect();
    Some(Error::Unused { parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_without_a_gradient_are_named() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let text = "Expected to have finished reduction in the prior iteration before starting a new one.\nParameter \
                    indices which did not receive grad for rank 1: 0 2\n In addition, ...";
        let error = unused(text, &names).unwrap();
        assert!(error.to_string().starts_with("the loss does not depend on a, c; set"), "{error}");
        assert!(unused("another error", &names).is_none());
    }
}
