//! `pipeline bench --analyze --export DIR`: the networks as files for the benchmark tools of other devices.

use front::words::{FloatKind, Format, Input};
use std::path::Path;
use tch_ext::system;

use super::model::Model;
use crate::console;
use crate::export::{CARD, Card, CardClass, CardInput, assemble, assemble_litert, assemble_onnx, portable};
use crate::failure::Failure;
use crate::files;
use crate::model::graph_of;
use crate::task::{Convention, Export, OutputKind};

/// The formats, and the ends of their files' names.
const FORMATS: [(Format, &str); 4] =
    [(Format::Torchscript, "pt"), (Format::Lite, "ptl"), (Format::Onnx, "onnx"), (Format::Litert, "tflite")];

/// Writes the deploy form of a network in every format, with its own outputs for normalised images. A format that cannot hold it is a
/// warning.
pub(super) fn write<T: Export>(folder: &Path, name: &str, model: &Model<T>) -> Result<(), Failure> {
    files::create_folder(folder)?;
    for (format, ending) in FORMATS {
        let path = folder.join(format!("{name}.{ending}"));
        match write_one(&path, name, model, format) {
            Ok(()) => console::status(format!("written to {}", path.display())),
            Err(failure) => console::warning(format!("{} is not written: {failure}", path.display())),
        }
    }
    Ok(())
}

fn write_one<T: Export>(path: &Path, name: &str, model: &Model<T>, format: Format) -> Result<(), Failure> {
    let Model { task, forms, config, classes, size } = model;
    let network = &forms.deploy;
    let steps = task.final_steps(OutputKind::Raw);
    let design = config.backbone.design()?;
    let card = Card {
        name: name.to_owned(),
        task: config.task,
        format,
        int8: false,
        precision: FloatKind::Fp32,
        variant: design.name().map(str::to_owned),
        backbone: design,
        input: CardInput {
            kind: Input::Normalized,
            size: *size,
            sizes: Vec::new(),
            fixed_size: steps.fixed_size,
            single: false,
            normalization: config.normalization(),
        },
        outputs: task.outputs_by(Convention::of(format), OutputKind::Raw),
        output_kind: OutputKind::Raw,
        classes: classes.iter().map(|class| CardClass { id: class.id, name: class.name.clone() }).collect(),
        metric: None,
        producer: format!("pipeline {}, libtorch {}", env!("CARGO_PKG_VERSION"), system::libtorch_version()),
        config: portable(config, &std::env::current_dir().map_err(Failure::failed)?, None)?,
    };
    let extras = [(CARD.to_owned(), card.to_json()?)].into();
    let module = || assemble(task, network, None, &card, &steps);
    match format {
        Format::Torchscript => module()?.freeze(&[])?.save(path, &extras)?,
        Format::Lite => module()?.optimize_for_mobile(&[])?.save_for_mobile(path, &extras)?,
        Format::Onnx => assemble_onnx(task, network, &graph_of(task, network)?, &card)?.write(path)?,
        _ => files::write(path, &assemble_litert(task, network, &graph_of(task, network)?, &card, false)?)?,
    }
    Ok(())
}
