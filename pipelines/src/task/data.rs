//! What the tasks share in reading their sets.

use datasets::{Checked, Class, ErrorHandler, Findings, OnError, Split};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::console;
use crate::failure::Failure;

/// A set of samples as a stage needs it.
pub struct Data<D> {
    /// The samples.
    pub samples: Arc<D>,
    /// The classes, in the order of the indices that the samples carry.
    pub classes: Vec<Class>,
    /// What is odd in the set and how it is handled, a sentence each.
    pub findings: Vec<String>,
}

impl<D> Data<D> {
    /// Warns of everything that is odd in the set, which is called `name`.
    pub fn warn(&self, name: &str) {
        for finding in &self.findings {
            console::warning(format!("{name}: {finding}"));
        }
    }
}

/// Warns of everything that is odd in a set called `name`.
pub fn warn_findings(name: &str, findings: &Findings) {
    for finding in sentences(findings) {
        console::warning(format!("{name}: {finding}"));
    }
}

/// The error of a data set whose classes are not those that a network was trained for.
pub(super) fn differing_classes(found: &[Class], trained: &[Class]) -> Failure {
    let names = |classes: &[Class]| {
        let all: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        match all.len() {
            0..=20 => all.join(", "),
            count => format!("{count}: {}, ...", all[..20].join(", ")),
        }
    };
    Failure::failed(format!(
        "the validation set's classes ({}) are not those of the network ({})",
        names(found),
        names(trained)
    ))
}

/// A folder below `root`, without the slash that joining nothing adds.
pub(super) fn below(root: &Path, folder: &Path) -> PathBuf {
    root.join(folder).components().collect()
}

/// Records that cannot be used of which each is told.
const MAX_LISTED: usize = 5;

/// Reads a set with `data.on_error` for records that cannot be used: the first ends the reading, or all are left out and told.
pub(super) fn tolerate<S>(
    policy: OnError,
    read: impl FnOnce(ErrorHandler<'_>) -> Result<S, datasets::Error>,
) -> Result<S, datasets::Error> {
    if policy == OnError::Stop {
        return read(&mut Err);
    }
    let mut left_out = 0_usize;
    let set = read(&mut |error| {
        left_out += 1;
        if left_out <= MAX_LISTED {
            console::warning(format!("left out: {error}"));
        }
        Ok(())
    })?;
    if left_out > MAX_LISTED {
        console::warning(format!("{left_out} records in all cannot be used and are left out"));
    }
    Ok(set)
}

/// The training and the validation set of a check; the classes of the first are those of both.
pub(super) fn splits<S>(
    [train, val]: [&S; 2],
    read: impl Fn(&S, Option<&[Class]>, ErrorHandler<'_>) -> Result<Checked, datasets::Error>,
) -> [Split; 2] {
    let train = Split::read("train", |on_error| read(train, None, on_error));
    let val = Split::read("val", |on_error| read(val, train.classes(), on_error));
    [train, val]
}

/// What is odd in a set, a sentence each.
pub(super) fn sentences(findings: &Findings) -> Vec<String> {
    findings.to_string().lines().map(str::to_owned).collect()
}
