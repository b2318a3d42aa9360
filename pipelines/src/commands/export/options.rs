//! Which files an export is to write, from its options.

use clap::ValueEnum;
use front::cli::ExportArgs;
use std::path::PathBuf;

use crate::export::{FloatKind, Format, Input};
use crate::failure::Failure;

/// The name of each file of `--all`, before its ending.
const NAME: &str = "model";

/// A file to write.
pub(super) struct Wanted {
    pub(super) format: Format,
    pub(super) path: PathBuf,
    pub(super) input: Input,
    pub(super) precision: FloatKind,
}

impl Wanted {
    /// Refuses what a file in int8 cannot be.
    pub(super) fn check_int8(&self) -> Result<(), Failure> {
        match (self.format, self.precision) {
            (Format::Litert, FloatKind::Fp16) => {
                Err(Failure::usage("a LiteRT file in int8 keeps fp32 where it needs it: leave out --precision fp16"))
            }
            _ => Ok(()),
        }
    }
}

/// The files, after a check of the options.
pub(super) fn wanted(args: &ExportArgs) -> Result<Vec<Wanted>, Failure> {
    if let Some(option) = args.quantization.given().filter(|_| !args.int8) {
        return Err(Failure::usage(format!("{option} is only valid with --int8")));
    }
    if !args.all {
        return Ok(vec![single(args, format(args)?)?]);
    }
    if Format::of(&args.output).is_some() || args.output.is_file() {
        let path = args.output.display();
        return Err(Failure::usage(format!("{path}: --all writes into a folder: -o DIR")));
    }
    Ok(Format::value_variants().iter().map(|&format| one_of_all(args, format)).collect())
}

fn single(args: &ExportArgs, format: Format) -> Result<Wanted, Failure> {
    let refuse = |what: String| Err(Failure::usage(what));
    if args.freeze && format != Format::Torchscript {
        let name = format.name();
        return refuse(format!("--freeze is for TorchScript: in a file for {name} weights are always constants"));
    }
    let precision = args.precision.unwrap_or(format.usual_precision());
    if precision == FloatKind::Fp16 && !matches!(format, Format::Litert | Format::Coreml) {
        return refuse("--precision fp16 is for LiteRT and Core ML files".to_owned());
    }
    if !args.sizes.is_empty() && format != Format::Coreml {
        return refuse(
            "--sizes is for Core ML files: those of other formats take a segmenter's images of any size".to_owned(),
        );
    }
    let input = args.input.unwrap_or(format.usual_input());
    if !format.takes(input) {
        return refuse(match format {
            Format::Litert => {
                "LiteRT files take images with their channels last: --input nhwc or normalized".to_owned()
            }
            Format::Coreml => "Core ML files take pictures: --input image or normalized".to_owned(),
            _ => "--input image is for Core ML files: other formats have nchw and nhwc".to_owned(),
        });
    }
    Ok(Wanted { format, path: args.output.clone(), input, precision })
}

/// A file of `--all`: where a format has not what is asked for, it gets the nearest that it has.
fn one_of_all(args: &ExportArgs, format: Format) -> Wanted {
    let path = args.output.join(format!("{NAME}{}", format.ending()));
    let nearest = match (args.input, format) {
        (None, _) => format.usual_input(),
        (Some(Input::Normalized), _) => Input::Normalized,
        (Some(_), Format::Coreml) => Input::Image,
        (Some(_), Format::Litert) | (Some(Input::Image), _) => Input::Nhwc,
        (Some(other), _) => other,
    };
    let precision = match (args.precision, format) {
        (Some(precision), Format::Coreml) => precision,
        (Some(precision), Format::Litert) if !args.int8 => precision,
        _ => format.usual_precision(),
    };
    Wanted { format, path, input: nearest, precision }
}

/// The format, which `--format` or the ending of the file says.
fn format(args: &ExportArgs) -> Result<Format, Failure> {
    let (path, of_ending) = (args.output.display(), Format::of(&args.output));
    match (args.format, of_ending) {
        (None, Some(format)) => Ok(format),
        (Some(format), Some(found)) if format == found => Ok(format),
        (Some(format), _) => {
            Err(Failure::usage(format!("{path}: a file for {} ends in {}", format.name(), format.ending())))
        }
        (None, None) => {
            let endings: Vec<String> = Format::value_variants().iter().map(|format| format.ending()).collect();
            Err(Failure::usage(format!("{path}: the ending does not name a format"))
                .hint(format!("Files end in {}.", endings.join(", "))))
        }
    }
}
