//! `pipeline data`.

use datasets::shapes::{self, Outcome, ShapesOptions};

use crate::cli::{DataCommand, ShapesArgs};
use crate::console;
use crate::failure::Failure;

pub(super) fn run(command: &DataCommand) -> Result<(), Failure> {
    match command {
        DataCommand::Shapes(args) => shapes(args),
    }
}

fn shapes(args: &ShapesArgs) -> Result<(), Failure> {
    let options = ShapesOptions {
        train: args.train,
        val: args.val,
        classify_train: args.classify_train,
        classify_val: args.classify_val,
        seed: args.seed,
        ..ShapesOptions::default()
    };
    let outcome = shapes::write(&args.folder, &options).map_err(Failure::failed)?;
    let done = match outcome {
        Outcome::Written => "written to",
        Outcome::Present => "already in",
    };
    console::status(format!("{} + {} images of shapes {done} {}", args.train, args.val, args.folder.display()));
    Ok(())
}
