//! The check of real sets, where they are at hand: in `REAL_DATA`, or beside the repository as `shared/data`.

#![allow(clippy::print_stderr)] // A skipped test says so.

mod support;

use datasets::check::{CheckFinding, Kind, check};
use datasets::voc::{self, Classes};
use datasets::{CheckOptions, CheckReport, Checked, Split, coco, folder, segmentation};
use support::set_folder;

/// Checks the splits, of which every image can be decoded.
fn checked(splits: &[Split]) -> CheckReport {
    let report = check(splits, &CheckOptions::default(), &|_, _| {}).expect("valid options");
    assert!(report.splits.iter().all(|split| split.images > 0 && split.decoded == split.images));
    report
}

fn counts(report: &CheckReport) -> Vec<(Kind, usize)> {
    report.kinds.iter().map(|met| (met.kind, met.count)).collect()
}

#[test]
fn bccd_has_its_two_boxes_without_area_and_nothing_else() {
    let Some(root) = set_folder("bccd_voc/BCCD") else { return };
    let names = ["Platelets", "RBC", "WBC"].map(str::to_owned);
    let split = |name| {
        Split::read(name, |on_error| {
            voc::read_with(&root, name, Classes::Given(&names), on_error).map(Checked::Detection)
        })
    };
    let report = checked(&["train", "val", "test"].map(split));
    assert_eq!(counts(&report), [(Kind::BoxWithoutArea, 2)]);
    let told = |finding: &CheckFinding| {
        (finding.split.clone(), finding.file.file_name().expect("a file").to_owned(), finding.place.clone())
    };
    let expected = [("train", "BloodImage_00343.jpg", 4), ("val", "BloodImage_00338.jpg", 13)];
    let expected =
        expected.map(|(split, file, object)| (split.into(), file.into(), Some(format!("object {object} (RBC)"))));
    assert_eq!(report.findings.iter().map(told).collect::<Vec<_>>(), expected);
    let boxes = report.splits[0].box_sizes.as_ref().expect("boxes");
    assert_eq!((boxes.small, boxes.medium, boxes.large), (20, 775, 2009));
}

#[test]
fn coco_subset_has_its_crowds_and_three_images_without_objects() {
    let Some(root) = set_folder("coco2017_subset") else { return };
    let split = |name: &str| {
        let annotations = root.join(format!("annotations/instances_{name}.json"));
        Split::read(name, |on_error| coco::read_with(&root.join(name), &annotations, on_error).map(Checked::Detection))
    };
    let report = checked(&["train2017", "val2017"].map(split));
    assert_eq!(counts(&report), [(Kind::ImageWithoutObjects, 3), (Kind::Crowd, 40)]);
    let boxes = report.splits[1].box_sizes.as_ref().expect("boxes");
    assert_eq!((boxes.small, boxes.medium, boxes.large), (782, 571, 412));
}

#[test]
fn voc_subset_has_its_difficult_objects_and_sound_masks() {
    let Some(root) = set_folder("voc2012_subset/VOCdevkit/VOC2012") else { return };
    let names: Vec<String> = segmentation::voc::CLASSES.map(str::to_owned).to_vec();
    let boxes = |name| {
        Split::read(name, |on_error| {
            voc::read_with(&root, name, Classes::Given(&names), on_error).map(Checked::Detection)
        })
    };
    let report = checked(&["train", "val"].map(boxes));
    let masks = |name| {
        Split::read(name, |on_error| {
            segmentation::voc::read_with(&root, name, None, on_error).map(Checked::Segmentation)
        })
    };
    let segmented = checked(&["train", "val"].map(masks));
    assert_eq!((counts(&report), counts(&segmented)), (vec![(Kind::Difficult, 147)], vec![]));
}

#[test]
fn imagenette_has_its_grey_pictures() {
    let Some(root) = set_folder("imagenette224_subset") else { return };
    let split = |name: &str| {
        Split::read(name, |_| folder::read(&root.join(name), Classes::Collected).map(Checked::Classification))
    };
    let report = checked(&["train", "val"].map(split));
    assert_eq!(counts(&report), []);
    assert_eq!(report.splits.iter().map(|split| split.facts.grey).collect::<Vec<_>>(), [61, 15]);
}
