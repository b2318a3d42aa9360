//! From the ids in a mask file to class indices.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::settings::check;

/// What happens with an id without a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unmapped {
    /// The mask is an error.
    #[default]
    Error,
    /// The pixel is ignored.
    Ignore,
}

/// A class index, or the ignore index, for every id that may occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    table: Vec<Option<u8>>,
    unmapped: Unmapped,
    ignore: u8,
    classes: usize,
}

impl LabelMap {
    /// Ids that are the class indices themselves, and `ignore`.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are more than 255 classes or `ignore` is one of them.
    pub fn identity(classes: usize, ignore: u8) -> Result<LabelMap, Error> {
        let ids = (0..classes.min(usize::from(u8::MAX))).map(|class| (class as u16, class as u8)).collect();
        LabelMap::new(classes, ignore, &ids, Unmapped::Error)
    }

    /// The classes of the ids in the files; `ignore` stands for itself unless `ids` has it.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are more than 255 classes, `ignore` is one of them, or an id is mapped to neither a
    /// class nor `ignore`.
    pub fn new(classes: usize, ignore: u8, ids: &BTreeMap<u16, u8>, unmapped: Unmapped) -> Result<LabelMap, Error> {
        check((1..=usize::from(u8::MAX)).contains(&classes), "classes", classes, "1 to 255 classes")?;
        check(usize::from(ignore) >= classes, "ignore", ignore, "an index from 0 to 255 that is not a class")?;
        let most = ids.keys().copied().max().unwrap_or_default().max(u16::from(ignore));
        let mut table = vec![None; usize::from(most) + 1];
        table[usize::from(ignore)] = Some(ignore);
        for (&id, &class) in ids {
            let is_valid = usize::from(class) < classes || class == ignore;
            check(is_valid, "ids", format!("{{{id}: {class}}}"), "classes of the set, or its ignore index")?;
            table[usize::from(id)] = Some(class);
        }
        Ok(LabelMap { table, unmapped, ignore, classes })
    }

    /// The class of an id.
    ///
    /// # Errors
    /// The end of the sentence "id ... is".
    pub(crate) fn class(&self, id: u16) -> Result<u8, String> {
        match (self.table.get(usize::from(id)).copied().flatten(), self.unmapped) {
            (Some(class), _) => Ok(class),
            (None, Unmapped::Ignore) => Ok(self.ignore),
            (None, Unmapped::Error) => {
                Err(format!("neither one of the {} classes nor the ignore index {}", self.classes, self.ignore))
            }
        }
    }
}
