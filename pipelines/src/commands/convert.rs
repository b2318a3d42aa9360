//! `pipeline convert`: the same weights under other names.

use front::cli::ConvertArgs;

use crate::console;
use crate::failure::Failure;
use crate::model::{bare_metadata, not_finite, published, read_any_weights, read_weights, write_weights};

pub(super) fn run(args: &ConvertArgs) -> Result<(), Failure> {
    let path = published::resolve(&args.weights)?;
    let place = |error: backbone::Error| Failure::failed(format!("{}: {error}", path.display()));
    let key = args.key.name();
    let weights = match args.allow_not_finite {
        false => read_weights(&path, key)?,
        true => {
            let weights = read_any_weights(&path, key)?;
            if let Some(sentence) = not_finite(&path, &weights) {
                console::warning(sentence);
            }
            weights
        }
    };
    let design = weights.design().map_err(place)?;
    let form = weights.known_form().map_err(place)?;
    console::status(format!(
        "{}: {} in {form} form, names {}, {} tensors",
        path.display(),
        design.title(),
        weights.layout,
        weights.tensors.len()
    ));
    let metadata = weights.metadata.clone().unwrap_or_else(|| bare_metadata(design, form));
    write_weights(&args.output, &weights.tensors, &metadata, args.layout)?;
    console::status(format!("written to {}", args.output.display()));
    Ok(())
}
