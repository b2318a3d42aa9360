//! What was taken for what: counts of (truth, predicted) pairs of classes.

use std::collections::BTreeMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// Counts of (truth, predicted) class pairs, rows the truth.
///
/// Pairs that never occur take no room, so 1000 classes weigh what was confused and not a million cells. Serialises as the
/// list of `[truth, predicted, count]` of the pairs that occur, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfusionMatrix {
    counts: BTreeMap<(usize, usize), u64>,
}

/// One of the most frequent confusions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfusedPair {
    /// The true class's name.
    pub truth: String,
    /// The name of the class it was taken for.
    pub predicted: String,
    /// How often, in images or pixels.
    pub count: u64,
    /// How often of all that is truly of that class, from 0 to 1.
    pub share: f64,
}

impl ConfusionMatrix {
    /// Counts `count` cases of `truth` taken for `predicted`.
    pub(crate) fn add(&mut self, truth: usize, predicted: usize, count: u64) {
        if count > 0 {
            *self.counts.entry((truth, predicted)).or_default() += count;
        }
    }

    pub(crate) fn merge(&mut self, other: &ConfusionMatrix) {
        for (truth, predicted, count) in other.cells() {
            self.add(truth, predicted, count);
        }
    }

    /// How often `truth` was taken for `predicted`.
    pub fn get(&self, truth: usize, predicted: usize) -> u64 {
        self.counts.get(&(truth, predicted)).copied().unwrap_or(0)
    }

    /// The pairs that occur as (truth, predicted, count), by truth and then by prediction.
    pub fn cells(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.counts.iter().map(|(&(truth, predicted), &count)| (truth, predicted, count))
    }

    /// Of each of the classes: how many are truly of it, were taken for it, and both.
    pub(crate) fn totals(&self, classes: usize) -> Vec<Totals> {
        let mut totals = vec![Totals::default(); classes];
        for (truth, predicted, count) in self.cells() {
            totals[truth].truth += count;
            totals[predicted].predicted += count;
            if truth == predicted {
                totals[truth].correct += count;
            }
        }
        totals
    }

    /// The most frequent confusions; equal counts in the order of the classes.
    pub(crate) fn most_confused(&self, names: &[String], limit: usize) -> Vec<ConfusedPair> {
        let totals = self.totals(names.len());
        let mut wrong: Vec<_> = self.cells().filter(|(truth, predicted, _)| truth != predicted).collect();
        wrong.sort_by_key(|&(truth, predicted, count)| (std::cmp::Reverse(count), truth, predicted));
        let pair = |&(truth, predicted, count): &(usize, usize, u64)| ConfusedPair {
            truth: names[truth].clone(),
            predicted: names[predicted].clone(),
            count,
            share: count as f64 / totals[truth].truth as f64,
        };
        wrong.iter().take(limit).map(pair).collect()
    }
}

impl Serialize for ConfusionMatrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut cells = serializer.serialize_seq(Some(self.counts.len()))?;
        for cell in self.cells() {
            cells.serialize_element(&cell)?;
        }
        cells.end()
    }
}

/// A class's row, column and diagonal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) truth: u64,
    pub(crate) predicted: u64,
    pub(crate) correct: u64,
}

impl Totals {
    /// Counts another row, column and diagonal `times` times.
    pub(crate) fn add(&mut self, other: Totals, times: u64) {
        self.truth += times * other.truth;
        self.predicted += times * other.predicted;
        self.correct += times * other.correct;
    }

    /// Truly of the class, taken for it, or both.
    pub(crate) fn union(self) -> u64 {
        self.truth + self.predicted - self.correct
    }
}
