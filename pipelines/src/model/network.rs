//! A task's model together with the variables that hold its weights.

use backbone::checkpoint::{self, Policy};
use backbone::{Fold, Form, Mode, StateDict};
use formats::graph::Graph;
use formats::quantize::PREFIX;
use std::collections::BTreeMap;
use tch::{Device, Tensor, nn};

use super::int8::GridShapes;
use crate::failure::Failure;
use crate::task::{Task, WithHead};

/// A model, its variables and its form.
pub struct Network<T: Task> {
    /// Every weight and statistic by its key.
    pub variables: nn::VarStore,
    /// The task's model.
    pub model: WithHead<T::Head>,
    /// Whether the model is as trained or as deployed.
    pub form: Form,
    /// Where the network computes in int8: its graph, on which grids are put by those of its variables that
    /// [`formats::quantize`] names.
    pub(super) int8: Option<Graph>,
}

impl<T: Task> Network<T> {
    /// Builds the task's model on `device`, with fresh weights from libtorch's generator.
    ///
    /// # Errors
    /// When the configuration does not describe a model that can be built.
    pub fn new(task: &T, form: Form, device: Device) -> Result<Self, Failure> {
        let variables = nn::VarStore::new(device);
        let model = task.build(&variables.root(), form)?;
        Ok(Self { variables, model, form, int8: None })
    }

    /// The same network with weights of its own, which are not trained.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn copied(&self, task: &T) -> Result<Self, Failure> {
        let state = self.state();
        let mut copy = Self::new(task, self.form, self.device())?.with_grids(task, &GridShapes::of(&state))?;
        copy.variables.freeze();
        copy.load(&state)?;
        Ok(copy)
    }

    /// Runs the network once on normalised images `[N, C, H, W]`, in int8 where it computes in it.
    ///
    /// # Errors
    /// When the images do not fit the network.
    pub fn forward(&self, task: &T, images: &Tensor, mode: Mode) -> Result<T::Output, Failure> {
        match self.graph()? {
            Some(graph) => task.output_of(graph.run(&[images.shallow_clone()])?),
            None => task.forward(&self.model, images, mode),
        }
    }

    /// The device of the weights.
    pub fn device(&self) -> Device {
        self.variables.device()
    }

    /// Every weight and statistic by its key, in the order of the keys; shares memory with the network.
    pub fn state(&self) -> StateDict {
        self.variables.variables().into_iter().collect()
    }

    /// The same without what is of grids: the weights and statistics of the model.
    pub fn weights(&self) -> StateDict {
        self.state().into_iter().filter(|(name, _)| !name.starts_with(PREFIX)).collect()
    }

    /// Trainable parameters by key.
    pub fn parameters(&self) -> BTreeMap<String, Tensor> {
        self.state().into_iter().filter(|(_, tensor)| tensor.requires_grad()).collect()
    }

    /// Copies `state` into the network.
    ///
    /// # Errors
    /// Unless the keys and shapes are exactly the network's.
    pub fn load(&mut self, state: &StateDict) -> Result<(), Failure> {
        let variables: Vec<(String, Tensor)> = self.state().into_iter().collect();
        checkpoint::load_into(&variables, state, Policy::Exact).map(|_| ()).map_err(Failure::failed)
    }

    /// The same function in deploy form, every convolution folded with its normalisation.
    ///
    /// # Errors
    /// When the deploy form cannot be built.
    pub fn deployed(&self, task: &T) -> Result<Self, Failure> {
        if self.int8.is_some() {
            return self.copied(task);
        }
        let mut deployed = Self::new(task, Form::Deploy, self.device())?;
        deployed.variables.freeze();
        deployed.load(&self.model.folded())?;
        Ok(deployed)
    }

    /// Stores the weights of all convolutions channels-last.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn channels_last(&self) -> Result<(), Failure> {
        let weights: Vec<_> = self.state().into_values().filter(|tensor| tensor.dim() == 4).collect();
        tch_ext::convert_channels_last(&weights).map_err(Failure::failed)
    }

    /// The number of trainable parameters.
    pub fn parameter_count(&self) -> i64 {
        self.parameters().values().map(|tensor| tensor.numel() as i64).sum()
    }
}
