//! The evaluation stage: a network over a set of samples, scored.
//!
//! | module | what it holds |
//! |---|---|
//! | here | one pass over a set |
//! | [`examples`] | images whose predictions are best, worst and usual |
//! | [`judge`] | accuracy and cost, as `train` and `eval` report them |
//! | [`results`] | a row of results per network, as CSV |

mod examples;
mod judge;
pub mod results;

use datasets::{Loader, LoaderOptions, Skipped};
use std::path::Path;
use std::sync::Arc;

use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::model::Predictor;
use crate::processes::Processes;
use crate::report::Unreadable;
use crate::report::page::{Example, Insight};
use crate::task::{Data, Evaluate, Scorer};
use examples::{Ranking, examples};
pub use examples::{Sample, samples};
pub use judge::{Evaluated, Judging};

/// How an evaluation runs.
pub struct EvaluateOptions<'a> {
    /// How samples are read: in the order of the set, and fewer at a time where the task limits that.
    pub loader: LoaderOptions,
    /// The folder that the names of examples are below.
    pub root: &'a Path,
    /// The folder for predictions, which the first process writes; nothing is written without it.
    pub predictions: Option<&'a Path>,
    /// What can interrupt the evaluation.
    pub interruption: &'a Interruption,
    /// The processes that share the evaluation.
    pub processes: &'a Processes,
}

/// The report of a task.
pub type ReportOf<T> = <<T as Evaluate>::Scorer as Scorer<T>>::Report;

/// The accuracy of a network on a set.
pub struct Accuracy<T: Evaluate> {
    /// The scores.
    pub report: ReportOf<T>,
    /// Images that could not be read, where there are any.
    pub unreadable: Option<Unreadable>,
    /// What is known beyond the scores, where predictions are kept.
    pub insight: Insight,
    /// Images with truth and prediction, where predictions are kept.
    pub examples: Vec<Example>,
}

/// Runs `predictor` over `data` once and scores it. Memory grows with the predictions only.
///
/// Of several processes each predicts for its part of every batch, and every one scores all predictions, in the order of the set: so
/// all have the same report as a single process, and each needs its memory.
///
/// # Errors
/// When a sample cannot be read, libtorch fails, or a signal interrupts it.
pub fn evaluate<T: Evaluate>(
    task: &T,
    predictor: &dyn Predictor<T>,
    data: &Data<T::Dataset>,
    options: &EvaluateOptions<'_>,
) -> Result<Accuracy<T>, Failure> {
    let EvaluateOptions { processes, interruption, .. } = *options;
    let count = processes.count();
    let batch_size = task.evaluation_batch((options.loader.batch_size / count).max(1)) * count;
    let loader_options = LoaderOptions { batch_size, shard: processes.shard(), ..options.loader };
    let loader = Loader::new(Arc::clone(&data.samples), loader_options)?;
    let folder = options.predictions.filter(|_| processes.is_first());
    let mut scorer = task.scorer(data, folder)?;
    let mut ranking = folder.map(|_| Ranking::default());
    let mut progress = Progress::new("evaluating", loader.batches() as u64);
    let mut batches = loader.epoch(0, 0)?;
    let mut skipped = 0;
    for batch in &mut batches {
        let batch = batch?;
        let round = processes.round(batch.samples.len(), warn_skipped(&batch.skipped), interruption)?;
        if let Some(signal) = round.signal {
            return Err(Interruption::failure(signal));
        }
        skipped += round.skipped;
        let mut results = Vec::new();
        if !batch.samples.is_empty() {
            let predictions = predictor.predict(task, &batch.samples)?;
            let of_sample = batch.indices.iter().zip(predictions).zip(&batch.samples);
            for ((index, prediction), sample) in of_sample {
                results.push((*index, scorer.result(task, prediction, sample)?));
            }
        }
        let mut results: Vec<_> = processes.gather(results)?.into_iter().flatten().collect();
        results.sort_by_key(|(index, _)| *index);
        for (index, result) in results {
            if let Some(ranking) = &mut ranking
                && let Some(quality) = scorer.quality(&result)?
            {
                ranking.add(index, quality);
            }
            scorer.add(result)?;
        }
        progress.advance(1, String::new);
    }
    progress.finish();
    skipped += processes.gather(warn_skipped(batches.skipped_at_end()))?.into_iter().sum::<usize>();
    let unreadable = (skipped > 0).then_some(Unreadable { images: skipped, scored: T::Scorer::UNREADABLE });
    unreadable.iter().for_each(|unreadable| console::warning(unreadable.to_string()));
    let (report, insight) = scorer.finish()?;
    let examples = ranking.map_or_else(Vec::new, |ranking| examples(task, predictor, data, (ranking, options.root)));
    Ok(Accuracy { report, unreadable, insight, examples })
}

/// Warns of each skipped sample with its reason; returns how many there are.
pub fn warn_skipped(skipped: &[Skipped]) -> usize {
    for sample in skipped {
        console::own_warning(format!("skipped: {}", sample.reason));
    }
    skipped.len()
}
