//! Evaluators of two parts of a set, merged.

/// The first merged with the second, and the second with the first.
pub fn both_ways<E: Clone>(
    first: &E,
    second: &E,
    merge: fn(&mut E, &E) -> Result<(), eval::Error>,
) -> Result<[E; 2], eval::Error> {
    let (mut forward, mut backward) = (first.clone(), second.clone());
    merge(&mut forward, second)?;
    merge(&mut backward, first)?;
    Ok([forward, backward])
}
