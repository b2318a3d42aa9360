//! A run's state on disk: weights, their average, the optimiser, the random state and the position.
//!
//! A checkpoint is a folder. It is written aside and synced, the one before is moved away, the new one takes its name, and
//! then the old one goes: at every moment one whole checkpoint stands under its own name or the name that [`Checkpoint::find`]
//! looks for next.

use backbone::StateDict;
use backbone::checkpoint::{self, Metadata, file};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tch::Device;
use tch_ext::rng;

use super::progress::Position;
use crate::failure::Failure;
use crate::run_folder::write_whole;

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
    /// Steps that the optimiser took.
    pub optimizer_steps: u64,
    /// Time of training before this point.
    pub elapsed: Duration,
}

/// What a checkpoint is made of.
pub struct Contents<'a> {
    /// The network's weights and statistics.
    pub weights: &'a StateDict,
    /// Their average, where one is kept.
    pub ema: Option<&'a StateDict>,
    /// The optimiser's buffers.
    pub optimizer: StateDict,
    /// What the weights are.
    pub metadata: &'a Metadata,
    /// Position and time.
    pub state: &'a State,
    /// Where training runs, for its random state.
    pub device: Device,
}

/// A checkpoint on disk.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    folder: PathBuf,
}

impl Checkpoint {
    /// Writes `contents` as `folder/name`, replacing the one before.
    ///
    /// # Errors
    /// When a file cannot be written; the checkpoint before is intact then.
    pub fn write(folder: &Path, name: &str, contents: &Contents<'_>) -> Result<Self, Failure> {
        let (aside, old) = (folder.join(format!(".{name}.new")), folder.join(format!(".{name}.old")));
        let place = folder.join(name);
        let failed = |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", place.display()));
        remove(&aside).map_err(failed)?;
        fs::create_dir_all(&aside).map_err(failed)?;
        checkpoint::write(&aside.join(WEIGHTS), contents.weights, contents.metadata).map_err(Failure::failed)?;
        if let Some(ema) = contents.ema {
            checkpoint::write(&aside.join(EMA), ema, contents.metadata).map_err(Failure::failed)?;
        }
        let mut buffers: StateDict =
            contents.optimizer.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        for device in generators(contents.device) {
            buffers.insert(generator_key(device), rng::state(device).map_err(Failure::failed)?);
        }
        file::write(&aside.join(OPTIMIZER), &buffers, &file::Text::new()).map_err(Failure::failed)?;
        let state = serde_json::to_string_pretty(contents.state).map_err(Failure::failed)?;
        write_whole(&aside.join(STATE), state.as_bytes())?;
        remove(&old).map_err(failed)?;
        if place.exists() {
            fs::rename(&place, &old).map_err(failed)?;
        }
        fs::rename(&aside, &place).map_err(failed)?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        remove(&old).map_err(failed)?;
        Ok(Self { folder: place })
    }

    /// The whole checkpoint of that name, or what a crash left of replacing it.
    pub fn find(folder: &Path, name: &str) -> Option<Self> {
        [name.to_owned(), format!(".{name}.new"), format!(".{name}.old")]
            .into_iter()
            .map(|name| Self { folder: folder.join(name) })
            .find(|checkpoint| checkpoint.folder.join(STATE).is_file())
    }

    /// Position and time.
    ///
    /// # Errors
    /// When the file is not readable.
    pub fn state(&self) -> Result<State, Failure> {
        let path = self.folder.join(STATE);
        let text =
            fs::read_to_string(&path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        serde_json::from_str(&text).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
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

    /// The weights to use: the average where one was kept.
    pub fn best_weights(&self) -> PathBuf {
        let ema = self.folder.join(EMA);
        if ema.is_file() { ema } else { self.folder.join(WEIGHTS) }
    }

    /// The optimiser's buffers. The random state that was saved with them becomes libtorch's.
    ///
    /// # Errors
    /// When the file is not readable, or holds no random state for `device`.
    pub fn restore_optimizer(&self, device: Device) -> Result<StateDict, Failure> {
        let path = self.folder.join(OPTIMIZER);
        let (mut buffers, _) = file::read(&path).map_err(Failure::failed)?;
        for device in generators(device) {
            if let Some(state) = buffers.get(&generator_key(device)) {
                rng::set_state(device, state).map_err(Failure::failed)?;
            }
        }
        buffers.retain(|name, _| !name.starts_with(GENERATOR));
        Ok(buffers)
    }
}

/// The generators that training on `device` draws from.
fn generators(device: Device) -> Vec<Device> {
    if device == Device::Cpu { vec![device] } else { vec![Device::Cpu, device] }
}

fn generator_key(device: Device) -> String {
    match device {
        Device::Cpu => format!("{GENERATOR}cpu"),
        _ => format!("{GENERATOR}device"),
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
