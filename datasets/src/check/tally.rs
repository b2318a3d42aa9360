//! Findings by kind: the first are listed, the others only counted.

use std::collections::BTreeMap;
use std::path::Path;

use super::finding::{CheckFinding, Kind};

/// The greatest limit of listed findings per kind, used until the check's own is known.
pub(super) const MAX_LISTED: usize = 1000;

#[derive(Debug, Clone)]
pub(super) struct Tally {
    limit: usize,
    kinds: BTreeMap<Kind, Found>,
}

/// How often a kind was found, and the first findings.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) count: usize,
    pub(super) listed: Vec<CheckFinding>,
}

impl Tally {
    pub(super) fn new(limit: usize) -> Tally {
        Tally { limit, kinds: BTreeMap::new() }
    }

    /// Adds a finding; its sentence is written only where it is listed.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        split: &str,
        file: &Path,
        place: Option<String>,
        sentence: impl FnOnce() -> String,
    ) {
        let met = self.kinds.entry(kind).or_default();
        met.count += 1;
        if met.listed.len() < self.limit {
            met.listed.push(CheckFinding {
                severity: kind.severity(),
                kind,
                split: split.to_owned(),
                file: file.to_path_buf(),
                place,
                sentence: sentence(),
            });
        }
    }

    /// Adds findings of which only the number is known.
    pub(super) fn add(&mut self, kind: Kind, count: usize) {
        self.kinds.entry(kind).or_default().count += count;
    }

    pub(super) fn merge(&mut self, other: Tally) {
        for (kind, found) in other.kinds {
            let met = self.kinds.entry(kind).or_default();
            met.count += found.count;
            let room = self.limit.saturating_sub(met.listed.len());
            met.listed.extend(found.listed.into_iter().take(room));
        }
    }

    /// Every kind that was found, the most serious first.
    pub(super) fn into_kinds(self) -> impl Iterator<Item = (Kind, Found)> {
        self.kinds.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_lists_up_to_its_limit_and_counts_the_rest() {
        let mut tally = Tally::new(3);
        for number in 0..2 {
            let mut part = Tally::new(3);
            for place in 0..4 {
                part.note(Kind::Copy, "train", Path::new("a.jpg"), None, || format!("{number}.{place}"));
            }
            tally.merge(part);
        }
        let (kind, met) = tally.into_kinds().next().expect("a kind");
        let sentences: Vec<_> = met.listed.iter().map(|finding| finding.sentence.as_str()).collect();
        assert_eq!((kind, met.count, sentences), (Kind::Copy, 8, vec!["0.0", "0.1", "0.2"]));
    }
}
