//! `pipeline predict`: predictions for images, folders, lists and videos.

use datasets::inputs::{Input, InputOptions, Inputs};
use datasets::{Class, draw};
use front::cli::PredictArgs;
use std::io::BufRead;
use std::path::Path;

use crate::config::Config;
use crate::console::{self, Progress};
use crate::export::ExportedModel;
use crate::failure::Failure;
use crate::files;
use crate::model::{Eager, Normalizer, Predictor, deployed, device, known_classes, published, read_weights};
use crate::report::{ImageIds, PredictionFile};
use crate::run::RunFolder;
use crate::task::{Evaluate, RenderOptions, Task, for_task};

pub(super) fn run(args: &PredictArgs) -> Result<(), Failure> {
    args.key.of_weights(args.weights.as_deref())?;
    if ExportedModel::is_at(&args.subject) {
        let exported = ExportedModel::open(&args.subject)?;
        if let Some(stand_in) = exported.stand_in() {
            console::status(format!("{}: {stand_in}", args.subject.display()));
        }
        if args.weights.is_some() {
            return Err(Failure::usage("--weights is only valid with a run: an exported file has its own"));
        }
        let file = exported.card.network_configuration(&args.subject)?;
        return for_task!(file.task()?, T: Export => {
            let config: Config<<T as Task>::Keys> = file.config()?;
            let classes = exported.card.classes();
            predict(args, &config, (&T::new(&config, &classes)?, &classes), &exported)
        });
    }
    let run = RunFolder::open(&args.subject)?;
    let file = run.configuration(&[])?;
    for_task!(file.task()?, T => predict_with_run::<T>(args, &run, &file.config()?))
}

fn predict_with_run<T: Evaluate>(args: &PredictArgs, run: &RunFolder, config: &Config<T::Keys>) -> Result<(), Failure> {
    let device = device::select(&args.device.device)?;
    let path = args.weights.as_deref().map_or_else(|| run.best_weights(), published::resolve)?;
    let weights = read_weights(&path, args.key.name())?;
    let classes = known_classes(&weights, &path)?;
    let task = T::new(config, &classes)?;
    let network = deployed(&task, weights, device, config.train.channels_last)?;
    let normalizer = Normalizer::new(&config.normalization(), device, config.train.channels_last);
    predict(
        args,
        config,
        (&task, &classes),
        &Eager { network: &network, normalizer: &normalizer, precision: config.train.precision },
    )
}

fn predict<T: Evaluate>(
    args: &PredictArgs,
    config: &Config<T::Keys>,
    (task, classes): (&T, &[Class]),
    predictor: &dyn Predictor<T>,
) -> Result<(), Failure> {
    if let Some(folder) = &args.output {
        files::create_folder(folder)?;
        warn_undrawable(classes);
    }
    let options = InputOptions { recursive: args.recursive, every: args.every, pixels: config.pixels() };
    let inputs = Inputs::new(&args.inputs, options, std::io::stdin().lock()).map_err(Failure::usage)?;
    let ids = ImageIds::new(args.annotations.as_deref())?;
    let mut progress = Progress::new("predicting", inputs.total().unwrap_or(0) as u64);
    let mut work = Work {
        task,
        predictor,
        args,
        file: PredictionFile::create(args.output.as_deref(), args.format, T::COLUMNS, ids)?,
        waiting: Vec::new(),
        done: 0,
        failed: 0,
    };
    work.all(inputs, &mut progress)?;
    progress.finish();
    let Work { file, done, failed, .. } = work;
    file.finish()?;
    if let Some(folder) = &args.output {
        console::status(format!("{done} images predicted into {}", folder.display()));
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} of {} inputs could not be predicted", count + done))),
    }
}

/// Warns of names that pictures cannot show as they are.
fn warn_undrawable(classes: &[Class]) {
    let letters = draw::undrawable(classes.iter().map(|class| class.name.as_str()));
    if let Some(first) = letters.first() {
        console::warning(format!(
            "no font of this machine has {} characters of class names, such as {first}: pictures show ? there. Debian's packages \
             fonts-noto and fonts-noto-cjk have almost all scripts",
            letters.len()
        ));
    }
}

/// Predicts inputs as they come; holds at most one batch of them.
struct Work<'a, T: Evaluate> {
    task: &'a T,
    predictor: &'a dyn Predictor<T>,
    args: &'a PredictArgs,
    file: PredictionFile,
    /// Prepared images of one size.
    waiting: Vec<(Input, T::Sample)>,
    done: usize,
    failed: usize,
}

impl<T: Evaluate> Work<'_, T> {
    fn all(&mut self, inputs: Inputs<impl BufRead>, progress: &mut Progress) -> Result<(), Failure> {
        for input in inputs {
            let shown = input.as_ref().map_or_else(|_| String::new(), |input| input.path.display().to_string());
            match input
                .map_err(Failure::failed)
                .and_then(|input| Ok((self.task.prepare(&input.image, &input.path)?, input)))
            {
                Ok((sample, input)) => self.take(input, sample)?,
                Err(failure) => self.fail(&failure),
            }
            progress.advance(1, || shown);
        }
        self.flush()
    }

    fn take(&mut self, input: Input, sample: T::Sample) -> Result<(), Failure> {
        let size = |sample: &T::Sample| T::image(sample).size();
        if self.waiting.first().is_some_and(|(_, first)| size(first) != size(&sample)) {
            self.flush()?;
        }
        self.waiting.push((input, sample));
        if self.waiting.len() == self.args.batch { self.flush() } else { Ok(()) }
    }

    /// Predicts the waiting inputs. Only a failed write is an error.
    fn flush(&mut self) -> Result<(), Failure> {
        let (inputs, samples): (Vec<Input>, Vec<T::Sample>) = std::mem::take(&mut self.waiting).into_iter().unzip();
        if samples.is_empty() {
            return Ok(());
        }
        let predictions = match self.predictor.predict(self.task, &samples) {
            Ok(predictions) => predictions,
            Err(failure) => {
                for input in &inputs {
                    self.fail(&Failure::failed(format!("{}: {failure}", input.path.display())));
                }
                return Ok(());
            }
        };
        for ((prediction, sample), input) in predictions.iter().zip(&samples).zip(&inputs) {
            let picture = self.args.output.as_deref().map(|folder: &Path| folder.join(&input.name));
            let options = RenderOptions { picture, threshold: self.args.threshold };
            let predicted = self.task.render(prediction, sample, &input.image, &options)?;
            self.file.add(input, predicted)?;
            self.done += 1;
        }
        Ok(())
    }

    fn fail(&mut self, failure: &Failure) {
        self.failed += 1;
        console::warning(failure.to_string());
    }
}
