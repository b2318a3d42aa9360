//! From the ids in a mask file to class indices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// What an id means that no map names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmapped {
    /// The mask cannot be used.
    #[default]
    Error,
    /// The pixel counts for nothing.
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
    /// Ids that are the class indices themselves; `ignore` means itself.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are more than 255 classes or `ignore` is one of them.
    pub fn identity(classes: usize, ignore: u8) -> Result<LabelMap, Error> {
        let ids = (0..classes.min(usize::from(u8::MAX))).map(|class| (class as u16, class as u8)).collect();
        LabelMap::new(classes, ignore, &ids, Unmapped::Error)
    }

    /// The classes that `ids` gives, by id in the file; `ignore` means itself, unless it is given.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are more than 255 classes, `ignore` is one of them, or an id is given what is neither
    /// a class nor `ignore`.
    pub fn new(classes: usize, ignore: u8, ids: &BTreeMap<u16, u8>, unmapped: Unmapped) -> Result<LabelMap, Error> {
        if !(1..=usize::from(u8::MAX)).contains(&classes) {
            return Err(Error::Setting { key: "classes", value: classes.to_string(), expected: "1 to 255 classes" });
        }
        if usize::from(ignore) < classes {
            let expected = "an index from 0 to 255 that is no class";
            return Err(Error::Setting { key: "ignore", value: ignore.to_string(), expected });
        }
        let most = ids.keys().copied().max().unwrap_or_default().max(u16::from(ignore));
        let mut table = vec![None; usize::from(most) + 1];
        table[usize::from(ignore)] = Some(ignore);
        for (&id, &class) in ids {
            if usize::from(class) >= classes && class != ignore {
                let expected = "classes of the set, or its ignore index";
                return Err(Error::Setting { key: "ids", value: format!("{{{id}: {class}}}"), expected });
            }
            table[usize::from(id)] = Some(class);
        }
        Ok(LabelMap { table, unmapped, ignore, classes })
    }

    /// The class of an id; the error is the second half of a sentence about it.
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
