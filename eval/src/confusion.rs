//! Counts of (true, predicted) pairs of classes.

use std::collections::BTreeMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// Counts of (true, predicted) class pairs; rows are the truth.
///
/// Only pairs that occur take memory: 1000 classes do not need a million cells. Serialises as the list of
/// `[truth, predicted, count]` of the pairs that occur, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfusionMatrix {
    counts: BTreeMap<(usize, usize), u64>,
}

/// One of the most frequent confusions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfusedPair {
    /// The true class's name.
    pub truth: String,
    /// The predicted class's name.
    pub predicted: String,
    /// How often, in images or pixels.
    pub count: u64,
    /// The share of everything that is truly of that class, from 0 to 1.
    pub share: f64,
}

impl ConfusionMatrix {
    /// Adds `count` cases of `truth` predicted as `predicted`.
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

    /// How often `truth` is predicted as `predicted`.
    pub fn get(&self, truth: usize, predicted: usize) -> u64 {
        self.counts.get(&(truth, predicted)).copied().unwrap_or(0)
    }

    /// The pairs that occur as (truth, predicted, count), by truth and then by prediction.
    pub fn cells(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.counts.iter().map(|(&(truth, predicted), &count)| (truth, predicted, count))
    }

    /// The totals of each class.
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

    /// The most frequent confusions; equal counts are in the order of the classes.
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

/// Sums of a class's row, column and diagonal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) truth: u64,
    pub(crate) predicted: u64,
    pub(crate) correct: u64,
}

impl Totals {
    /// Adds other totals, multiplied by `times`.
    pub(crate) fn add(&mut self, other: Totals, times: u64) {
        self.truth += times * other.truth;
        self.predicted += times * other.predicted;
        self.correct += times * other.correct;
    }

    /// How many are of the class in truth, prediction or both.
    pub(crate) fn union(self) -> u64 {
        self.truth + self.predicted - self.correct
    }
}
