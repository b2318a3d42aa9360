//! An exported file, loaded by its own runtime.

use datasets::{Image, Size};
use formats::coreml::Session as CoremlSession;
use formats::litert::Session as LitertSession;
use formats::onnx::Session;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};
use tch_ext::jit::{LiteModule, Module, extra_files};

use super::onnx::{card_of, to_array, to_tensor};
use super::{CARD, Card, Format, Input, coreml, litert};
use crate::failure::Failure;
use crate::model::{Normalizer, Predictor, stack};
use crate::task::{Convention, Export, OutputKind};

/// An exported file, ready to run on the CPU.
pub struct ExportedModel {
    /// Its description.
    pub card: Card,
    path: PathBuf,
    runtime: Runtime,
}

enum Runtime {
    Script(Module),
    Lite(LiteModule),
    Onnx(Box<Session>),
    Litert(Box<LitertSession>),
    Coreml(Box<CoremlSession>),
}

impl ExportedModel {
    /// Whether `path` is an exported file, by its extension and its content: weights that Python saved end in `.pt` as well.
    pub fn is_at(path: &Path) -> bool {
        match Format::of(path) {
            Some(Format::Torchscript) => extra_files(path).is_ok_and(|files| files.contains_key(CARD)),
            Some(Format::Lite | Format::Onnx | Format::Litert | Format::Coreml) => true,
            None => false,
        }
    }

    /// Loads an exported file.
    ///
    /// # Errors
    /// When it cannot be read, or was not exported by this program.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let format = Format::of(path).ok_or_else(|| {
            Failure::usage(format!("{} is not an exported file", path.display()))
                .hint("Exported files end in .pt, .ptl, .onnx, .tflite or .mlpackage.")
        })?;
        let no_card = || {
            Failure::failed(format!("{} has no {CARD}: it was not exported by this program", path.display()))
                .hint("`pipeline export` writes files that can be evaluated.")
        };
        let text = match format {
            Format::Torchscript | Format::Lite => extra_files(path)?.remove(CARD),
            Format::Onnx => card_of(path)?,
            Format::Litert => litert::card_of(path)?,
            Format::Coreml => coreml::card_of(path)?,
        };
        let text = text.ok_or_else(no_card)?;
        let runtime = match format {
            Format::Torchscript => Runtime::Script(Module::load(path, Device::Cpu)?),
            Format::Lite => Runtime::Lite(LiteModule::load(path)?),
            Format::Onnx => Runtime::Onnx(Box::new(Session::load(path)?)),
            Format::Litert => Runtime::Litert(Box::new(LitertSession::load(path)?)),
            Format::Coreml => Runtime::Coreml(Box::new(CoremlSession::load(path)?)),
        };
        Ok(Self { card: Card::parse(path, &text)?, path: path.to_owned(), runtime })
    }

    /// Runs the file on images as its card wants them.
    ///
    /// # Errors
    /// When it does not take them.
    pub fn run(&self, images: &Tensor) -> Result<Vec<Tensor>, Failure> {
        let inputs = [images.shallow_clone()];
        Ok(match &self.runtime {
            Runtime::Script(module) => module.run(&inputs)?,
            Runtime::Lite(module) => module.run(&inputs)?,
            Runtime::Onnx(session) => {
                let outputs = session.run(&[to_array(images)?])?;
                outputs.iter().map(to_tensor).collect::<Result<_, _>>()?
            }
            Runtime::Litert(session) => {
                let outputs = session.run(&[to_array(images)?])?;
                outputs.iter().map(to_tensor).collect::<Result<_, _>>()?
            }
            Runtime::Coreml(session) => session.run(images)?,
        })
    }

    /// Why the file's own runtime does not run it here, and what does; its latency cannot be measured then.
    pub fn stand_in(&self) -> Option<&'static str> {
        let why =
            "Core ML is on Apple's systems alone: libtorch computes what the file says, and no latency is measured";
        matches!(self.runtime, Runtime::Coreml(_)).then_some(why)
    }

    /// The oldest system that runs the file, where it needs one.
    pub fn oldest_system(&self) -> Option<String> {
        match &self.runtime {
            Runtime::Coreml(session) => Some(format!("iOS {}", session.oldest_ios())),
            _ => None,
        }
    }

    /// The outputs of [`Export::final_steps`] for images of one size, `[N, H, W, C]` bytes.
    ///
    /// # Errors
    /// When the file does not take them, or has other outputs.
    pub fn outputs<T: Export>(&self, task: &T, bytes: &Tensor) -> Result<Vec<Tensor>, Failure> {
        self.read(task, bytes, self.card.output_kind, |images| self.run(images))
    }

    /// What is compared with the network, with its kind: the outputs, of a Core ML detector those before its suppression, which is the
    /// system's own and not torchvision's.
    ///
    /// # Errors
    /// As [`ExportedModel::outputs`].
    pub fn comparable_outputs<T: Export>(
        &self,
        task: &T,
        bytes: &Tensor,
    ) -> Result<(Vec<Tensor>, OutputKind), Failure> {
        let kind = match Convention::of(self.card.format) {
            Convention::Coreml if task.suppression(self.card.output_kind).is_some() => OutputKind::Raw,
            _ => self.card.output_kind,
        };
        Ok((self.read(task, bytes, kind, |images| self.run_without_suppression(images))?, kind))
    }

    /// The file without the suppression that Core ML has behind a detector.
    ///
    /// # Errors
    /// As [`ExportedModel::run`].
    pub fn run_without_suppression(&self, images: &Tensor) -> Result<Vec<Tensor>, Failure> {
        match &self.runtime {
            Runtime::Coreml(session) => Ok(session.run_program(images)?),
            _ => self.run(images),
        }
    }

    fn read<T: Export>(
        &self,
        task: &T,
        bytes: &Tensor,
        kind: OutputKind,
        run: impl Fn(&Tensor) -> Result<Vec<Tensor>, Failure>,
    ) -> Result<Vec<Tensor>, Failure> {
        let (images, convention) = (self.input(bytes), Convention::of(self.card.format));
        if !self.card.input.single {
            return task.read_by(convention, run(&images)?, kind, 0);
        }
        let one = |image: i64| task.read_by(convention, run(&images.narrow(0, image, 1).contiguous())?, kind, image);
        let each: Vec<Vec<Tensor>> = (0..images.size()[0]).map(one).collect::<Result<_, _>>()?;
        let ports = each.first().map_or(0, Vec::len);
        let joined = |port: usize| Tensor::cat(&each.iter().map(|outputs| &outputs[port]).collect::<Vec<_>>(), 0);
        Ok((0..ports).map(joined).collect())
    }

    /// Images of one size, `[N, H, W, C]` bytes, as the file takes them.
    pub fn input(&self, bytes: &Tensor) -> Tensor {
        match self.card.input.kind {
            Input::Nhwc => bytes.shallow_clone(),
            Input::Nchw => bytes.permute([0, 3, 1, 2]).contiguous(),
            Input::Image => bytes.permute([0, 3, 1, 2]).to_kind(Kind::Float).contiguous(),
            Input::Normalized => {
                let images = Normalizer::new(&self.card.input.normalization, Device::Cpu, true).bytes(bytes);
                match self.card.format {
                    Format::Litert => images.permute([0, 2, 3, 1]).contiguous(),
                    _ => images.contiguous(),
                }
            }
        }
    }

    /// An image at the size that the file takes, where it does not take that of the image.
    ///
    /// # Errors
    /// When it cannot be scaled.
    pub fn scaled(&self, image: &Image) -> Result<Option<Image>, Failure> {
        let [height, width] = self.card.input.size;
        match self.card.input.takes([image.height as i64, image.width as i64]) {
            true => Ok(None),
            false => {
                let size = Size { height: height as usize, width: width as usize };
                image.resize(size).map(Some).map_err(Failure::failed)
            }
        }
    }

    /// Random images that the file takes.
    pub fn random_input(&self, batch: i64, size: [i64; 2]) -> Tensor {
        self.input(&self.random_bytes(batch, size))
    }

    /// Random images, `[N, H, W, C]` bytes.
    pub fn random_bytes(&self, batch: i64, size: [i64; 2]) -> Tensor {
        let shape = [batch, size[0], size[1], self.card.input.channels()];
        Tensor::randint(256, shape, (Kind::Uint8, Device::Cpu))
    }
}

impl<T: Export> Predictor<T> for ExportedModel {
    fn predict(&self, task: &T, batch: &[T::Sample]) -> Result<Vec<T::Prediction>, Failure> {
        let bytes = stack(batch.iter().map(T::image));
        let size @ [height, width] = [bytes.size()[1], bytes.size()[2]];
        if !self.card.input.takes(size) {
            let (path, sizes) = (self.path.display(), self.card.input.sizes_in_words());
            let failure =
                Failure::usage(format!("{path} takes images of {sizes} only, and this one has {height}x{width}"));
            let [height, width] = self.card.input.size;
            return Err(
                failure.hint(format!("For a segmenter: --set 'eval.size={{height: {height}, width: {width}}}'."))
            );
        }
        let outputs = self.outputs(task, &bytes)?;
        let predictions = task.read_outputs(&outputs, self.card.output_kind, batch);
        predictions.map_err(|failure| Failure::failed(format!("{}: {failure}", self.path.display())))
    }
}
