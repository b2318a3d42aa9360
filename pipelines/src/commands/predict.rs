//! `pipeline predict`.

use backbone::Mode;
use backbone::checkpoint;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{classes_of, deployed, for_task, run_config, run_weights, to_json};
use crate::batch::Normalizer;
use crate::cli::PredictArgs;
use crate::config::Config;
use crate::console::{self, Progress};
use crate::device;
use crate::failure::Failure;
use crate::run_folder::{RunFolder, write_whole};
use crate::task::{RenderOptions, Task};

pub(super) fn run(args: &PredictArgs) -> Result<(), Failure> {
    let run = RunFolder::open(&args.run)?;
    let file = run_config(&run, &[])?;
    for_task!(file.task()?, T => predict::<T>(args, &run, &file.config()?))
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
    if let Some(folder) = &args.output {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::failed(format!("{} cannot be made: {error}", folder.display())))?;
    }
    let mut results: Vec<Value> = Vec::new();
    let mut unreadable = 0;
    let mut progress = Progress::new("predicting", args.images.len() as u64);
    let mut taken = HashSet::new();
    for image in &args.images {
        let picture = args.output.as_deref().map(|folder| free_place(folder, image, &mut taken));
        let options = RenderOptions { picture, threshold: args.threshold };
        match one(&task, &network.model, &normalizer, image, &options) {
            Ok(found) => results.push(found),
            Err(failure) => {
                unreadable += 1;
                console::warning(failure.to_string());
            }
        }
        progress.advance(1, || image.display().to_string());
    }
    progress.finish();
    let json = to_json(&results)?;
    match &args.output {
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
) -> Result<Value, Failure> {
    let sample = task.prepare(image)?;
    tch::no_grad(|| {
        let images = normalizer.batch([T::image(&sample)].into_iter());
        let output = task.forward(model, &images, Mode::Eval)?;
        task.render(model, &output, &sample, options)
    })
}

/// Where an image's pictures go, without their ending: named like the image, and numbered where an earlier one has that name.
fn free_place(folder: &Path, image: &Path, taken: &mut HashSet<String>) -> PathBuf {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (mut name, mut number) = (stem.clone(), 1);
    while !taken.insert(name.clone()) {
        number += 1;
        name = format!("{stem}-{number}");
    }
    folder.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_one_name_get_pictures_of_their_own() {
        let mut taken = HashSet::new();
        let places = ["x-2.jpg", "a/x.jpg", "b/x.png", "c/x.jpg", "y.jpg"]
            .map(|image| free_place(Path::new("out"), Path::new(image), &mut taken));
        let mut distinct = places.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), places.len(), "{places:?}");
        assert_eq!(places[1], Path::new("out/x"));
        assert_eq!(places[2], Path::new("out/x-3"));
    }
}
