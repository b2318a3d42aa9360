//! `pipeline export`: the deploy form as a file for other programs, checked before it is moved to its name.

use backbone::checkpoint::Checkpoint as Weights;
use datasets::Class;
use serde::Serialize;
use std::fs::Permissions;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tch::{Device, Tensor};
use tch_ext::system;

use crate::cli::ExportArgs;
use crate::config::{Config, ConfigFile};
use crate::console::{self, Table};
use crate::evaluate::ReportOf;
use crate::export::{
    CARD, Card, CardClass, CardInput, Check, ExportedModel, Format, Metric, assemble, assemble_onnx, compare, portable,
};
use crate::failure::Failure;
use crate::files;
use crate::measure::{Latency, measure};
use crate::model::{Network, Normalizer, classes_of, deployed, numbered, published, read_weights};
use crate::report::{self, Report, Tables};
use crate::run::{Checkpoint, RunFolder, Subject};
use crate::task::{Data, Evaluate, Export, OutputKind, for_task};

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    args.check_ending()?;
    args.check_freeze()?;
    // The lite interpreter is slow in a process whose number of threads changes.
    system::set_intra_op_threads(NonZeroUsize::MIN)?;
    let key = args.key.name();
    let own_key = key.filter(|_| args.weights.is_none());
    let read = |path: &Path| read_weights(&published::resolve(path)?, key);
    let (file, weights) = match (Subject::open(&args.subject, own_key, &args.set.overrides)?, &args.weights) {
        (Subject::Config(file), Some(path)) => (file, read(path)?),
        (Subject::Config(_), None) => {
            return Err(Failure::usage("a configuration alone has no weights to export")
                .hint("Add --weights FILE, or name a run's folder."));
        }
        (Subject::Trained { config, .. }, Some(path)) => (config, read(path)?),
        (Subject::Trained { config, weights, .. }, None) => (config, weights),
        (Subject::Bare { path, .. }, _) => {
            return Err(Failure::usage(format!("{} has no configuration", path.display()))
                .hint("Name a configuration, and these weights with --weights."));
        }
    };
    for_task!(file.task()?, T: Export => export::<T>(args, &file, weights))
}

/// As many classes as a classifier's weights have outputs, with numbers for names.
fn classes_by_number(weights: &Weights) -> Option<Vec<Class>> {
    let count = weights.classes()? as u64;
    console::warning("neither the weights nor the data name the classes: they are numbered from 0");
    Some(numbered(count))
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
}

fn export<T: Export>(args: &ExportArgs, file: &ConfigFile, weights: Weights) -> Result<(), Failure> {
    let config: Config<T::Keys> = file.config()?;
    let classes = classes_of(&weights);
    let data = validation_data::<T>(&config, classes.as_deref())?;
    let classes = classes.or_else(|| data.as_ref().map(|data| data.classes.clone()));
    let classes = classes.or_else(|| classes_by_number(&weights)).ok_or_else(|| {
        Failure::failed("neither the weights nor the data name the classes")
            .hint("Export a run, or weights that `pipeline reparameterize` wrote.")
    })?;
    let task = T::new(&config, &classes)?;
    let network = deployed(&task, weights, Device::Cpu, true)?;
    let output_kind = OutputKind::from(args.raw);
    let steps = task.final_steps(output_kind);
    let spec = config.backbone.specification()?;
    let card = Card {
        name: config.name.clone().unwrap_or_default(),
        task: config.task,
        format: args.format,
        variant: spec.variant().map(|variant| variant.name().to_owned()),
        backbone: spec,
        input: CardInput {
            kind: args.input,
            size: config.data.size.sides(),
            fixed_size: steps.fixed_size,
            normalization: config.normalization(),
        },
        outputs: steps.outputs.clone(),
        output_kind,
        classes: classes.iter().map(|class| CardClass { id: class.id, name: class.name.clone() }).collect(),
        metric: metric::<T>(Path::new(&args.subject), args.weights.is_none())?,
        producer: format!("pipeline {}, libtorch {}", env!("CARGO_PKG_VERSION"), system::libtorch_version()),
        config: portable(&config, &std::env::current_dir().map_err(Failure::failed)?)?,
    };
    let module = || assemble(&task, &network, config.data.size.sides(), args.input, &config.normalization(), &steps);
    let extras = [(CARD.to_owned(), card.to_json()?)].into();
    place(args, |path| {
        match args.format {
            Format::Torchscript if args.freeze => module()?.freeze(&[])?.save(path, &extras)?,
            Format::Torchscript => module()?.save(path, &extras)?,
            Format::Lite => module()?.optimize_for_mobile(&[])?.save_for_mobile(path, &extras)?,
            Format::Onnx => assemble_onnx(&task, &network, &card)?.write(path)?,
        }
        let exported = check(args, &task, &network, data.as_ref(), path)?;
        if args.example {
            example(args, &task, &network, path)?;
        }
        Ok(exported)
    })
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
    if let Some(operators) = operators {
        let list: String = operators.iter().map(|operator| format!("- {operator}\n")).collect();
        files::write(&path.with_extension("operators.yaml"), list.as_bytes())?;
    }
    report::print(&exported, args.json)
}

/// Loads the written file and compares it with the network.
fn check<T: Export>(
    args: &ExportArgs,
    task: &T,
    network: &Network<T>,
    data: Option<&Data<T::Dataset>>,
    path: &Path,
) -> Result<Exported, Failure> {
    let exported = ExportedModel::open(path)?;
    let checks = compare(&exported, task, network, data)?;
    let worst = checks.iter().map(|check| check.difference).fold(0.0, f64::max);
    if worst > args.tolerance {
        return Err(Failure::failed(format!(
            "the exported file differs from the network by {worst:.1e} of the largest number, more than {:.1e}; nothing is written",
            args.tolerance
        ))
        .hint("--tolerance SHARE sets another limit."));
    }
    let images = exported.random_input(1, exported.card.input.size);
    let latency_ms = (!args.no_latency).then(|| measure(|| exported.run(&images).map(|_| ()))).transpose()?;
    let bytes = files::size(path)?;
    let (file, tolerance) = (args.output.display().to_string(), args.tolerance);
    Ok(Exported { file, bytes, tolerance, checks, latency_ms, card: exported.card })
}

/// Writes images as the file's input, with the network's outputs for them.
fn example<T: Export>(args: &ExportArgs, task: &T, network: &Network<T>, path: &Path) -> Result<(), Failure> {
    let exported = ExportedModel::open(path)?;
    let bytes = exported.random_bytes(1, exported.card.input.size);
    let images = Normalizer::new(&exported.card.input.normalization, Device::Cpu, true).bytes(&bytes);
    let outputs = tch::no_grad(|| task.expected_outputs(&network.model, &images, exported.card.output_kind))?;
    let names = exported.card.outputs.iter().map(|port| port.name.clone());
    let named = names.zip(outputs).chain([("images".to_owned(), exported.input(&bytes))]);
    let named: Vec<(String, Tensor)> = named.map(|(name, tensor)| (name, tensor.contiguous())).collect();
    let mut place = args.output.as_os_str().to_owned();
    place.push(".example.safetensors");
    Tensor::write_safetensors(&named, place).map_err(Failure::failed)
}

/// The validation set, where it exists.
fn validation_data<T: Evaluate>(
    config: &Config<T::Keys>,
    classes: Option<&[Class]>,
) -> Result<Option<Data<T::Dataset>>, Failure> {
    if !config.data.root.is_dir() {
        console::warning(format!(
            "cannot find the data: {} does not exist; the file is compared on random images only",
            config.data.root.display()
        ));
        return Ok(None);
    }
    T::validation_data(config, classes).map(Some)
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
        row("size".into(), format!("{:.2} MB", self.bytes as f64 / 1e6));
        for Check { on, images, difference } in &self.checks {
            row(format!("largest difference on {images} {on}"), format!("{difference:.1e} of the largest number"));
        }
        row("tolerance".into(), format!("{:.1e}", self.tolerance));
        if let Some(Latency { median, p5, p95, .. }) = self.latency_ms {
            row("latency, one image, one thread".into(), format!("{median:.2} ms (p5 {p5:.2}, p95 {p95:.2})"));
        }
        for port in &self.card.outputs {
            row(
                format!("output {}", port.name),
                format!("{} [{}]: {}", port.dtype, port.shape.join(", "), port.meaning),
            );
        }
        vec![table]
    }
}

impl ExportArgs {
    fn check_freeze(&self) -> Result<(), Failure> {
        match self.format {
            Format::Lite | Format::Onnx if self.freeze => Err(Failure::usage(format!(
                "--freeze is for TorchScript: in a file for {} weights are always constants",
                self.format.name()
            ))),
            _ => Ok(()),
        }
    }

    /// The format is detected from the extension.
    fn check_ending(&self) -> Result<(), Failure> {
        if Format::of(&self.output) == Some(self.format) {
            return Ok(());
        }
        let ending = match self.format {
            Format::Torchscript => ".pt",
            Format::Lite => ".ptl",
            Format::Onnx => ".onnx",
        };
        Err(Failure::usage(format!("{}: a file for {} ends in {ending}", self.output.display(), self.format.name())))
    }
}
