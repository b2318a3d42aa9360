//! What became of the tensors of a checkpoint.

use std::fmt::{self, Display};

/// Names listed by [`LoadReport`]'s text for each kind of difference.
const MAX_LISTED_NAMES: usize = 8;

/// What became of the tensors of a checkpoint, each list in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// Variables that took a tensor.
    pub loaded: Vec<String>,
    /// Variables that the checkpoint does not have, and their shapes.
    pub missing: Vec<(String, Vec<i64>)>,
    /// Tensors that the network does not have, and their shapes.
    pub unexpected: Vec<(String, Vec<i64>)>,
    /// Variables whose tensor has another shape.
    pub mismatched: Vec<Mismatch>,
}

/// One name, two shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The name.
    pub name: String,
    /// The network's shape.
    pub expected: Vec<i64>,
    /// The checkpoint's shape.
    pub found: Vec<i64>,
}

impl LoadReport {
    /// Whether every variable and every tensor found its counterpart.
    pub fn is_exact(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }
}

impl Display for LoadReport {
    /// What did not fit, by name and shape; at most eight of each kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |(name, shape): &(String, Vec<i64>)| format!("{name} {shape:?}");
        let differing =
            |Mismatch { name, expected, found }: &Mismatch| format!("{name} {found:?} instead of {expected:?}");
        let parts = [
            ("missing", self.missing.iter().map(named).collect::<Vec<_>>()),
            ("unexpected", self.unexpected.iter().map(named).collect()),
            ("of another shape", self.mismatched.iter().map(differing).collect()),
        ];
        let mut separator = "";
        for (what, names) in parts.iter().filter(|(_, names)| !names.is_empty()) {
            let listed = &names[..names.len().min(MAX_LISTED_NAMES)];
            let end = if listed.len() < names.len() { ", ...)" } else { ")" };
            write!(f, "{separator}{} {what} ({}{end}", names.len(), listed.join(", "))?;
            separator = "; ";
        }
        if separator.is_empty() { f.write_str("everything fits") } else { Ok(()) }
    }
}
