//! Lists of tensors that must match one by one, checked before calls to C++.

use tch::Tensor;
use torch_sys::C_tensor;

use crate::{Error, ffi};

/// A named list of defined tensors.
pub(crate) struct TensorList<'a> {
    name: &'static str,
    tensors: &'a [Tensor],
    pointers: Vec<*const C_tensor>,
}

impl<'a> TensorList<'a> {
    pub(crate) fn new(name: &'static str, tensors: &'a [Tensor]) -> Result<Self, Error> {
        match tensors.iter().position(|tensor| !tensor.defined()) {
            Some(index) => Err(Error::Undefined { list: name, index }),
            None => Ok(Self { name, tensors, pointers: ffi::pointers(tensors) }),
        }
    }

    pub(crate) fn pointers(&self) -> ffi::List {
        self.pointers.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Checks for the same number of tensors as `of`, with the same shapes.
    pub(crate) fn of_shapes(self, of: &TensorList) -> Result<Self, Error> {
        if self.len() != of.len() {
            return Err(Error::Count { list: self.name, expected: of.len(), found: self.len() });
        }
        for (index, (tensor, model)) in self.tensors.iter().zip(of.tensors).enumerate() {
            let (expected, found) = (model.size(), tensor.size());
            if expected != found {
                return Err(Error::Shape { list: self.name, index, expected, found });
            }
        }
        Ok(self)
    }

    /// Checks for the same number of tensors as `of`, with the same shapes, kinds and devices.
    pub(crate) fn like(self, of: &TensorList) -> Result<Self, Error> {
        let list = self.of_shapes(of)?;
        for (index, (tensor, model)) in list.tensors.iter().zip(of.tensors).enumerate() {
            let (expected, expected_device) = (model.kind(), model.device());
            let (found, found_device) = (tensor.kind(), tensor.device());
            if (expected, expected_device) != (found, found_device) {
                let list = list.name;
                return Err(Error::Placement { list, index, expected, expected_device, found, found_device });
            }
        }
        Ok(list)
    }
}
