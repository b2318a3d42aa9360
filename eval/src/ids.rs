//! Ids by which files name images and classes.

use std::collections::HashMap;

use crate::Error;

/// Where each id stands; a repeated one is an error.
pub(crate) fn positions(
    ids: impl Iterator<Item = u64>,
    repeated: fn(u64) -> Error,
) -> Result<HashMap<u64, usize>, Error> {
    let mut positions = HashMap::with_capacity(ids.size_hint().0);
    for (position, id) in ids.enumerate() {
        if positions.insert(id, position).is_some() {
            return Err(repeated(id));
        }
    }
    Ok(positions)
}
