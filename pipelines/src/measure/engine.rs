//! The ways to run a network.

use backbone::{Form, Mode};
use tch::{Cuda, Device, Kind, Tensor};
use tch_ext::jit::{LiteModule, Module, set_onednn_fusion};

pub use front::words::Engine;

use super::Run;
use crate::config::Precision;
use crate::failure::Failure;
use crate::model::Network;
use crate::model::trace;
use crate::task::Task;

/// The form of the network that an engine runs.
pub fn form(engine: Engine) -> Form {
    if engine == Engine::Train { Form::Train } else { Form::Deploy }
}

/// Whether an engine runs on this device.
pub fn runs_on(engine: Engine, device: Device) -> bool {
    device == Device::Cpu || matches!(engine, Engine::Train | Engine::Deploy | Engine::Script)
}

/// A network in both forms, frozen and in channels-last memory format.
pub struct Forms<T: Task> {
    /// As trained.
    pub train: Network<T>,
    /// As deployed.
    pub deploy: Network<T>,
}

impl<T: Task> Forms<T> {
    /// The forms of a network in train form.
    ///
    /// # Errors
    /// When the deploy form cannot be built.
    pub fn of(task: &T, mut train: Network<T>) -> Result<Self, Failure> {
        train.variables.freeze();
        let deploy = train.deployed(task)?;
        train.channels_last()?;
        deploy.channels_last()?;
        Ok(Self { train, deploy })
    }

    /// The network in that form.
    pub fn form(&self, form: Form) -> &Network<T> {
        if form == Form::Train { &self.train } else { &self.deploy }
    }
}

/// Random images `[N, C, H, W]` for `network`, on its device and in the memory format of decoded images (interleaved pixels).
pub fn random_images<T: Task>(network: &Network<T>, batch: i64, size: [i64; 2]) -> Tensor {
    let shape = [batch, size[0], size[1], network.model.backbone.in_channels()];
    Tensor::randn(shape, (Kind::Float, network.device())).permute([0, 3, 1, 2])
}

/// One run of the network on `images` by that engine, compiled now where the engine compiles.
///
/// # Errors
/// When libtorch lacks the engine, or the engine cannot run the network.
pub fn prepare<'a, T: Task>(
    engine: Engine,
    task: &'a T,
    forms: &'a Forms<T>,
    images: &Tensor,
) -> Result<Run<'a>, Failure> {
    let images = images.shallow_clone();
    let network = forms.form(form(engine));
    let script = |precision| trace(task, network, &images, precision)?.freeze(&[]).map_err(Failure::from);
    match engine {
        Engine::Train | Engine::Deploy => Ok(Box::new(move || {
            tch::no_grad(|| task.forward(&network.model, &images, Mode::Eval))?;
            synchronize(images.device());
            Ok(())
        })),
        Engine::Script => scripted(script(Precision::Fp32)?, images, false),
        Engine::Onednn => scripted(script(Precision::Fp32)?, images, true),
        Engine::OnednnBf16 => scripted(script(Precision::Bf16)?, images, true),
        Engine::Lite => {
            let file = tempfile::Builder::new().suffix(".ptl").tempfile().map_err(Failure::failed)?;
            trace(task, network, &images, Precision::Fp32)?
                .optimize_for_mobile(&[])?
                .save_for_mobile(file.path(), &Default::default())?;
            lite(LiteModule::load(file.path())?, images)
        }
    }
}

/// One run of a TorchScript module; with `fused`, oneDNN's graph compiler takes what it can.
///
/// # Errors
/// When the module does not take the images.
pub fn scripted(module: Module, images: Tensor, fused: bool) -> Result<Run<'static>, Failure> {
    let inputs = [images];
    compile(&module, &inputs, fused)?;
    Ok(Box::new(move || {
        module.run(&inputs)?;
        synchronize(inputs[0].device());
        Ok(())
    }))
}

/// One run of a file for the lite interpreter.
///
/// # Errors
/// When the module does not take the images.
pub fn lite(module: LiteModule, images: Tensor) -> Result<Run<'static>, Failure> {
    let inputs = [images];
    module.run(&inputs)?;
    Ok(Box::new(move || {
        module.run(&inputs)?;
        Ok(())
    }))
}

/// Runs after which a method is compiled for its inputs: the first records, the second compiles.
const COMPILED_AFTER: usize = 3;

/// Compiles `forward` for these inputs, with or without oneDNN's fusion.
///
/// # Errors
/// When the module does not take the inputs.
pub fn compile(module: &Module, inputs: &[Tensor], fused: bool) -> Result<(), Failure> {
    let before = set_onednn_fusion(fused)?;
    let ran = (0..COMPILED_AFTER).try_for_each(|_| module.run(inputs).map(|_| ()));
    set_onednn_fusion(before)?;
    Ok(ran?)
}

/// Waits until the device has finished.
fn synchronize(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn names_are_those_of_the_command_line() {
        for engine in Engine::value_variants() {
            assert_eq!(Engine::from_str(&engine.name(), false), Ok(*engine));
        }
        assert!(runs_on(Engine::Lite, Device::Cpu) && !runs_on(Engine::Lite, Device::Cuda(0)));
    }
}
