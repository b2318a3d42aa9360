//! The network that a run in int8 trains, and its teacher.

use backbone::{Form, StateDict};
use datasets::Class;
use std::path::Path;
use tch::{Device, Tensor};

use super::{Images, calibrate};
use crate::config::{Config, QuantizeConfig};
use crate::console;
use crate::failure::Failure;
use crate::model::{GridShapes, Network, Normalizer, classes_of, deployed, graph_of, read_weights};
use crate::processes::Processes;
use crate::run::{Checkpoint, RunFolder};
use crate::task::Evaluate;

/// The file of a run's folder that keeps the teacher.
pub const TEACHER: &str = "teacher.safetensors";

/// What a run in int8 begins with.
pub struct Start<T: Evaluate> {
    /// The network, in int8. Rank 0 has its weights.
    pub network: Network<T>,
    /// The network in floating point whose outputs it is to give, where the configuration asks for that.
    pub teacher: Option<Network<T>>,
}

impl<T: Evaluate> Start<T> {
    /// Calibrates the network that the configuration names, or takes up a run at its checkpoint.
    ///
    /// # Errors
    /// When the weights, the images or the run's files cannot be read, or the weights are of another network.
    pub fn of(
        config: &Config<T::Keys>,
        quantize: &QuantizeConfig,
        (task, classes): (&T, &[Class]),
        device: Device,
        processes: &Processes,
        resumed: Option<(&RunFolder, &Checkpoint)>,
    ) -> Result<Self, Failure> {
        let taught = quantize.teacher > 0.0;
        let own: Option<[StateDict; 2]> = match resumed {
            _ if !processes.is_first() => None,
            Some((run, checkpoint)) => {
                let teacher = if taught { read_weights(&run.file(TEACHER), None)?.tensors } else { StateDict::new() };
                Some([checkpoint.weights()?.tensors, teacher])
            }
            None => Some(calibrated(config, quantize, task, classes)?),
        };
        let shapes = own.as_ref().map(|[state, _]| GridShapes::of(state)).unwrap_or_default();
        let mut network =
            Network::new(task, Form::Deploy, device)?.with_grids(task, &processes.of_the_first(shapes)?)?;
        let mut teacher = taught.then(|| Network::new(task, Form::Deploy, device)).transpose()?;
        if let Some([state, float]) = &own {
            network.load(state)?;
            teacher.as_mut().map_or(Ok(()), |teacher| teacher.load(float))?;
        }
        if let Some(teacher) = &mut teacher {
            teacher.variables.freeze();
            if config.train.channels_last {
                teacher.channels_last()?;
            }
            processes.copy_from_the_first(&teacher.state().into_values().collect::<Vec<Tensor>>())?;
        }
        Ok(Self { network, teacher })
    }
}

/// The state of the configuration's network in int8, and in floating point.
fn calibrated<T: Evaluate>(
    config: &Config<T::Keys>,
    quantize: &QuantizeConfig,
    task: &T,
    classes: &[Class],
) -> Result<[StateDict; 2], Failure> {
    let file = if quantize.weights.is_dir() {
        RunFolder::open(&quantize.weights)?.best_weights()?
    } else {
        quantize.weights.clone()
    };
    let weights = read_weights(&file, None)?;
    if GridShapes::of(&weights.tensors) != GridShapes::default() {
        return Err(Failure::usage(format!("{} was trained in int8 already", file.display()))
            .hint("train.quantize.weights names a network in floating point."));
    }
    same_classes(&file, classes_of(&weights).as_deref(), classes)?;
    let float = deployed(task, weights, Device::Cpu, true)?;
    let graph = graph_of(task, &float)?;
    let images = Images::collect(config, task, quantize.calibration, &quantize.calibration_data)?;
    let normalizer = Normalizer::new(&config.normalization(), Device::Cpu, true);
    let quantized = calibrate(&graph, &images.normalized(&normalizer), &quantize.float_layers)?;
    console::status(format!("{} is calibrated with {} images", file.display(), images.summary().count));
    let state = float.copied(task)?.quantized(task, &quantized.graph)?.state();
    Ok([state, float.state()])
}

/// Refuses weights for other classes than those of the data.
fn same_classes(file: &Path, trained: Option<&[Class]>, found: &[Class]) -> Result<(), Failure> {
    let names = |classes: &[Class]| classes.iter().map(|class| class.name.clone()).collect::<Vec<_>>();
    match trained.map(names).filter(|trained| *trained != names(found)) {
        Some(trained) => Err(Failure::failed(format!(
            "{} was trained for the classes {}, and the data has {}",
            file.display(),
            trained.join(", "),
            names(found).join(", ")
        ))),
        None => Ok(()),
    }
}
