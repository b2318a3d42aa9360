//! The report of a check, as written to JSON.

use serde::{Deserialize, Serialize};

use super::finding::{CheckFinding, Kind, Severity};
use super::histogram::{BoxSizes, ImageSizes};
use super::tally::Tally;

/// How often a kind was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindCount {
    /// The kind.
    pub kind: Kind,
    /// How serious it is.
    pub severity: Severity,
    /// How often it was found.
    pub count: usize,
    /// How many of these [`CheckReport::findings`] lists.
    pub listed: usize,
}

/// How many images have each trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// One channel.
    pub grey: usize,
    /// CMYK.
    pub cmyk: usize,
    /// More than eight bits per channel.
    pub deep: usize,
    /// A channel or a colour of transparency, which is dropped.
    pub alpha: usize,
    /// An EXIF orientation other than upright.
    pub turned: usize,
    /// Several images in the file.
    pub animated: usize,
}

/// A class and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// The class.
    pub name: String,
    /// Images with it.
    pub images: usize,
    /// Boxes, or pixels of masks; the same as `images` where images have one class each.
    pub instances: u64,
}

/// One split in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitReport {
    /// The split's name.
    pub name: String,
    /// Images in the split, without those whose annotations cannot be used.
    pub images: usize,
    /// Images that could be decoded.
    pub decoded: usize,
    /// Bytes of the image files that could be opened.
    pub bytes: u64,
    /// How many images have each trait.
    pub facts: Facts,
    /// Every class of the set, in the order of its indices.
    pub classes: Vec<ClassCount>,
    /// Sizes of the images that could be opened.
    pub image_sizes: Option<ImageSizes>,
    /// Sizes of the boxes, where there are any.
    pub box_sizes: Option<BoxSizes>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckReport {
    /// The splits, in the order given.
    pub splits: Vec<SplitReport>,
    /// Every kind that was found, errors first.
    pub kinds: Vec<KindCount>,
    /// The first findings of each kind, in the order of `kinds`, then of splits and records.
    pub findings: Vec<CheckFinding>,
}

impl CheckReport {
    pub(super) fn new(splits: Vec<SplitReport>, tally: Tally) -> CheckReport {
        let mut report = CheckReport { splits, kinds: Vec::new(), findings: Vec::new() };
        for (kind, met) in tally.into_kinds() {
            let listed = met.listed.len();
            report.kinds.push(KindCount { kind, severity: kind.severity(), count: met.count, listed });
            report.findings.extend(met.listed);
        }
        report
    }

    /// How often a kind was found.
    pub fn count(&self, kind: Kind) -> usize {
        self.kinds.iter().find(|met| met.kind == kind).map_or(0, |met| met.count)
    }

    /// How many findings are of this severity.
    pub fn total(&self, severity: Severity) -> usize {
        self.kinds.iter().filter(|met| met.severity == severity).map(|met| met.count).sum()
    }

    /// Whether there is a finding of severity [`Severity::Error`].
    pub fn has_errors(&self) -> bool {
        self.total(Severity::Error) > 0
    }
}
