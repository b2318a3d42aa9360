//! What the processes of a job have in common in a run: rank 0 reads and writes, the others get its state.

use backbone::{Mode, StateDict, Together};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use tch::{Device, Kind, Tensor};
use tch_ext::distributed::{GradientKind, Group, Reducer, ReducerOptions, Reduction};
use tch_ext::foreach;

use super::Trainer;
use super::step::Losses;
use crate::config::{Auto, Precision, SyncBatchNorm, TrainConfig};
use crate::console;
use crate::failure::Failure;
use crate::model::Network;
use crate::processes::Processes;
use crate::run::{Position, Tally, generator_states, restore_generators};
use crate::task::{Evaluate, Task, Train};

/// Below this number of images, the statistics of a process alone make batch norm worse (figure 1 of Wu and He, "Group
/// Normalization", <https://arxiv.org/abs/1803.08494>).
const ENOUGH_IMAGES: usize = 16;

/// How several processes train one network.
pub(super) struct Exchange {
    reducer: Reducer,
    group: Group,
    /// Connections for the statistics of batch norm, where it is synchronised.
    norms: Option<Group>,
}

impl Exchange {
    /// Copies the parameters of rank 0 to all. None for a single process.
    pub(super) fn new(
        processes: &Processes,
        config: &TrainConfig,
        names: &[String],
        parameters: &[Tensor],
    ) -> Result<Option<Self>, Failure> {
        let Some(group) = processes.group() else { return Ok(None) };
        let named: Vec<_> = names.iter().cloned().zip(parameters.iter().map(Tensor::shallow_clone)).collect();
        let options = ReducerOptions {
            bucket_bytes: config.reduce.buckets_mb << 20,
            sent_as: match config.reduce.dtype {
                Precision::Fp32 => GradientKind::Own,
                Precision::Bf16 => GradientKind::BFloat16,
            },
            ..ReducerOptions::default()
        };
        let images = config.batch_size / processes.count() / config.accumulate;
        let synchronised = match config.sync_batch_norm {
            SyncBatchNorm::Set(synchronised) => synchronised,
            SyncBatchNorm::Chosen(Auto::Auto) => images < ENOUGH_IMAGES,
        };
        console::status(format!(
            "{} processes with {images} images each at a time; batch norm takes the statistics of {} (train.sync_batch_norm)",
            processes.count(),
            if synchronised { "all of them together" } else { "each process alone, and rank 0's are kept" }
        ));
        let norms = if synchronised { processes.new_group("batch norm")? } else { None };
        Ok(Some(Self { reducer: Reducer::new(&named, group, options)?, group: group.clone(), norms }))
    }

    /// The connections beside those of all exchanges.
    pub(super) fn beside(&self) -> Option<&Group> {
        self.norms.as_ref()
    }

    /// How the network runs on this process' part of a batch of `images`.
    pub(super) fn mode(&self, images: usize) -> Mode<'_> {
        match &self.norms {
            Some(group) => Mode::TrainTogether(Together { group, images: images as i64 }),
            None => Mode::Train,
        }
    }

    /// The backward pass from the parts of the loss. Afterwards the gradients are those of the loss of the whole batch, whose
    /// parts are returned.
    ///
    /// Each part is a mean, with its divisor as weight. The mean over all processes is the sum of `weight * value` over the sum of
    /// the weights; and gradients become means over the processes, so each counts `count` times.
    pub(super) fn backward(&mut self, Losses { values, weights, .. }: &Losses) -> Result<Tensor, Failure> {
        let sums = Tensor::stack(&[weights, &(values.detach().to_kind(Kind::Double) * weights)], 0);
        self.sum(&sums)?;
        // A mean of nothing is 0, and so is its gradient.
        let totals = sums.get(0);
        let totals = &totals + totals.eq(0.0);
        let shares = weights * self.group.size() as f64 / &totals;
        self.add(&(values * shares.to_kind(values.kind())).sum(values.kind()), true)?;
        Ok(sums.get(1) / totals)
    }

    /// A backward pass that adds to the gradients. After the last one of a step they are means over the processes.
    pub(super) fn add(&mut self, loss: &Tensor, last: bool) -> Result<(), Failure> {
        let done = if last { self.reducer.backward(loss) } else { self.reducer.accumulate(loss) };
        done.map_err(Failure::from)
    }

    /// Replaces a tensor by its sum over the processes.
    pub(super) fn sum(&self, tensor: &Tensor) -> Result<(), Failure> {
        Ok(self.group.all_reduce(tensor, Reduction::Sum)?)
    }
}

/// What a process needs beside tensors to go on where rank 0 is.
#[derive(Serialize, Deserialize)]
struct Progress {
    position: Position,
    tally: Tally,
    optimizer_steps: u64,
    skipped: usize,
    not_finite: u64,
    elapsed: Duration,
    /// The generators of all processes, as bytes.
    generators: BTreeMap<String, Vec<u8>>,
}

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Makes the state of rank 0 that of all: weights, average, optimiser, position. `generators` are those of a checkpoint.
    pub(super) fn share(&mut self, generators: &StateDict) -> Result<(), Failure> {
        let processes = self.processes;
        let mut tensors: Vec<Tensor> = self.network.state().into_values().collect();
        tensors.extend(self.ema.iter().flat_map(|ema| ema.network().state().into_values()));
        tensors.extend(self.optimizer.state().into_values());
        processes.copy_from_the_first(&tensors)?;
        let progress = processes.of_the_first(Progress {
            position: self.position.clone(),
            tally: self.tally.clone(),
            optimizer_steps: self.optimizer.steps(),
            skipped: self.skipped,
            not_finite: self.not_finite,
            elapsed: self.before,
            generators: generators
                .iter()
                .map(|(name, state)| Ok((name.clone(), bytes(state)?)))
                .collect::<Result<_, Failure>>()?,
        })?;
        (self.position, self.tally, self.before) = (progress.position, progress.tally, progress.elapsed);
        (self.skipped, self.not_finite) = (progress.skipped, progress.not_finite);
        self.optimizer.set_steps(progress.optimizer_steps);
        let states = progress.generators.into_iter().map(|(name, bytes)| (name, Tensor::from_slice(&bytes))).collect();
        // Rank 0 of a new run goes on with the generator that made the weights; others, and those that a smaller job had not, begin
        // their own.
        if !restore_generators(self.network.device(), processes.rank(), &states)? && !processes.is_first() {
            tch::manual_seed(processes.own_seed(self.config.seed, self.position.step));
        }
        Ok(())
    }

    /// The states of the generators of all processes.
    pub(super) fn all_generators(&self) -> Result<StateDict, Failure> {
        let own = generator_states(self.network.device(), self.processes.rank())?;
        if self.processes.count() == 1 {
            return Ok(own);
        }
        let own = own.iter().map(|(name, state)| Ok((name.clone(), bytes(state)?)));
        let all = self.processes.gather(own.collect::<Result<BTreeMap<String, Vec<u8>>, Failure>>()?)?;
        Ok(all.into_iter().flatten().map(|(name, bytes)| (name, Tensor::from_slice(&bytes))).collect())
    }

    /// Warns where a process does not have the weights of rank 0 to the last bit, though all take the same steps: processors of
    /// different kinds round differently.
    pub(super) fn compare_weights(&self) -> Result<(), Failure> {
        if self.processes.count() == 1 {
            return Ok(());
        }
        let mut hash = Sha256::new();
        for parameter in &self.parameters {
            let values = parameter.detach().to_device(Device::Cpu).contiguous().view(-1);
            hash.update(bytes(&values.view_dtype(Kind::Uint8))?);
        }
        let all = self.processes.gather(hash.finalize().to_vec())?;
        if let Some(rank) = all.iter().position(|hash| *hash != all[0]) {
            console::warning(format!(
                "after step {} the weights of rank {rank} are not those of rank 0: are the processors of one kind?",
                self.position.step
            ));
        }
        Ok(())
    }

    /// Prepares the next backward pass.
    pub(super) fn forget_gradients(&self) -> Result<(), Failure> {
        match &self.exchange {
            // They share memory with what is sent.
            Some(_) => Ok(foreach::zero_gradients(&self.parameters)?),
            None => {
                foreach::clear_gradients(&self.parameters);
                Ok(())
            }
        }
    }
}

/// Makes the weights and statistics of rank 0 those of all.
pub(super) fn same_network<T: Task>(processes: &Processes, network: &Network<T>) -> Result<(), Failure> {
    let tensors: Vec<Tensor> = network.state().into_values().collect();
    processes.copy_from_the_first(&tensors)
}

fn bytes(state: &Tensor) -> Result<Vec<u8>, Failure> {
    Vec::try_from(state).map_err(Failure::failed)
}
