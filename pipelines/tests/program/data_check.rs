//! `data check`, and training on damaged data.

use datasets::{Encoding, Image, Size};
use std::fs;
use std::path::{Path, PathBuf};

use crate::tasks::{TASKS, prepare, train};
use crate::workshop::{Workshop, output, pipeline, read, succeed};
use serde_json::Value;

/// The exit status of `data check`, its report, and standard error.
pub fn check(configuration: &str) -> (Option<i32>, Value, String) {
    let checked = output(&mut pipeline(&["data", "check", configuration, "--json"]));
    let report = serde_json::from_slice(&checked.stdout).expect("JSON");
    (checked.status.code(), report, String::from_utf8_lossy(&checked.stderr).into_owned())
}

pub fn count(report: &Value, kind: &str) -> u64 {
    let kinds = report["kinds"].as_array().expect("kinds");
    kinds.iter().find(|found| found["kind"] == kind).map_or(0, |found| found["count"].as_u64().expect("a count"))
}

#[test]
fn an_intact_set_of_any_task_passes() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        prepare(&workshop, task);
        let (status, report, errors) = check(&workshop.at("task.yaml"));
        assert_eq!(status, Some(0), "{task}: {report} {errors}");
        let images = if task == "classify" { [20, 15] } else { [12, 6] };
        for (split, images) in images.into_iter().enumerate() {
            assert_eq!(report["splits"][split]["decoded"], images, "{task}");
            assert!(report["splits"][split]["classes"].as_array().expect("classes").len() >= 5);
        }
        let table = succeed(&["data", "check", &workshop.at("task.yaml"), "-o", &workshop.at("check.json")]);
        assert!(table.contains("| images ") && table.contains("| circle "), "{table}");
        assert!(table.lines().filter(|line| line.starts_with('|')).all(|line| line.chars().count() <= 100), "{table}");
        let written: Value = serde_json::from_str(&read(workshop.path("check.json"))).expect("JSON");
        assert_eq!(written["splits"], report["splits"]);
    }
}

/// A VOC set to train a detector on, with a truncated image, an empty annotation, a missing image and a box outside.
fn damaged(workshop: &Workshop) {
    fs::write(workshop.path("task.yaml"), workshop.voc_job()).expect("written");
    damage(&workshop.path("shapes"));
}

/// Damages the first four training images of a VOC set.
pub fn damage(root: &Path) {
    let list = read(root.join("ImageSets/Main/train.txt"));
    let ids: Vec<&str> = list.lines().collect();
    let [image, xml] = [("JPEGImages", "jpg"), ("Annotations", "xml")]
        .map(|(folder, ending)| move |id: &str| root.join(folder).join(format!("{id}.{ending}")));
    let bytes = fs::read(image(ids[0])).expect("an image");
    fs::write(image(ids[0]), &bytes[..bytes.len() / 2]).expect("written");
    fs::write(xml(ids[1]), "").expect("written");
    fs::remove_file(image(ids[2])).expect("removed");
    let text = read(xml(ids[3]));
    let object = text.find("<bndbox>").expect("a box");
    let end = object + text[object..].find("</bndbox>").expect("its end");
    let outside = "<bndbox><xmin>5000</xmin><ymin>5000</ymin><xmax>5010</xmax><ymax>5010</ymax>";
    fs::write(xml(ids[3]), format!("{}{outside}{}", &text[..object], &text[end..])).expect("written");
}

#[test]
fn damage_is_listed_and_training_does_what_the_policy_says() {
    let workshop = Workshop::new();
    damaged(&workshop);
    let (status, report, errors) = check(&workshop.at("task.yaml"));
    assert_eq!(status, Some(1), "{errors}");
    assert!(errors.contains("error: 3 errors in the data, the first: /"), "{errors}");
    assert!(errors.contains(".xml:1: "), "the first is an empty annotation: {errors}");
    for (kind, times) in [("unreadable", 1), ("annotation", 1), ("missing", 1), ("box_outside_frame", 1)] {
        assert_eq!(count(&report, kind), times, "{kind}: {report}");
    }
    let list = read(workshop.path("shapes/ImageSets/Main/train.txt"));
    for (finding, id) in report["findings"].as_array().expect("findings").iter().zip([1, 2, 0]) {
        let id = list.lines().nth(id).expect("an id");
        assert!(finding["file"].as_str().expect("a file").contains(id), "{id}: {report}");
    }

    // The annotations are read before anything else.
    let stopped = output(&mut train(&workshop, "stop", &[]));
    let errors = String::from_utf8_lossy(&stopped.stderr);
    assert_eq!(stopped.status.code(), Some(1), "{errors}");
    let empty = workshop.path(&format!("shapes/Annotations/{}.xml", list.lines().nth(1).expect("an id")));
    assert!(errors.contains(&format!("error: {}:", empty.display())), "{errors}");
    assert!(!workshop.path("runs").exists());

    let skipped = output(&mut train(&workshop, "skip", &["data.on_error=skip", "train.batch_size=5"]));
    let errors = String::from_utf8_lossy(&skipped.stderr);
    assert!(skipped.status.success(), "{errors}");
    let warnings = |word: &str| errors.lines().filter(|line| line.starts_with(&format!("warning: {word}"))).count();
    assert_eq!(warnings("left out: "), 2, "{errors}");
    // The truncated image, in each of the two epochs.
    assert_eq!(warnings("skipped: "), 2, "{errors}");
    assert!(errors.contains("2 samples could not be read and were skipped"), "{errors}");
}

#[test]
fn files_of_other_formats_and_copies_across_splits_are_reported() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "classify");
    let folder = |split: &str| workshop.path(&format!("shapes/classify/{split}/circle"));
    let picture = |folder: PathBuf| fs::read_dir(folder).expect("pictures").flatten().next().expect("a picture").path();
    fs::copy(picture(folder("train")), folder("val").join("copy.jpg")).expect("copied");
    let png = Image::filled(Size { height: 40, width: 50 }, [9; 3]).encode(Encoding::Png).expect("encoded");
    fs::write(folder("train").join("png.jpg"), png).expect("written");
    fs::write(folder("train").join("cut.jpg"), b"\xff\xd8\xff").expect("written");
    let (status, report, _) = check(&workshop.at("task.yaml"));
    assert_eq!(status, Some(1));
    for kind in ["shared_image", "wrong_extension", "unreadable"] {
        assert_eq!(count(&report, kind), 1, "{kind}: {report}");
    }
    let table = output(&mut pipeline(&["data", "check", &workshop.at("task.yaml")]));
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let [cut, copy] = [folder("train").join("cut.jpg"), folder("val").join("copy.jpg")];
    assert!(table.contains(&format!("error train: cannot read {}", cut.display())), "{table}");
    assert!(table.contains(&format!("error val: {}: the image is the same as", copy.display())), "{table}");
}
