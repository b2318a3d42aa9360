//! `pipeline score` on a VOC devkit, where images may have to be measured; the rest is in `front`.

use datasets::voc::Classes;
use eval::voc;
use eval::voc::{FileIds, VocOptions, VocReport, inclusive};
use front::cli::ScoreArgs;
use front::score;

use crate::failure::Failure;

pub(super) fn run(args: &ScoreArgs) -> Result<(), Failure> {
    score::check(args)?;
    Ok(score::show(args, &voc_report(args)?)?)
}

/// Detections against a VOC devkit folder.
fn voc_report(args: &ScoreArgs) -> Result<VocReport, Failure> {
    let split = args.split.as_deref().ok_or_else(|| {
        Failure::usage("a VOC devkit has several lists of images")
            .hint("Add --split NAME, the list in ImageSets/Main without its ending, for example --split val.")
    })?;
    let names = args.class_names.as_ref().map(|_| score::class_names(args)).transpose()?;
    let classes = names.as_deref().map_or(Classes::Collected, Classes::Given);
    let set = datasets::voc::read_annotations(&args.annotations, split, classes).map_err(Failure::failed)?;
    crate::task::warn_findings("annotations", &set.findings);
    let stem = |record: &datasets::Record| record.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let objects = set.records.iter().flat_map(|record| {
        record.objects.iter().map(|object| voc::Object {
            image: stem(record),
            class: object.class,
            bbox: inclusive(object.bbox),
            difficult: object.difficult,
        })
    });
    let names: Vec<String> = set.classes.iter().map(|class| class.name.clone()).collect();
    let truth = voc::GroundTruth::from_parts(set.records.iter().map(stem).collect(), names, objects.collect());
    let truth = truth.map_err(Failure::failed)?;
    let ids = FileIds {
        images: set.records.iter().map(|record| record.image_id).collect(),
        classes: set.classes.iter().map(|class| class.id).collect(),
    };
    voc::score_files(truth, &ids, &args.predictions, VocOptions::default()).map_err(Failure::failed)
}
