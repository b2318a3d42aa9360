//! Reads the sets of every task: checks that they exist, what to do with damaged records, and that the classes agree.

use datasets::survey::{Surveyed, survey};
use datasets::{Checked, Class, ErrorHandler, Findings, OnError, PixelOptions, Split};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Train;
use crate::config::{Config, DataConfig, Keys};
use crate::console::{self, SharedProgress};
use crate::failure::Failure;

/// The samples of a set, with what is known before they are decoded.
pub struct Data<D> {
    /// The samples.
    pub samples: Arc<D>,
    /// The classes, in the order of the indices that the samples carry.
    pub classes: Vec<Class>,
    /// What is unusual in the set and how it is handled, a sentence each.
    pub findings: Vec<String>,
}

/// The keys under `data.train` and `data.val`: a set on disk.
pub trait Source {
    /// The annotations in memory.
    type Set: AnnotatedSet;

    /// The files and folders that must exist.
    fn paths(&self, root: &Path) -> Vec<PathBuf>;

    /// Where to put the data, as a sentence without its full stop.
    fn layout_hint(&self, root: &Path) -> String;

    /// Reads the annotations. The classes are `classes` where the format leaves the choice; images whose size only the files say
    /// are measured as `pixels` has it; `on_error` decides about records that cannot be used.
    ///
    /// # Errors
    /// When the set cannot be read, or `on_error` returns an error.
    fn read(
        &self,
        root: &Path,
        classes: Option<&[Class]>,
        pixels: &PixelOptions,
        on_error: ErrorHandler<'_>,
    ) -> Result<Self::Set, datasets::Error>;
}

/// Annotations in memory.
pub trait AnnotatedSet: Surveyed + Clone {
    /// The classes, in the order of their indices.
    fn classes(&self) -> &[Class];

    /// What is unusual in the set.
    fn findings(&self) -> &Findings;

    /// What each record is made of.
    fn members(&self) -> Vec<Member>;

    /// The set as `data check` takes it.
    fn checked(self) -> Checked;

    /// The set in what [`AnnotatedSet::checked`] made of it.
    fn of(checked: &Checked) -> Option<&Self>;
}

/// An image of a set, for dividing the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The image file.
    pub image: PathBuf,
    /// The mask file.
    pub mask: Option<PathBuf>,
    /// The image's class, or the rarest of its objects.
    pub class: Option<usize>,
    /// The name of the image's class, where it has one.
    pub label: Option<String>,
}

impl<D> Data<D> {
    /// Warns of everything that is unusual in the set, which is called `name`.
    pub fn warn(&self, name: &str) {
        for finding in &self.findings {
            console::warning(format!("{name}: {finding}"));
        }
    }
}

/// Warns of everything that is unusual in a set called `name`.
pub fn warn_findings(name: &str, findings: &Findings) {
    for finding in sentences(findings) {
        console::warning(format!("{name}: {finding}"));
    }
}

/// What a set is for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    Training,
    Validation,
}

/// Reads and surveys the set at `source`, whose classes must be `classes` where they are given, and makes samples of it.
pub(super) fn read<K: Keys<Source: Source>, D>(
    config: &Config<K>,
    (purpose, source): (Purpose, &K::Source),
    classes: Option<&[Class]>,
    samples: impl FnOnce(SetOf<K>) -> Result<D, Failure>,
) -> Result<Data<D>, Failure> {
    let (root, pixels) = (&config.data.root, config.pixels());
    require(source, root)?;
    let set = read_with_policy(config.data.on_error, |on_error| {
        let mut set = source.read(root, classes, &pixels, on_error)?;
        match (purpose, config.data.on_error) {
            // In validation such an image counts as one without predictions, so that leaving it out does not raise a score.
            (Purpose::Validation, OnError::Skip) => drop(surveyed(&mut set, &pixels, &mut |_| Ok(()))?),
            _ => {
                let unusable = surveyed(&mut set, &pixels, on_error)?;
                set.leave_out(&unusable);
            }
        }
        Ok(set)
    })?;
    if let Some(trained) = classes.filter(|trained| *trained != set.classes()) {
        return Err(differing_classes(set.classes(), trained));
    }
    let (classes, findings) = (set.classes().to_vec(), sentences(set.findings()));
    Ok(Data { samples: Arc::new(samples(set)?), classes, findings })
}

fn surveyed(
    set: &mut impl AnnotatedSet,
    pixels: &PixelOptions,
    on_error: ErrorHandler<'_>,
) -> Result<Vec<bool>, datasets::Error> {
    let progress = SharedProgress::new("reading headers", set.images() as u64);
    survey(set, pixels, on_error, &|| progress.advance())
}

/// The set that a configuration's sources give.
pub(super) type SetOf<K> = <<K as Keys>::Source as Source>::Set;

/// Reads the training and the validation set for a check, past every record that cannot be used. The classes of the first
/// are those of both.
///
/// # Errors
/// When a set does not exist.
pub fn read_splits<K: Keys<Source: Source>>(config: &Config<K>) -> Result<[Split; 2], Failure> {
    let DataConfig { root, train, val, .. } = &config.data;
    require(train, root)?;
    require(val, root)?;
    let pixels = config.pixels();
    let train = Split::read("train", |on_error| train.read(root, None, &pixels, on_error).map(AnnotatedSet::checked));
    let val =
        Split::read("val", |on_error| val.read(root, train.classes(), &pixels, on_error).map(AnnotatedSet::checked));
    Ok([train, val])
}

/// The samples of a training set that was read for a check, whose copy they keep, without the records that training cannot use.
///
/// # Errors
/// When the set could not be read, or the configuration does not fit it.
pub fn training_data_of<T: Train>(config: &Config<T::Keys>, split: &Split) -> Result<Data<T::Dataset>, Failure> {
    let set = split.set().and_then(SetOf::<T::Keys>::of);
    let mut set = set.ok_or_else(|| Failure::failed("the training set cannot be read"))?.clone();
    let unusable = surveyed(&mut set, &config.pixels(), &mut |_| Ok(()))?;
    set.leave_out(&unusable);
    let (classes, findings) = (set.classes().to_vec(), sentences(set.findings()));
    Ok(Data { samples: Arc::new(T::training_samples(config, set)?), classes, findings })
}

/// Fails with where to put the data, unless it exists.
fn require(source: &impl Source, root: &Path) -> Result<(), Failure> {
    let Some(missing) = source.paths(root).into_iter().find(|path| !path.exists()) else { return Ok(()) };
    Err(Failure::failed(format!("cannot find the data: {} does not exist", missing.display())).hint(format!(
        "{}, or name another folder with --set data.root=FOLDER; `make demo` shows everything working without a data set.",
        source.layout_hint(root)
    )))
}

fn differing_classes(found: &[Class], trained: &[Class]) -> Failure {
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

/// A folder below `root`, without the slash that joining an empty path adds.
pub(super) fn below(root: &Path, folder: &Path) -> PathBuf {
    root.join(folder).components().collect()
}

/// Records that cannot be used and are listed one by one.
const MAX_LISTED: usize = 5;

/// Reads a set with `data.on_error` for records that cannot be used: the first ends the reading, or all are left out with a
/// warning.
fn read_with_policy<S>(
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

/// What is unusual in a set, a sentence each.
fn sentences(findings: &Findings) -> Vec<String> {
    findings.to_string().lines().map(str::to_owned).collect()
}
