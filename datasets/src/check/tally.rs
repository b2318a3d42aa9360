//! Findings of which a kind lists only the first and counts the others.

use std::collections::BTreeMap;
use std::path::Path;

use super::report::{CheckFinding, Kind};

/// The greatest cap, which holds where the check's own is not known yet.
pub(super) const MOST_LISTED: usize = 1000;

#[derive(Debug, Clone)]
pub(super) struct Tally {
    cap: usize,
    kinds: BTreeMap<Kind, Met>,
}

/// How often a kind was met, and the first findings.
#[derive(Debug, Clone, Default)]
pub(super) struct Met {
    pub(super) count: usize,
    pub(super) listed: Vec<CheckFinding>,
}

impl Tally {
    pub(super) fn new(cap: usize) -> Tally {
        Tally { cap, kinds: BTreeMap::new() }
    }

    /// Notes a finding; its sentence is made only where it is listed.
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
        if met.listed.len() < self.cap {
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

    /// Counts what is known only by its number.
    pub(super) fn add(&mut self, kind: Kind, count: usize) {
        self.kinds.entry(kind).or_default().count += count;
    }

    pub(super) fn merge(&mut self, other: Tally) {
        for (kind, found) in other.kinds {
            let met = self.kinds.entry(kind).or_default();
            met.count += found.count;
            let room = self.cap.saturating_sub(met.listed.len());
            met.listed.extend(found.listed.into_iter().take(room));
        }
    }

    /// Every kind that was met, the gravest first.
    pub(super) fn into_kinds(self) -> impl Iterator<Item = (Kind, Met)> {
        self.kinds.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_lists_as_many_as_its_cap_and_counts_the_rest() {
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
