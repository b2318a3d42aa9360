//! The classes of an evaluation, by name.

use std::collections::HashSet;
use std::sync::Arc;

use crate::Error;

/// Class names in the order of their indices; evaluators that are to be merged share them.
pub(crate) type Names = Arc<[String]>;

/// Checks that there are from 1 to `most` names and no two the same.
pub(crate) fn distinct(names: impl IntoIterator<Item = impl Into<String>>, most: usize) -> Result<Names, Error> {
    let names: Names = names.into_iter().map(Into::into).collect();
    if names.is_empty() || names.len() > most {
        let expected = if names.is_empty() { "at least one" } else { "at most 256, for a label is a byte" };
        return Err(Error::Setting { key: "classes", value: names.len().to_string(), expected });
    }
    let mut seen = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(Error::RepeatedClass { name: name.clone() }),
        None => Ok(names),
    }
}
