//! Which training set a run was started on.

use datasets::Dataset;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

use super::manifest::hex;

/// Identifies a training set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataIdentity {
    /// How many samples there are.
    pub samples: usize,
    /// SHA-256 of the samples' files in their order, as named below the data's root.
    pub files: String,
}

impl DataIdentity {
    /// The identity of these samples, whose files are below `root`.
    pub fn of(samples: &impl Dataset, root: &Path) -> Self {
        let mut hash = Sha256::new();
        for index in 0..samples.len() {
            let path = samples.path(index);
            hash.update(path.strip_prefix(root).unwrap_or(path).as_os_str().as_encoded_bytes());
            // No path contains this byte.
            hash.update([0]);
        }
        Self { samples: samples.len(), files: hex(&hash.finalize()) }
    }
}
