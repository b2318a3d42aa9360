//! `pipeline predict`.

use backbone::Mode;
use backbone::checkpoint;
use serde_json::Value;
use std::path::Path;

use super::{classes_of, deployed, run_config, run_weights, to_json};
use crate::batch::Normalizer;
use crate::cli::PredictArgs;
use crate::config::{Config, TaskKind};
use crate::console::{self, Progress};
use crate::device;
use crate::failure::Failure;
use crate::run_folder::{RunFolder, write_whole};
use crate::task::{RenderOptions, Task, detect::Detect};

pub(super) fn run(args: &PredictArgs) -> Result<(), Failure> {
    let run = RunFolder::open(&args.run)?;
    let file = run_config(&run, &[])?;
    match file.task()? {
        TaskKind::Detect => predict::<Detect>(args, &run, &file.config()?),
    }
}

fn predict<T: Task>(args: &PredictArgs, run: &RunFolder, config: &Config<T::Keys>) -> Result<(), Failure> {
    let device = device::select(&args.device.device)?;
    let path = args.weights.clone().map_or_else(|| run_weights(run), Ok)?;
    let weights = checkpoint::read(&path).map_err(Failure::failed)?;
    let classes = classes_of(&weights)
        .ok_or_else(|| Failure::failed(format!("{} does not say which classes it knows", path.display())))?;
    let task = T::new(config, &classes)?;
    let network = deployed(&task, weights, device)?;
    let normalizer = Normalizer::new(&config.data.normalize, device, true);
    let options = RenderOptions { folder: args.output.clone(), threshold: args.threshold };
    if let Some(folder) = &options.folder {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    }
    let mut results: Vec<Value> = Vec::new();
    let mut unreadable = 0;
    let mut progress = Progress::new("predicting", args.images.len() as u64);
    for image in &args.images {
        match one(&task, &network.model, &normalizer, image, &options) {
            Ok(found) => results.extend(found),
            Err(failure) => {
                unreadable += 1;
                console::warning(failure.to_string());
            }
        }
        progress.advance(1, || image.display().to_string());
    }
    progress.finish();
    let json = to_json(&results)?;
    match &options.folder {
        Some(folder) => {
            write_whole(&folder.join("predictions.json"), json.as_bytes())?;
            console::status(format!("{} images predicted into {}", results.len(), folder.display()));
        }
        None => console::data(&json)?,
    }
    match unreadable {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} of {} images could not be predicted", args.images.len()))),
    }
}

fn one<T: Task>(
    task: &T,
    model: &T::Model,
    normalizer: &Normalizer,
    image: &Path,
    options: &RenderOptions,
) -> Result<Vec<Value>, Failure> {
    let batch = [task.prepare(image)?];
    tch::no_grad(|| {
        let images = normalizer.batch(batch.iter().map(T::image));
        let output = task.forward(model, &images, Mode::Eval)?;
        task.render(model, &output, &batch, options)
    })
}
