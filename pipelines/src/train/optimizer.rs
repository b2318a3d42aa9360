//! SGD and AdamW over named parameters, with state that can be saved.

use backbone::checkpoint::CLASSIFIER;
use std::collections::BTreeMap;
use tch::Tensor;
use tch_ext::{foreach, optim};

use crate::config::OptimizerConfig;
use crate::failure::Failure;

/// Parameters that share a learning rate and a decay.
struct Group {
    names: Vec<String>,
    parameters: Vec<Tensor>,
    lr_scale: f64,
    decay_scale: f64,
    /// SGD's momentum, or AdamW's first moment.
    first: Vec<Tensor>,
    /// AdamW's second moment; empty for SGD.
    second: Vec<Tensor>,
    /// What the parameters are counted in; empty where each is counted as it is.
    units: Vec<Tensor>,
}

/// An optimiser over all trainable parameters of a network.
pub struct Optimizer {
    config: OptimizerConfig,
    groups: Vec<Group>,
    steps: u64,
}

impl Optimizer {
    /// An optimiser of `parameters`, by name; the backbone's names start with `backbone`. Vectors and scalars (norm
    /// parameters, biases) do not decay.
    pub fn new(config: &OptimizerConfig, parameters: &BTreeMap<String, Tensor>, backbone: &str) -> Self {
        let mut groups: BTreeMap<(bool, bool), Group> = BTreeMap::new();
        for (name, parameter) in parameters {
            let in_backbone = name.starts_with(backbone) && !name.starts_with(CLASSIFIER);
            let decays = parameter.dim() > 1;
            let group = groups.entry((in_backbone, decays)).or_insert_with(|| Group {
                names: Vec::new(),
                parameters: Vec::new(),
                lr_scale: if in_backbone { config.backbone_scale() } else { 1.0 },
                decay_scale: if decays { 1.0 } else { 0.0 },
                first: Vec::new(),
                second: Vec::new(),
                units: Vec::new(),
            });
            group.names.push(name.clone());
            group.parameters.push(parameter.shallow_clone());
            let zeros = || tch::no_grad(|| parameter.zeros_like());
            group.first.push(zeros());
            if matches!(config, OptimizerConfig::Adamw { .. }) {
                group.second.push(zeros());
            }
        }
        Self { config: config.clone(), groups: groups.into_values().collect(), steps: 0 }
    }

    /// One step with the gradients of the parameters, at `factor` times the learning rate. `annealed` goes
    /// from 1 to 0 over the run and takes the weight decay from its start to its end.
    ///
    /// # Errors
    /// When a parameter has no gradient, or libtorch fails.
    pub fn step(&mut self, factor: f64, annealed: f64) -> Result<(), Failure> {
        let decay = self.config.weight_decay(annealed);
        for group in &mut self.groups {
            let gradients: Vec<Tensor> = foreach::gradients(&group.parameters)
                .into_iter()
                .zip(&group.names)
                .map(|(gradient, name)| {
                    gradient.ok_or_else(|| Failure::failed(format!("the parameter {name} takes no part in the loss")))
                })
                .collect::<Result<_, _>>()?;
            group.step(&self.config, &gradients, factor, decay, self.steps)?;
        }
        self.steps += 1;
        Ok(())
    }

    /// From now on counts parameters in these units, by name: all of them, or none.
    pub fn count_in(&mut self, units: &BTreeMap<String, Tensor>) {
        for group in &mut self.groups {
            group.units = group.names.iter().filter_map(|name| units.get(name)).map(Tensor::shallow_clone).collect();
        }
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes on after `steps` steps, with the buffers as they are.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The buffers, named after their parameters.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for group in &self.groups {
            for (slot, buffers) in [("first", &group.first), ("second", &group.second)] {
                for (name, buffer) in group.names.iter().zip(buffers) {
                    state.insert(format!("{name}#{slot}"), buffer.shallow_clone());
                }
            }
        }
        state
    }

    /// Loads saved buffers, of after `steps` steps.
    ///
    /// # Errors
    /// When a buffer is missing or has another shape.
    pub fn load(&mut self, state: &BTreeMap<String, Tensor>, steps: u64) -> Result<(), Failure> {
        for (name, buffer) in self.state() {
            let saved = state
                .get(&name)
                .ok_or_else(|| Failure::failed(format!("the saved optimiser has no state for {name}")))?;
            if saved.size() != buffer.size() {
                return Err(Failure::failed(format!(
                    "the saved optimiser's {name} has shape {:?}, the network's {:?}",
                    saved.size(),
                    buffer.size()
                )));
            }
            let mut buffer = buffer;
            tch::no_grad(|| buffer.copy_(saved));
        }
        self.steps = steps;
        Ok(())
    }
}

impl Group {
    fn step(
        &mut self,
        config: &OptimizerConfig,
        gradients: &[Tensor],
        factor: f64,
        decay: f64,
        steps: u64,
    ) -> Result<(), tch_ext::Error> {
        let (parameters, units) = (std::mem::take(&mut self.parameters), std::mem::take(&mut self.units));
        let mut step = |parameters: &[Tensor], gradients: &[Tensor]| {
            self.step_of(parameters, config, gradients, factor, decay, steps)
        };
        let done = match units.is_empty() {
            true => step(&parameters, gradients),
            false => optim::in_units(&parameters, gradients, &units, step),
        };
        (self.parameters, self.units) = (parameters, units);
        done
    }

    fn step_of(
        &mut self,
        parameters: &[Tensor],
        config: &OptimizerConfig,
        gradients: &[Tensor],
        factor: f64,
        decay: f64,
        steps: u64,
    ) -> Result<(), tch_ext::Error> {
        let weight_decay = decay * self.decay_scale;
        let lr = config.learning_rate() * self.lr_scale * factor;
        match config {
            OptimizerConfig::Sgd { momentum, nesterov, .. } => {
                let options = optim::SgdOptions { lr, momentum: *momentum, weight_decay, nesterov: *nesterov };
                optim::sgd_step(parameters, gradients, &mut self.first, options, steps == 0)
            }
            OptimizerConfig::Adamw { betas: [beta1, beta2], eps, .. } => {
                let options = optim::AdamWOptions { lr, beta1: *beta1, beta2: *beta2, eps: *eps, weight_decay };
                let step = steps as i64 + 1;
                optim::adamw_step(parameters, gradients, &mut self.first, &mut self.second, step, options)
            }
        }
    }
}
