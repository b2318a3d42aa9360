//! Naming schemes of checkpoints, and where in a file the network is.

use std::fmt::{self, Display};

/// The prefix of the backbone's keys in a detector or segmenter.
pub const BACKBONE: &str = "backbone.";
/// The prefix of the keys of a classifier's linear layer.
pub const CLASSIFIER: &str = "linear.";

/// The naming scheme of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// This crate's, identified by its metadata. The backbone's names are Apple's.
    Own,
    /// `apple/ml-mobileone`.
    Apple,
    /// timm's `byobnet`.
    Timm,
    /// OpenMMLab's (mmpretrain). It is read only.
    OpenMmlab,
    /// Those that a network of another publication has in timm or torchvision.
    Published,
    /// No names of a network that is known.
    Other,
}

impl Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Apple => "Apple's",
            Self::Timm => "timm's",
            Self::OpenMmlab => "OpenMMLab's",
            Self::Published => "timm's or torchvision's",
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

/// The convolution of the stem that every network has in train or deploy form, in each naming scheme.
const STEMS: [(&str, Layout); 10] = [
    ("stage0.rbr_conv.0.conv.weight", Layout::Apple),
    ("stage0.reparam_conv.weight", Layout::Apple),
    ("stem.conv_kxk.0.conv.weight", Layout::Timm),
    ("stem.reparam_conv.weight", Layout::Timm),
    ("stage0.branch_conv_list.0.conv.weight", Layout::OpenMmlab),
    ("stage0.branch_reparam.weight", Layout::OpenMmlab),
    ("conv_stem.weight", Layout::Published),
    ("stem.conv_kxk.conv.weight", Layout::Published),
    ("stem.conv.weight", Layout::Published),
    ("conv1.0.weight", Layout::Published),
];

impl Place {
    /// Every network among these names, in their order. A network below [`BACKBONE`] belongs to a detector, a segmenter or one of
    /// OpenMMLab's classifiers, whose place is returned.
    pub fn all<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Self> {
        names.filter_map(|name| Self::of_stem(name)).collect()
    }

    fn of_stem(name: &str) -> Option<Self> {
        let (before, layout) = STEMS.iter().find_map(|(stem, layout)| Some((name.strip_suffix(stem)?, *layout)))?;
        let prefix = before
            .strip_suffix(BACKBONE)
            .filter(|_| !matches!(layout, Layout::Timm | Layout::Published))
            .unwrap_or(before);
        (prefix.is_empty() || prefix.ends_with('.')).then(|| Self { prefix: prefix.to_owned(), layout })
    }

    /// The prefix as a key of nested dictionaries: without the last dot; `.` for the root.
    pub fn key(&self) -> &str {
        key(&self.prefix)
    }
}

pub(super) fn key(prefix: &str) -> &str {
    if prefix.is_empty() { "." } else { prefix.trim_end_matches('.') }
}
