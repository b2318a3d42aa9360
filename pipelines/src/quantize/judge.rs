//! Two networks on the validation set.

use datasets::{Loader, LoaderOptions};
use std::sync::Arc;

use super::Accuracy;
use crate::console::Progress;
use crate::evaluate::{ReportOf, warn_skipped};
use crate::export::Source;
use crate::failure::Failure;
use crate::model::Predictor;
use crate::report::Report;
use crate::task::{Data, Export, Pairing, Scorer};

/// Runs both predictors, A and B, over the validation set once.
///
/// # Errors
/// When a sample cannot be read, or libtorch fails.
pub(super) fn judge<T: Export>(
    source: &Source<T>,
    data: &Data<T::Dataset>,
    [a, b]: [&dyn Predictor<T>; 2],
) -> Result<Accuracy, Failure> {
    let Source { task, config, .. } = source;
    let batch_size = task.evaluation_batch(config.train.batch_size);
    let loader = Loader::new(Arc::clone(&data.samples), LoaderOptions { batch_size, ..config.data.loader() })?;
    let scorer = task.scorer(data, None)?;
    let mut pairing = task.pairing(data)?;
    let mut progress = Progress::new("comparing with floating point", loader.batches() as u64);
    let mut batches = loader.epoch(0, 0)?;
    for batch in &mut batches {
        let batch = batch?;
        warn_skipped(&batch.skipped);
        if !batch.samples.is_empty() {
            let predicted = a.predict(task, &batch.samples)?.into_iter().zip(b.predict(task, &batch.samples)?);
            for ((a, b), sample) in predicted.zip(&batch.samples) {
                pairing.add(scorer.result(task, a, sample)?, scorer.result(task, b, sample)?)?;
            }
        }
        progress.advance(1, String::new);
    }
    progress.finish();
    warn_skipped(batches.skipped_at_end());
    let paired = pairing.finish()?;
    let headline = ReportOf::<T>::HEADLINE;
    Ok(Accuracy { headline, agreement_of: T::Pairing::AGREEMENT, paired })
}
