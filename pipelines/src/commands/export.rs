//! `pipeline export`: the deploy form as a file for other programs, checked before it is moved to its name.

use clap::ValueEnum;
use formats::graph::Graph;
use formats::litert;
use formats::onnx::Library;
use serde::Serialize;
use std::fs::Permissions;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tch::{Device, Tensor};
use tch_ext::system;
use tempfile::TempPath;

use crate::cli::ExportArgs;
use crate::console::Table;
use crate::evaluate::ReportOf;
use crate::export::{
    CARD, Card, CardClass, CardInput, Check, Expected, ExportedModel, Format, Input, Metric, Source, Trained, assemble,
    assemble_litert, assemble_onnx, compare, portable,
};
use crate::failure::Failure;
use crate::files;
use crate::measure::{Latency, Run, latency, measure_by_turns};
use crate::model::{Normalizer, graph_of};
use crate::quantize::{QuantizeReport, quantize};
use crate::report::{self, Report, Tables};
use crate::run::{Checkpoint, RunFolder};
use crate::task::{Evaluate, Export, OutputKind, for_task};

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let format = args.format()?;
    args.check(format)?;
    match format {
        Format::Onnx => Library::load().map(|_| ())?,
        Format::Litert => litert::Library::load().map(|_| ())?,
        Format::Torchscript | Format::Lite => {}
    }
    // The lite interpreter is slow in a process whose number of threads changes.
    system::set_intra_op_threads(NonZeroUsize::MIN)?;
    let named = &args.trained;
    let trained = Trained::open(&named.subject, named.weights.as_deref(), named.key.name(), &named.set.overrides)?;
    for_task!(trained.config.task()?, T: Export => export::<T>(args, format, trained))
}

/// What is printed.
#[derive(Serialize)]
struct Exported {
    file: String,
    card: Card,
    bytes: u64,
    tolerance: f64,
    checks: Vec<Check>,
    /// Of one image, on one thread, in the file's own runtime, where it was measured.
    latency_ms: Option<Latency>,
    /// The same network in floating point, beside a file in int8.
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<Float>,
    /// What int8 costs in accuracy, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    quantization: Option<QuantizeReport>,
}

/// A file of the same format in floating point, measured in the same run.
#[derive(Serialize)]
struct Float {
    bytes: u64,
    latency_ms: Option<Latency>,
}

fn export<T: Export>(args: &ExportArgs, format: Format, trained: Trained) -> Result<(), Failure> {
    let source: Source<T> = Source::build(trained)?;
    let Source { config, task, network, classes, .. } = &source;
    let in_int8 = args.int8 || network.is_int8();
    if args.fp16 && in_int8 {
        return Err(Failure::usage("--fp16 is for networks in floating point"));
    }
    let output_kind = OutputKind::from(args.raw);
    let steps = task.final_steps(output_kind);
    let litert = format == Format::Litert;
    let spec = config.backbone.specification()?;
    let card = Card {
        name: config.name.clone().unwrap_or_default(),
        task: config.task,
        format,
        int8: in_int8,
        variant: spec.variant().map(|variant| variant.name().to_owned()),
        backbone: spec,
        input: CardInput {
            kind: args.input,
            size: config.data.size.sides(),
            fixed_size: steps.fixed_size,
            single: litert && task.suppression(output_kind).is_some(),
            normalization: config.normalization(),
        },
        outputs: if litert { task.litert_outputs(output_kind) } else { steps.outputs.clone() },
        output_kind,
        classes: classes.iter().map(|class| CardClass { id: class.id, name: class.name.clone() }).collect(),
        metric: metric::<T>(Path::new(&args.trained.subject), args.trained.weights.is_none())?,
        producer: format!("pipeline {}, libtorch {}", env!("CARGO_PKG_VERSION"), system::libtorch_version()),
        config: portable(config, &std::env::current_dir().map_err(Failure::failed)?)?,
    };
    let extras = [(CARD.to_owned(), card.to_json()?)].into();
    let write = |path: &Path, rounded: Option<&Graph>| -> Result<(), Failure> {
        let module = || assemble(task, network, rounded, &card, &steps);
        let graph = || rounded.map_or_else(|| graph_of(task, network), |graph| Ok(graph.clone()));
        match format {
            Format::Torchscript if args.freeze => module()?.freeze(&[])?.save(path, &extras)?,
            Format::Torchscript => module()?.save(path, &extras)?,
            Format::Lite => module()?.optimize_for_mobile(&[])?.save_for_mobile(path, &extras)?,
            Format::Onnx => assemble_onnx(task, network, &graph()?, &card)?.write(path)?,
            Format::Litert => files::write(path, &assemble_litert(task, network, &graph()?, &card, args.fp16)?)?,
        }
        Ok(())
    };
    let (graph, quantization) = match in_int8 {
        true => {
            let (graph, report) = quantize(&source, &args.quantization.options())?;
            (Some(graph), Some(report))
        }
        false if args.fp16 => (Some(graph_of(task, network)?.with_half_weights()), None),
        false => (None, None),
    };
    place(args, |path| {
        write(path, graph.as_ref())?;
        let expected = Expected { task, network, graph: graph.as_ref(), int8: in_int8 };
        let mut exported = check(args, &source, &expected, path)?;
        if !args.no_latency {
            let float = in_int8.then(|| float_aside(path, |path| write(path, None))).transpose()?;
            exported.time(path, float.as_deref())?;
        }
        if args.example {
            example(args, &expected, path)?;
        }
        exported.quantization = quantization;
        Ok(exported)
    })
}

/// The same network in floating point, in a file that lasts as long as it is measured.
fn float_aside(path: &Path, write: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<TempPath, Failure> {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let folder = files::folder_of(path);
    let file = tempfile::Builder::new().prefix(".export-float-").suffix(&format!(".{ending}")).tempfile_in(folder);
    let file = file.map_err(|error| Failure::cannot("write", folder, &error))?.into_temp_path();
    write(&file)?;
    Ok(file)
}

/// Writes and checks the file under another name in its folder, then renames it.
fn place(args: &ExportArgs, write: impl FnOnce(&Path) -> Result<Exported, Failure>) -> Result<(), Failure> {
    let path = &args.output;
    let failed = |error: std::io::Error| Failure::cannot("write", path, &error);
    let folder = files::folder_of(path);
    files::create_folder(folder)?;
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let mut builder = tempfile::Builder::new();
    // Without these only its owner could read the file.
    builder.permissions(Permissions::from_mode(0o666));
    let aside = builder.prefix(".export-").suffix(&format!(".{ending}")).tempfile_in(folder).map_err(failed)?;
    let exported = write(aside.path())?;
    aside.as_file().sync_all().map_err(failed)?;
    let operators = match exported.card.format {
        Format::Lite => Some(tch_ext::jit::LiteModule::load(aside.path())?.operators()?),
        _ => None,
    };
    let aside = aside.into_temp_path();
    aside.persist(path).map_err(|error| failed(error.error))?;
    files::write(&Card::beside(path), exported.card.to_json()?.as_bytes())?;
    if let Some(quantization) = &exported.quantization {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".quantization.json");
        files::write(Path::new(&beside), report::json(quantization)?.as_bytes())?;
    }
    if let Some(operators) = operators {
        let list: String = operators.iter().map(|operator| format!("- {operator}\n")).collect();
        files::write(&path.with_extension("operators.yaml"), list.as_bytes())?;
    }
    report::print(&exported, args.json)
}

/// Loads the written file and compares it with what is expected.
fn check<T: Export>(
    args: &ExportArgs,
    source: &Source<T>,
    expected: &Expected<'_, T>,
    path: &Path,
) -> Result<Exported, Failure> {
    let exported = ExportedModel::open(path)?;
    let checks = compare(&exported, expected, source.data.as_ref())?;
    if let Some(failed) = checks.iter().find(|check| !check.is_within(args.tolerance)) {
        return Err(Failure::failed(format!(
            "the exported file differs from the network by {:.1e} of the largest number, more than {:.1e}; nothing is written",
            failed.difference,
            args.tolerance
        ))
        .hint("--tolerance SHARE sets another limit."));
    }
    let bytes = files::size(path)?;
    let (file, tolerance) = (args.output.display().to_string(), args.tolerance);
    let card = exported.card;
    Ok(Exported { file, bytes, tolerance, checks, latency_ms: None, float: None, quantization: None, card })
}

impl Exported {
    /// Measures the latency of one image, and in turns with it that of the file in floating point where there is one.
    fn time(&mut self, path: &Path, float: Option<&Path>) -> Result<(), Failure> {
        let open = |path: &Path| ExportedModel::open(path);
        let models = std::iter::once(path).chain(float).map(open).collect::<Result<Vec<_>, _>>()?;
        let images = models[0].random_input(1, self.card.input.size);
        let run = |model| -> Run<'_> {
            let images = &images;
            let model: &ExportedModel = model;
            Box::new(move || model.run(images).map(|_| ()))
        };
        let mut runs: Vec<Run<'_>> = models.iter().map(run).collect();
        let times = measure_by_turns(&mut runs, latency::DEFAULT_TIME, |_| ())?;
        self.latency_ms = times.first().copied();
        if let Some(float) = float {
            self.float = Some(Float { bytes: files::size(float)?, latency_ms: times.get(1).copied() });
        }
        Ok(())
    }
}

/// Writes images as the file's input, with the expected outputs for them.
fn example<T: Export>(args: &ExportArgs, expected: &Expected<'_, T>, path: &Path) -> Result<(), Failure> {
    let exported = ExportedModel::open(path)?;
    let size = exported.card.input.size;
    let bytes = exported.random_bytes(1, size);
    let images = Normalizer::new(&exported.card.input.normalization, Device::Cpu, true).bytes(&bytes);
    let outputs = match exported.card.format {
        // Its outputs are of a form of their own, and were compared with the network's.
        Format::Litert => exported.run(&exported.input(&bytes))?,
        _ => tch::no_grad(|| {
            let output = expected.output(&images)?;
            expected.task.expected_outputs(&expected.network.model, &output, size, exported.card.output_kind)
        })?,
    };
    let names = exported.card.outputs.iter().map(|port| port.name.clone());
    let named = names.zip(outputs).chain([("images".to_owned(), exported.input(&bytes))]);
    let named: Vec<(String, Tensor)> = named.map(|(name, tensor)| (name, tensor.contiguous())).collect();
    let mut place = args.output.as_os_str().to_owned();
    place.push(".example.safetensors");
    Tensor::write_safetensors(&named, place).map_err(Failure::failed)
}

/// The result of the run's best checkpoint.
fn metric<T: Evaluate>(subject: &Path, of_best: bool) -> Result<Option<Metric>, Failure> {
    if !of_best || !subject.is_dir() {
        return Ok(None);
    }
    let best = Checkpoint::best(&RunFolder::open(subject)?.checkpoints())?.and_then(|best| best.state().position.best);
    Ok(best.map(|best| Metric { name: ReportOf::<T>::HEADLINE.to_owned(), value: best.headline }))
}

impl Tables for Exported {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(format!("{}: {}", self.file, self.card.summary()), &["", ""]);
        let mut row = |name: String, value: String| table.rows.push(vec![name, value]);
        let beside = |text: String, float: Option<String>| match float {
            Some(float) => format!("{text}; in floating point {float}"),
            None => text,
        };
        let megabytes = |bytes: u64| format!("{:.2} MB", bytes as f64 / 1e6);
        row("size".into(), beside(megabytes(self.bytes), self.float.as_ref().map(|float| megabytes(float.bytes))));
        for Check { on, images, difference, of_int8 } in &self.checks {
            row(format!("largest difference on {images} {on}"), format!("{difference:.1e} of the largest number"));
            if let Some(own) = of_int8 {
                row(format!("int8 from floating point on {images} {on}"), format!("{own:.1e} of the largest number"));
            }
        }
        row("tolerance".into(), format!("{:.1e}", self.tolerance));
        let milliseconds =
            |Latency { median, p5, p95, .. }: Latency| format!("{median:.2} ms (p5 {p5:.2}, p95 {p95:.2})");
        if let Some(latency) = self.latency_ms {
            let float = self.float.as_ref().and_then(|float| float.latency_ms).map(milliseconds);
            row("latency, one image, one thread".into(), beside(milliseconds(latency), float));
        }
        for port in &self.card.outputs {
            row(
                format!("output {}", port.name),
                format!("{} [{}]: {}", port.dtype, port.shape.join(", "), port.meaning),
            );
        }
        let mut tables = vec![table];
        tables.extend(self.quantization.as_ref().and_then(QuantizeReport::accuracy_table));
        tables
    }
}

impl ExportArgs {
    /// The format, which `--format` or the ending of the file says.
    fn format(&self) -> Result<Format, Failure> {
        let (path, of_ending) = (self.output.display(), Format::of(&self.output));
        match (self.format, of_ending) {
            (None, Some(format)) => Ok(format),
            (Some(format), Some(found)) if format == found => Ok(format),
            (Some(format), _) => {
                Err(Failure::usage(format!("{path}: a file for {} ends in {}", format.name(), format.ending())))
            }
            (None, None) => {
                let endings: Vec<String> = Format::value_variants().iter().map(|format| format.ending()).collect();
                Err(Failure::usage(format!("{path}: the ending does not name a format"))
                    .hint(format!("Files end in {}.", endings.join(", "))))
            }
        }
    }

    /// Refuses options that the format has not.
    fn check(&self, format: Format) -> Result<(), Failure> {
        let refuse = |what: String| Err(Failure::usage(what));
        if self.freeze && format != Format::Torchscript {
            return refuse(format!(
                "--freeze is for TorchScript: in a file for {} weights are always constants",
                format.name()
            ));
        }
        if self.fp16 && format != Format::Litert {
            return refuse("--fp16 is for LiteRT files".to_owned());
        }
        if format == Format::Litert && self.input == Input::Nchw {
            return refuse("LiteRT files take images with their channels last: --input nhwc or normalized".to_owned());
        }
        match self.quantization.given() {
            Some(option) if !self.int8 => refuse(format!("{option} is only valid with --int8")),
            _ => Ok(()),
        }
    }
}
