//! The evaluation stage: a network over a set of samples, scored.

use datasets::{Loader, LoaderOptions, Skipped};
use std::path::Path;
use std::sync::Arc;

use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::predictor::Predictor;
use crate::task::{Data, Scorer, Task};

/// How an evaluation runs.
#[derive(Default)]
pub struct EvaluateOptions<'a> {
    /// How samples are read. The order is the set's, and the task may take fewer at a time.
    pub loader: LoaderOptions,
    /// The folder that predictions go to; nothing is written without it.
    pub predictions: Option<&'a Path>,
    /// What may ask the evaluation to end.
    pub interruption: Option<&'a Interruption>,
}

/// What a task's evaluation says.
pub type ReportOf<T> = <<T as Task>::Scorer as Scorer<T>>::Report;

/// Runs `predictor` over `data` once and scores it. Memory grows with the predictions alone.
///
/// # Errors
/// When a sample cannot be read, libtorch fails, or a signal asks for the end.
pub fn evaluate<T: Task>(
    task: &T,
    predictor: &dyn Predictor<T>,
    data: &Data<T::Dataset>,
    options: &EvaluateOptions<'_>,
) -> Result<ReportOf<T>, Failure> {
    let loader_options =
        LoaderOptions { batch_size: task.evaluation_batch(options.loader.batch_size), ..options.loader };
    let loader = Loader::new(Arc::clone(&data.samples), loader_options)?;
    let mut scorer = task.scorer(data, options.predictions)?;
    let mut progress = Progress::new("evaluating", loader.batches() as u64);
    let mut batches = loader.epoch(0, 0)?;
    let mut skipped = 0;
    for batch in &mut batches {
        let batch = batch?;
        options.interruption.map_or(Ok(()), Interruption::check)?;
        skipped += tell_skipped(&batch.skipped);
        let predictions = predictor.predict(task, &batch.samples)?;
        scorer.add(task, &predictions, &batch.samples)?;
        progress.advance(1, String::new);
    }
    progress.finish();
    skipped += tell_skipped(batches.skipped_at_end());
    if skipped > 0 {
        console::warning(format!("{skipped} images could not be read; they count as images without predictions"));
    }
    scorer.finish()
}

/// Says which samples were skipped and why; how many there were.
pub fn tell_skipped(skipped: &[Skipped]) -> usize {
    for sample in skipped {
        console::warning(format!("skipped: {}", sample.reason));
    }
    skipped.len()
}
