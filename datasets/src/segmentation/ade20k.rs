//! ADE20K's scene parsing benchmark (`ADEChallengeData2016`): 150 classes, id 0 for everything else.

use std::collections::BTreeMap;
use std::path::Path;

use super::pairs::{self, PairOptions};
use super::{SegmentationSet, Unmapped};
use crate::{Error, ErrorHandler};

/// The index of pixels that belong to none of the 150 classes.
pub const IGNORE: u8 = 255;

/// The first name of each class, in the order of `objectInfo150.txt`.
pub fn classes() -> Vec<String> {
    include_str!("ade20k_classes.txt").lines().map(str::to_owned).collect()
}

/// Reads `images/<split>` and `annotations/<split>` under `root`; the splits are `training` and `validation`.
///
/// An id `k` from 1 to 150 is class `k - 1`; 0 is ignored. `names` replaces the classes' names.
///
/// # Errors
/// As for [`pairs::read`].
pub fn read(root: &Path, split: &str, names: Option<&[String]>) -> Result<SegmentationSet, Error> {
    read_with(root, split, names, &mut Err)
}

/// As [`read`], with `on_error` as in [`pairs::read_with`].
///
/// # Errors
/// As for [`pairs::read_with`].
pub fn read_with(
    root: &Path,
    split: &str,
    names: Option<&[String]>,
    on_error: ErrorHandler<'_>,
) -> Result<SegmentationSet, Error> {
    let classes = names.map_or_else(classes, <[String]>::to_vec);
    let shifted = (1u16..).zip(0u8..IGNORE).take(classes.len());
    let ids: BTreeMap<u16, u8> = shifted.chain([(0, IGNORE)]).collect();
    let options = PairOptions { classes, ignore: IGNORE, ids, unmapped: Unmapped::Error, ..PairOptions::default() };
    pairs::read_with(&root.join("images").join(split), &root.join("annotations").join(split), None, &options, on_error)
}
