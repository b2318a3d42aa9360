//! `pipeline quantize`: what a network loses in int8, and where.

use front::cli::QuantizeArgs;

use crate::export::{Source, Trained};
use crate::failure::Failure;
use crate::files;
use crate::quantize;
use crate::report;
use crate::task::for_task;

pub(super) fn run(args: &QuantizeArgs) -> Result<(), Failure> {
    let named = &args.trained;
    let trained = Trained::open(&named.subject, named.weights.as_deref(), named.key.name(), &named.set.overrides)?;
    for_task!(trained.config.task()?, T: Export => {
        let source: Source<T> = Source::build(trained)?;
        let (_, report) = quantize::quantize(&source, &quantize::Options::from(&args.quantization))?;
        files::create_folder(&args.output)?;
        files::write(&args.output.join("quantization.json"), report::json(&report)?.as_bytes())?;
        Ok(report::print(&report, args.json)?)
    })
}
