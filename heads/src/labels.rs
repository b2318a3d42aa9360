//! Class ids of a batch.

use tch::{Device, Kind, Tensor};

use crate::Error;

/// The valid ids of a tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labels {
    /// Name of the tensor in an error.
    pub what: &'static str,
    /// Ids from 0 to below this are classes.
    pub classes: i64,
    /// The id of ignored elements.
    pub ignored: Option<i64>,
}

impl Labels {
    /// `ids`, integers of any kind, as `i64` on `device`.
    ///
    /// Only ids on the host are checked: checking on an accelerator would wait for it.
    pub fn load(self, ids: &Tensor, device: Device) -> Result<Tensor, Error> {
        let found = ids.kind();
        if !matches!(found, Kind::Uint8 | Kind::Int8 | Kind::Int16 | Kind::Int | Kind::Int64) {
            return Err(Error::Kind { what: self.what, found, expected: "integers" });
        }
        if ids.device() == Device::Cpu {
            self.check(&ids.f_to_kind(Kind::Int64)?)?;
        }
        Ok(ids.f_to_device_(device, found, true, false)?.f_to_kind(Kind::Int64)?)
    }

    fn check(self, ids: &Tensor) -> Result<(), Error> {
        let Self { what, classes, ignored } = self;
        let mut wrong = ids.f_lt(0)?.f_logical_or(&ids.f_ge(classes)?)?;
        if let Some(ignored) = ignored {
            wrong = wrong.f_logical_and(&ids.f_ne(ignored)?)?;
        }
        if wrong.f_any()?.f_int64_value(&[])? == 0 {
            return Ok(());
        }
        let place = Vec::<i64>::try_from(wrong.f_nonzero()?.f_get(0)?)?;
        let found = ids.f_int64_value(&place)?;
        Err(Error::ClassId { what, found, place, classes, ignored })
    }
}
