//! Weights in several files: an index beside them says which tensor is in which
//! (`model.safetensors.index.json`, `pytorch_model.bin.index.json`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::error::Error;

/// Indexes of the largest models have a few megabytes.
const MAX_INDEX_BYTES: u64 = 100_000_000;
/// How the index begins, in some order of its two keys.
const START: usize = 4096;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files to read for the weights at `path`: those that it lists if it is an index, else the path itself.
///
/// # Errors
/// An index that cannot be read or whose files are not beside it; a part that is given without its index.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let not_weights = |reason| Error::NotWeights { path: path.to_owned(), reason };
    let Some(index) = index(path)? else {
        return match part_of_several(path) {
            Some(reason) => Err(not_weights(reason)),
            None => Ok(vec![path.to_owned()]),
        };
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let file = |name: String| {
        let plain = Path::new(&name).file_name().is_some_and(|only| only == name.as_str());
        match (plain, folder.join(&name)) {
            (true, file) if file.is_file() => Ok(file),
            (true, _) => Err(not_weights(format!("it is the index of several files, but {name} is not beside it"))),
            (false, _) => {
                Err(not_weights(format!("it is the index of several files, but {name:?} is not a name of one")))
            }
        }
    };
    names.into_iter().map(file).collect()
}

fn index(path: &Path) -> Result<Option<Index>, Error> {
    let io = |cause| Error::Io { action: "read", path: path.to_owned(), cause };
    if path.is_dir() {
        return Ok(None);
    }
    let mut file = File::open(path).map_err(io)?;
    let mut start = [0; START];
    let length = file.read(&mut start).map_err(io)?;
    let start = String::from_utf8_lossy(&start[..length]);
    if !start.trim_start().starts_with('{') || !(start.contains("\"weight_map\"") || start.contains("\"metadata\"")) {
        return Ok(None);
    }
    file.rewind().map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_INDEX_BYTES).read_to_end(&mut bytes).map_err(io)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

/// What a name such as `model-00001-of-00002.safetensors` means.
fn part_of_several(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (stem, ending) = name.rsplit_once('.')?;
    let (before, count) = stem.rsplit_once("-of-")?;
    let (base, number) = before.rsplit_once('-')?;
    let (number, count): (u32, u32) = (number.parse().ok()?, count.parse().ok()?);
    (count > 1)
        .then(|| format!("it is part {number} of {count} of the weights: name their index, {base}.{ending}.index.json"))
}
