//! Naming schemes of checkpoints, and where in a file the network is.

use std::fmt::{self, Display};

/// The prefix of the backbone's keys in a detector or segmenter.
pub const BACKBONE: &str = "backbone.";

/// The naming scheme of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// This crate's, identified by its metadata. The backbone's names are Apple's.
    Own,
    /// `apple/ml-mobileone`.
    Apple,
    /// timm's `byobnet`.
    Timm,
    /// No names of a MobileOne.
    Other,
}

impl Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Apple => "Apple's",
            Self::Timm => "timm's",
            Self::Other => "unknown",
        })
    }
}

/// Where in a file the network's tensors are, and their naming scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Prefix of every name: `state_dict.`, `module.` (`DistributedDataParallel`), usually empty.
    pub prefix: String,
    /// The naming scheme after the prefix.
    pub layout: Layout,
}

impl Place {
    /// Finds the network by the layer that every MobileOne has. A network below [`BACKBONE`] belongs to a detector or segmenter, whose
    /// place is returned. Of several, for example weights and their average, the one at the root comes first, then the one in
    /// `state_dict`, then the first by name.
    pub fn find<'a>(names: impl Iterator<Item = &'a String>) -> Option<Self> {
        let places = names.filter_map(|name| Self::of_stem(name));
        places.min_by_key(|place| {
            (!place.prefix.is_empty(), !place.prefix.starts_with("state_dict."), place.prefix.clone())
        })
    }

    fn of_stem(name: &str) -> Option<Self> {
        let parts = ["rbr_conv.0.conv.weight", "conv_kxk.0.conv.weight", "reparam_conv.weight"];
        let layer = parts.iter().find_map(|part| name.strip_suffix(part))?;
        let stems = [("stage0.", Layout::Apple), ("stem.", Layout::Timm)];
        let (before, layout) = stems.iter().find_map(|(stem, layout)| Some((layer.strip_suffix(stem)?, *layout)))?;
        let prefix = before.strip_suffix(BACKBONE).filter(|_| layout == Layout::Apple).unwrap_or(before);
        (prefix.is_empty() || prefix.ends_with('.')).then(|| Self { prefix: prefix.to_owned(), layout })
    }
}
