//! Exported files, and TorchScript and ONNX files of other programs, in their own runtime.

use backbone::Form;
use formats::onnx::Session;
use front::cli::BenchArgs;
use front::words::Format;
use std::path::Path;
use tch::{Device, Kind, Tensor};
use tch_ext::jit::{Module, extra_files};

use super::model::IMAGENET_SIDE;
use super::{Row, Sizes, set_threads, timed};
use crate::config::ImageSize;
use crate::console;
use crate::export::{CARD, Card, ExportedModel, has_card, onnx_array};
use crate::failure::Failure;
use crate::measure::{Run, measure_by_turns, scripted};
use crate::model::Network;
use crate::task::{Task, for_task};

/// Channels of the images of a file that does not say them.
const CHANNELS: i64 = 3;

/// Whether `path` is a TorchScript or ONNX file that another program wrote.
pub(super) fn is_foreign(path: &Path) -> bool {
    match Format::of(path) {
        Some(Format::Torchscript) => extra_files(path).is_ok_and(|files| !files.contains_key(CARD)),
        Some(Format::Onnx) => has_card(path).is_ok_and(|has_card| !has_card),
        _ => false,
    }
}

/// Measures a file, if its runtime is here: a TorchScript file at each number of threads, others with the one that their runtime has.
pub(super) fn rows(path: &Path, args: &BenchArgs) -> Result<Vec<Row>, Failure> {
    if is_foreign(path) { foreign_rows(path, args) } else { exported_rows(path, args) }
}

fn exported_rows(path: &Path, args: &BenchArgs) -> Result<Vec<Row>, Failure> {
    let exported = ExportedModel::open(path)?;
    if let Some(stand_in) = exported.stand_in() {
        console::warning(format!("{}: {stand_in}", path.display()));
        return Ok(Vec::new());
    }
    let card = &exported.card;
    let size = args.size.map_or(card.input.size, |size| ImageSize::from(size).sides());
    if !card.input.takes(size) {
        return Err(Failure::usage(format!("{} takes {} only", path.display(), card.input.sizes_in_words())));
    }
    let images = exported.random_input(args.batch, size);
    let sizes = sizes(path, card)?;
    let run = || -> Result<Run<'_>, Failure> { Ok(Box::new(|| exported.run(&images).map(|_| ()))) };
    let top1 = super::published::top1(&card.backbone);
    let threads = if card.format == Format::Torchscript { &args.threads[..] } else { &[1] };
    measured(path, args, size, threads, run, |row| Row { sizes, published_top1: top1, ..row })
}

/// What the network of an exported file costs.
fn sizes(path: &Path, card: &Card) -> Result<Sizes, Failure> {
    let file = card.network_configuration(path)?;
    for_task!(file.task()?, T => {
        let task = T::new(&file.config()?, &card.classes())?;
        Ok(Sizes::of(&task.cost(&Network::<T>::new(&task, Form::Deploy, Device::Cpu)?.model)))
    })
}

fn foreign_rows(path: &Path, args: &BenchArgs) -> Result<Vec<Row>, Failure> {
    let size = args.size.map_or([IMAGENET_SIDE as i64; 2], |size| ImageSize::from(size).sides());
    let images = Tensor::randn([args.batch, CHANNELS, size[0], size[1]], (Kind::Float, Device::Cpu));
    let place = |failure: Failure| {
        Failure::failed(format!("{} does not take fp32 images {:?}: {failure}", path.display(), images.size()))
            .hint("--size HxW and --batch COUNT set others.")
    };
    match Format::of(path) {
        Some(Format::Onnx) => {
            let (session, array) = (Session::load(path)?, onnx_array(&images)?);
            let run = || -> Result<Run<'_>, Failure> {
                session.run(std::slice::from_ref(&array))?;
                Ok(Box::new(|| Ok(session.run(std::slice::from_ref(&array)).map(|_| ())?)))
            };
            measured(path, args, size, &[1], || run().map_err(place), |row| row)
        }
        _ => {
            let run = || -> Result<Run<'_>, Failure> {
                scripted(Module::load(path, Device::Cpu)?, images.shallow_clone(), false)
            };
            measured(path, args, size, &args.threads, || run().map_err(place), |row| row)
        }
    }
}

fn measured<'a>(
    path: &Path,
    args: &BenchArgs,
    size: [i64; 2],
    threads: &[usize],
    run: impl Fn() -> Result<Run<'a>, Failure>,
    complete: impl Fn(Row) -> Row,
) -> Result<Vec<Row>, Failure> {
    let row = |&threads: &usize| {
        set_threads(threads)?;
        let latency_ms = tch::no_grad(|| measure_by_turns(&mut [run()?], timed(args), |_| ()))?[0];
        Ok(complete(Row {
            model: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            engine: "file".to_owned(),
            threads,
            batch: args.batch,
            size,
            sizes: Sizes::default(),
            published_top1: None,
            latency_ms,
            images_per_second: args.batch as f64 / latency_ms.median * 1e3,
        }))
    };
    threads.iter().map(row).collect()
}
