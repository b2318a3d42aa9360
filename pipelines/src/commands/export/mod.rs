//! `pipeline export`: the deploy form as files for other programs, each checked before it is moved to its name.

mod options;
mod written;

use formats::graph::Graph;
use formats::litert;
use formats::onnx::Library;
use front::cli::ExportArgs;
use std::num::NonZeroUsize;
use std::path::Path;
use tch::{Device, Tensor};
use tch_ext::system;

use crate::config::ImageSize;
use crate::console;
use crate::evaluate::ReportOf;
use crate::export::{
    CARD, Card, CardClass, CardInput, Check, Expected, ExportedModel, FloatKind, Format, Metric, Rounding, Source,
    Trained, assemble, assemble_coreml, assemble_litert, assemble_onnx, compare, portable,
};
use crate::failure::Failure;
use crate::files::{self, Aside};
use crate::model::{Normalizer, graph_of};
use crate::quantize::{Options, quantize};
use crate::report::{self, Report};
use crate::run::{Checkpoint, RunFolder};
use crate::task::{Convention, Evaluate, Export, OutputKind, for_task};
use options::{Wanted, wanted};
use written::{All, Written};

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let wanted = wanted(args)?;
    for file in &wanted {
        match file.format {
            Format::Onnx => Library::load().map(|_| ())?,
            Format::Litert => litert::Library::load().map(|_| ())?,
            Format::Torchscript | Format::Lite | Format::Coreml => {}
        }
    }
    // The lite interpreter is slow in a process whose number of threads changes.
    system::set_intra_op_threads(NonZeroUsize::MIN)?;
    let named = &args.trained;
    let trained = Trained::open(&named.subject, named.weights.as_deref(), named.key.name(), &named.set.overrides)?;
    for_task!(trained.config.task()?, T: Export => export::<T>(args, &wanted, trained))
}

fn export<T: Export>(args: &ExportArgs, wanted: &[Wanted], trained: Trained) -> Result<(), Failure> {
    let source: Source<T> = Source::build(trained)?;
    let in_int8 = args.int8 || source.network.is_int8();
    if in_int8 {
        wanted.iter().try_for_each(Wanted::check_int8)?;
    }
    if !args.sizes.is_empty() && source.task.final_steps(OutputKind::from(args.raw)).fixed_size {
        return Err(Failure::usage("--sizes is for segmenters: other networks take images of one size"));
    }
    let quantized = match in_int8 {
        true => Some(quantize(&source, &Options::from(&args.quantization))?),
        false => None,
    };
    let mut all = Vec::new();
    for file in wanted {
        if wanted.len() > 1 {
            console::status(format!("writing {}", file.path.display()));
        }
        let written = Exporting { args, file, source: &source }.write(quantized.as_ref().map(|(graph, _)| graph))?;
        if let Some(stand_in) = written.stand_in {
            console::status(format!("{}: {stand_in}", written.file));
        }
        if let Some((_, quantization)) = &quantized {
            let beside = format!("{}.quantization.json", written.file);
            files::write(Path::new(&beside), report::json(&written.beside(quantization))?.as_bytes())?;
        }
        all.push(written);
    }
    if let Some(last) = all.last_mut() {
        last.quantization = quantized.map(|(_, report)| report);
    }
    match args.all {
        true => Ok(report::print(&All(all), args.json)?),
        false => all.first().map_or(Ok(()), |written| Ok(report::print(written, args.json)?)),
    }
}

/// A file while it is made.
struct Exporting<'a, T: Export> {
    args: &'a ExportArgs,
    file: &'a Wanted,
    source: &'a Source<T>,
}

impl<T: Export> Exporting<'_, T> {
    /// Writes and checks the file under another name in its folder, then renames it.
    fn write(&self, int8: Option<&Graph>) -> Result<Written, Failure> {
        let (Source { task, network, .. }, path) = (self.source, &self.file.path);
        let card = self.card(int8.is_some())?;
        let precision = self.file.precision;
        let (halved, rounding) = match (int8, precision, card.format) {
            (Some(_), ..) => (None, Rounding::Int8),
            (None, FloatKind::Fp32, _) => (None, Rounding::Full),
            (None, FloatKind::Fp16, Format::Coreml) => (Some(graph_of(task, network)?.in_half()), Rounding::Half),
            (None, FloatKind::Fp16, _) => (Some(graph_of(task, network)?.with_half_weights()), Rounding::Full),
        };
        let graph = int8.or(halved.as_ref());
        let expected = Expected { task, network, graph, rounding };
        let aside = Aside::of(path, card.format == Format::Coreml)?;
        self.assemble(&card, aside.path(), graph)?;
        let mut written = self.check(&expected, card, aside.path())?;
        if !self.args.no_latency {
            let float = int8.map(|_| self.float_aside(&written.card)).transpose()?;
            written.time(aside.path(), float.as_ref().map(Aside::path))?;
        }
        if self.args.example {
            self.example(&expected, aside.path())?;
        }
        let operators = match written.card.format {
            Format::Lite => Some(tch_ext::jit::LiteModule::load(aside.path())?.operators()?),
            _ => None,
        };
        aside.persist(path)?;
        files::write(&Card::beside(path), written.card.to_json()?.as_bytes())?;
        if let Some(operators) = operators {
            let list: String = operators.iter().map(|operator| format!("- {operator}\n")).collect();
            files::write(&path.with_extension("operators.yaml"), list.as_bytes())?;
        }
        Ok(written)
    }

    fn card(&self, int8: bool) -> Result<Card, Failure> {
        let Source { config, task, classes, .. } = self.source;
        let (args, Wanted { format, input, precision, .. }) = (self.args, self.file);
        let output_kind = OutputKind::from(args.raw);
        let steps = task.final_steps(output_kind);
        let design = config.backbone.design()?;
        let size = config.data.size.sides();
        let is_coreml = *format == Format::Coreml;
        let mut sizes: Vec<[i64; 2]> = Vec::new();
        for other in args.sizes.iter().map(|&other| ImageSize::from(other).sides()).filter(|_| is_coreml) {
            if other != size && !sizes.contains(&other) {
                sizes.push(other);
            }
        }
        Ok(Card {
            name: config.name.clone().unwrap_or_default(),
            task: config.task,
            format: *format,
            int8,
            precision: *precision,
            variant: design.name().map(str::to_owned),
            backbone: design,
            input: CardInput {
                kind: *input,
                size,
                sizes,
                fixed_size: steps.fixed_size || is_coreml,
                single: is_coreml || (*format == Format::Litert && task.suppression(output_kind).is_some()),
                normalization: config.normalization(),
            },
            outputs: task.outputs_by(Convention::of(*format), output_kind),
            output_kind,
            classes: classes.iter().map(|class| CardClass { id: class.id, name: class.name.clone() }).collect(),
            metric: metric::<T>(Path::new(&args.trained.subject), args.trained.weights.is_none())?,
            producer: format!("pipeline {}, libtorch {}", env!("CARGO_PKG_VERSION"), system::libtorch_version()),
            config: portable(
                config,
                &std::env::current_dir().map_err(Failure::failed)?,
                is_coreml.then_some(config.data.size.sides()),
            )?,
        })
    }

    /// Writes the network, or the graph that takes its place, without a check.
    fn assemble(&self, card: &Card, path: &Path, rounded: Option<&Graph>) -> Result<(), Failure> {
        let Source { task, network, .. } = self.source;
        let precision = self.file.precision;
        let extras = [(CARD.to_owned(), card.to_json()?)].into();
        let module = || assemble(task, network, rounded, card, &task.final_steps(card.output_kind));
        let graph = || rounded.map_or_else(|| graph_of(task, network), |graph| Ok(graph.clone()));
        match card.format {
            Format::Torchscript if self.args.freeze => module()?.freeze(&[])?.save(path, &extras)?,
            Format::Torchscript => module()?.save(path, &extras)?,
            Format::Lite => module()?.optimize_for_mobile(&[])?.save_for_mobile(path, &extras)?,
            Format::Onnx => assemble_onnx(task, network, &graph()?, card)?.write(path)?,
            Format::Litert => {
                let half = precision == FloatKind::Fp16;
                files::write(path, &assemble_litert(task, network, &graph()?, card, half)?)?;
            }
            Format::Coreml => assemble_coreml(task, network, &graph()?, card, precision)?.write(path)?,
        }
        Ok(())
    }

    /// The same network in floating point, in a file that lasts as long as it is measured.
    fn float_aside(&self, card: &Card) -> Result<Aside, Failure> {
        let aside = Aside::of(&self.file.path, card.format == Format::Coreml)?;
        self.assemble(card, aside.path(), None)?;
        Ok(aside)
    }

    /// Loads the written file and compares it with what is expected.
    fn check(&self, expected: &Expected<'_, T>, card: Card, path: &Path) -> Result<Written, Failure> {
        let exported = ExportedModel::open(path)?;
        let checks = compare(&exported, expected, self.source.data.as_ref(), self.args.tolerance)?;
        if let Some(Check { difference, limit, .. }) = checks.iter().find(|check| check.difference > check.limit) {
            return Err(Failure::failed(format!(
                "the exported file differs from the network by {difference:.1e} of the largest number, more than {limit:.1e}; nothing is written",
            ))
            .hint("--tolerance SHARE sets another limit."));
        }
        let (file, bytes) = (self.file.path.display().to_string(), files::size(path)?);
        let (stand_in, oldest_system) = (exported.stand_in(), exported.oldest_system());
        Ok(Written {
            file,
            bytes,
            stand_in,
            oldest_system,
            checks,
            latency_ms: None,
            float: None,
            quantization: None,
            card,
        })
    }

    /// Writes images as the file's input, with the expected outputs for them.
    fn example(&self, expected: &Expected<'_, T>, path: &Path) -> Result<(), Failure> {
        let exported = ExportedModel::open(path)?;
        let size = exported.card.input.size;
        let bytes = exported.random_bytes(1, size);
        let images = Normalizer::new(&exported.card.input.normalization, Device::Cpu, true).bytes(&bytes);
        let outputs = match Convention::of(exported.card.format) {
            Convention::Pytorch => tch::no_grad(|| {
                let output = expected.output(&images)?;
                expected.task.expected_outputs(&expected.network.model, &output, size, exported.card.output_kind)
            })?,
            // Outputs of a form of their own, which were compared with the network's.
            Convention::Litert | Convention::Coreml => exported.run_without_suppression(&exported.input(&bytes))?,
        };
        let names = exported.card.outputs.iter().map(|port| port.name.clone());
        let named = names.zip(outputs).chain([("images".to_owned(), exported.input(&bytes))]);
        let named: Vec<(String, Tensor)> = named.map(|(name, tensor)| (name, tensor.contiguous())).collect();
        let mut place = self.file.path.as_os_str().to_owned();
        place.push(".example.safetensors");
        Tensor::write_safetensors(&named, place).map_err(Failure::failed)
    }
}

/// The result of the run's best checkpoint.
fn metric<T: Evaluate>(subject: &Path, of_best: bool) -> Result<Option<Metric>, Failure> {
    if !of_best || !subject.is_dir() {
        return Ok(None);
    }
    let best = Checkpoint::best(&RunFolder::open(subject)?.checkpoints())?.and_then(|best| best.state().position.best);
    Ok(best.map(|best| Metric { name: ReportOf::<T>::HEADLINE.to_owned(), value: best.headline }))
}
