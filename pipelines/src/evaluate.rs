//! The evaluation stage: a network over a set of samples, scored.

use datasets::{Loader, LoaderOptions, OnError, Skipped};
use std::path::Path;
use std::sync::Arc;

use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::predictor::Predictor;
use crate::task::{Data, Scorer, Task};

/// How an evaluation runs.
pub struct EvaluateOptions<'a> {
    /// Images a forward pass.
    pub batch_size: usize,
    /// Reading threads.
    pub workers: usize,
    /// What an image that cannot be read does.
    pub on_error: OnError,
    /// The folder that predictions go to; nothing is written without it.
    pub predictions: Option<&'a Path>,
}

/// What a task's evaluation says.
pub type ReportOf<T> = <<T as Task>::Scorer as Scorer<T>>::Report;

/// Runs `predictor` over `data` once and scores it. Memory grows with the predictions alone.
///
/// # Errors
/// When a sample cannot be read, or libtorch fails.
pub fn evaluate<T: Task>(
    task: &T,
    predictor: &dyn Predictor<T>,
    data: &Data<T::Dataset>,
    options: &EvaluateOptions<'_>,
) -> Result<ReportOf<T>, Failure> {
    let loader_options = LoaderOptions {
        batch_size: task.evaluation_batch(options.batch_size),
        workers: options.workers,
        on_error: options.on_error,
        ..LoaderOptions::default()
    };
    let loader = Loader::new(Arc::clone(&data.samples), loader_options).map_err(Failure::failed)?;
    let mut scorer = task.scorer(data, options.predictions)?;
    let mut progress = Progress::new("evaluating", loader.batches() as u64);
    let mut batches = loader.epoch(0, 0).map_err(Failure::failed)?;
    let mut skipped = 0;
    for batch in &mut batches {
        let batch = batch.map_err(Failure::failed)?;
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
