//! A run's state on disk: weights, their average, the optimiser, the random state and the position.
//!
//! A checkpoint is a folder `step-N` that is written aside, synced and renamed, and then never changed. Its manifest holds the
//! length and SHA-256 of each file, so that a damaged checkpoint is detected. The newest ones and the best one are kept; the
//! links `best` and `last` are for people.

use backbone::StateDict;
use backbone::checkpoint::{self, Metadata, file};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tch::Tensor;

use super::identity::DataIdentity;
use super::manifest::{MANIFEST, Manifest};
use super::position::{Position, Tally};
use super::shelf::{candidates, name, point, prune, remove, replace};
use crate::console;
use crate::failure::Failure;
use crate::files::{self, sync_folder};

const WEIGHTS: &str = "weights.safetensors";
const EMA: &str = "ema.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const GENERATOR: &str = "generator.";

/// What a checkpoint holds beside tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Where the run stands.
    pub position: Position,
    /// Results of the current epoch so far.
    pub tally: Tally,
    /// Images per step; the position counts batches of this size.
    pub batch_size: usize,
    /// Steps that the optimiser took.
    pub optimizer_steps: u64,
    /// Steps whose loss or gradient was not finite.
    pub not_finite: u64,
    /// Samples that could not be read.
    pub skipped: usize,
    /// Time of training before this point.
    pub elapsed: Duration,
    /// The training set.
    pub data: DataIdentity,
}

/// The contents of a checkpoint.
pub struct Contents<'a> {
    /// The network's weights and statistics.
    pub weights: &'a StateDict,
    /// Their average, where one is kept.
    pub ema: Option<&'a StateDict>,
    /// The optimiser's buffers.
    pub optimizer: StateDict,
    /// The states of the generators of all processes.
    pub generators: StateDict,
    /// The metadata of the weights.
    pub metadata: &'a Metadata,
    /// Position and time.
    pub state: &'a State,
}

/// An intact checkpoint on disk.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    state: State,
}

/// The newest intact checkpoint, and the damage of newer ones, a sentence each.
#[derive(Debug, Default)]
pub struct NewestCheckpoint {
    /// The checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The damage.
    pub damaged: Vec<String>,
}

impl Checkpoint {
    /// Writes `contents` as the checkpoint of their step, and removes checkpoints that are neither among the `keep` newest nor
    /// the best.
    ///
    /// # Errors
    /// When a file cannot be written; older checkpoints are intact then, and what was written of this one is removed.
    pub fn write(folder: &Path, contents: &Contents<'_>, keep: usize) -> Result<(), Failure> {
        let step = contents.state.position.step;
        let (place, aside) = (folder.join(name(step)), folder.join(format!(".{}.new", name(step))));
        let failed = |error: io::Error| Failure::cannot("write", &place, &error);
        remove(&aside).map_err(failed)?;
        let written = write_files(&aside, contents).and_then(|()| replace(&aside, &place).map_err(failed));
        if written.is_err() {
            // The first error is the one to report.
            let _ = remove(&aside);
        }
        written?;
        let best = contents.state.position.best.map(|best| best.step);
        for (link, step) in [("last", Some(step)), ("best", best)] {
            if let Some(step) = step {
                point(folder, link, &name(step)).map_err(failed)?;
            }
        }
        prune(folder, step, keep, best).map_err(failed)?;
        sync_folder(folder).map_err(failed)
    }

    /// The newest intact checkpoint in a run's folder of checkpoints.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn newest(folder: &Path) -> Result<NewestCheckpoint, Failure> {
        let mut found = NewestCheckpoint::default();
        for candidate in candidates(folder).map_err(|error| Failure::cannot("read", folder, &error))? {
            match Self::open(&candidate.path) {
                Ok(checkpoint) => {
                    found.checkpoint = Some(checkpoint);
                    break;
                }
                // A crash leaves these while a checkpoint is written or removed; they are not damage.
                Err(damage) if candidate.placed => found.damaged.push(damage),
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// The checkpoint that a run is judged by: its best, or its newest where no evaluation was made. None where nothing was
    /// trained yet.
    ///
    /// # Errors
    /// When the folder cannot be read, or the best checkpoint is damaged.
    pub fn best(folder: &Path) -> Result<Option<Self>, Failure> {
        let found = Self::newest(folder)?;
        let damage =
            || found.damaged.first().map(|damage| Failure::failed(format!("no trained weights are intact: {damage}")));
        let Some(newest) = found.checkpoint else { return damage().map_or(Ok(None), Err) };
        match newest.state.position.best {
            Some(best) if best.step != newest.state.position.step => {
                let path = folder.join(name(best.step));
                Self::open(&path).map(Some).map_err(|damage| {
                    let last = newest.weights_file().display().to_string();
                    Failure::failed(format!("the best checkpoint is damaged: {damage}"))
                        .hint(format!("The newest one is intact: use its weights with --weights {last}"))
                })
            }
            None if newest.state.position.step == 0 => damage().map_or(Ok(None), Err),
            _ => {
                for damage in &found.damaged {
                    console::warning(format!("{damage}; using step {} instead", newest.state.position.step));
                }
                Ok(Some(newest))
            }
        }
    }

    /// Opens a checkpoint, every file of it read and compared with its manifest; the error is the damage.
    fn open(folder: &Path) -> Result<Self, String> {
        Manifest::read(folder)?.check(folder)?;
        let path = folder.join(STATE);
        let text = files::read_text(&path).map_err(|failure| failure.to_string())?;
        let state = serde_json::from_str(&text).map_err(|error| format!("{} is damaged: {error}", path.display()))?;
        Ok(Self { folder: folder.to_owned(), state })
    }

    /// Renames a checkpoint that a crash left under a temporary name. Only for the process that holds the lock of the run.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn settle(self) -> Result<Self, Failure> {
        let place = self.folder.with_file_name(name(self.state.position.step));
        if self.folder != place {
            replace(&self.folder, &place).map_err(|error| Failure::cannot("write", &place, &error))?;
        }
        Ok(Self { folder: place, ..self })
    }

    /// Position and time.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The network's weights.
    ///
    /// # Errors
    /// When the file is not readable.
    pub fn weights(&self) -> Result<checkpoint::Checkpoint, Failure> {
        checkpoint::read(&self.folder.join(WEIGHTS)).map_err(Failure::failed)
    }

    /// The average of the weights, where one was kept.
    ///
    /// # Errors
    /// When the file is not readable.
    pub fn ema(&self) -> Result<Option<checkpoint::Checkpoint>, Failure> {
        let path = self.folder.join(EMA);
        path.is_file().then(|| checkpoint::read(&path).map_err(Failure::failed)).transpose()
    }

    /// The file of the weights to use: the average where one was kept.
    pub fn weights_file(&self) -> PathBuf {
        let ema = self.folder.join(EMA);
        if ema.is_file() { ema } else { self.folder.join(WEIGHTS) }
    }

    /// The optimiser's buffers, and the states of the generators.
    ///
    /// # Errors
    /// When the file is not readable.
    pub fn optimizer(&self) -> Result<(StateDict, StateDict), Failure> {
        let (tensors, _) = file::read(&self.folder.join(OPTIMIZER))?;
        let (mut buffers, mut generators) = (StateDict::new(), StateDict::new());
        for (name, tensor) in tensors {
            match name.strip_prefix(GENERATOR) {
                Some(generator) => generators.insert(generator.to_owned(), tensor),
                None => buffers.insert(name, tensor),
            };
        }
        Ok((buffers, generators))
    }
}

/// Writes all files, the manifest last.
fn write_files(folder: &Path, contents: &Contents<'_>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::cannot("write", folder, &error);
    files::create_folder(folder)?;
    let copy = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.shallow_clone());
    let mut buffers: StateDict = contents.optimizer.iter().map(copy).collect();
    buffers.extend(contents.generators.iter().map(copy).map(|(name, state)| (format!("{GENERATOR}{name}"), state)));
    checkpoint::write(&folder.join(WEIGHTS), contents.weights, contents.metadata)?;
    if let Some(ema) = contents.ema {
        checkpoint::write(&folder.join(EMA), ema, contents.metadata)?;
    }
    file::write(&folder.join(OPTIMIZER), &buffers, &file::Text::new())?;
    let state = serde_json::to_string_pretty(contents.state)?;
    files::write(&folder.join(STATE), state.as_bytes())?;
    let manifest = Manifest::of(folder).map_err(failed)?;
    let manifest = serde_json::to_string_pretty(&manifest)?;
    Ok(files::write(&folder.join(MANIFEST), manifest.as_bytes())?)
}
