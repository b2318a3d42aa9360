//! Checks of input that several metrics share: unique names and ids, finite numbers, class indices.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::Error;

/// Class names in the order of their indices; evaluators that are to be merged share them.
pub(crate) type Names = Arc<[String]>;

/// Checks that there is at least one name and no two are equal.
pub(crate) fn unique_names(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Names, Error> {
    let names: Names = names.into_iter().map(Into::into).collect();
    if names.is_empty() {
        return Err(Error::value("the number of classes", 0, "at least one"));
    }
    let mut unique = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !unique.insert(name.as_str())) {
        Some(name) => Err(Error::Repeated { what: "class", key: format!("{name:?}") }),
        None => Ok(names),
    }
}

/// The position of each id; `what` the ids are of: "image", "category".
pub(crate) fn positions(what: &'static str, ids: impl Iterator<Item = u64>) -> Result<HashMap<u64, usize>, Error> {
    let mut positions = HashMap::with_capacity(ids.size_hint().0);
    for (position, id) in ids.enumerate() {
        if positions.insert(id, position).is_some() {
            return Err(Error::Repeated { what, key: id.to_string() });
        }
    }
    Ok(positions)
}

/// Checks that all values of a field are finite.
pub(crate) fn finite(field: &str, values: &[f64]) -> Result<(), Error> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::value(field, value, "a finite number")),
        None => Ok(()),
    }
}

/// Checks that a class index is below the number of classes.
pub(crate) fn class_index(class: usize, classes: usize) -> Result<(), Error> {
    if class < classes { Ok(()) } else { Err(Error::value("the class", class, format!("an index below {classes}"))) }
}
