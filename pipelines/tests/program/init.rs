//! `pipeline init`: from somebody's folder to a trained model in two commands, in every layout.

use std::fs;
use std::path::Path;

use crate::workshop::{Workshop, fail, output, pipeline, read, succeed};

/// The training images of the synthetic set, without their ending.
fn ids(workshop: &Workshop) -> Vec<String> {
    read(workshop.path("shapes/ImageSets/Main/train.txt")).lines().map(str::to_owned).collect()
}

fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    fs::create_dir_all(to.as_ref().parent().expect("a folder")).expect("made");
    fs::copy(from, to).expect("copied");
}

/// Writes a configuration for the folder `set` and checks what it says of it.
fn init(workshop: &Workshop, expected: &[&str]) -> String {
    let output = output(&mut pipeline(&["init", &workshop.at("set"), "-o", &workshop.at("set.yaml")]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    for words in expected {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    read(workshop.path("set.yaml"))
}

/// Trains the configuration as it is, but for its length.
fn train(workshop: &Workshop) -> String {
    let words = ["train", &workshop.at("set.yaml"), "--output", &workshop.at("runs"), "--name", "set", "--no-latency"];
    let small = ["--set", "train.epochs=1", "--set", "data.size=64", "--set", "data.workers=0"];
    succeed(&[&words[..], &small].concat())
}

#[test]
fn a_detector_is_trained_on_images_beside_a_folder_of_xml_after_init_alone() {
    for annotations in ["annotations", "annots"] {
        let workshop = Workshop::new();
        for id in ids(&workshop) {
            copy(workshop.path(&format!("shapes/JPEGImages/{id}.jpg")), workshop.path(&format!("set/images/{id}.jpg")));
            let xml = workshop.path(&format!("set/{annotations}/{id}.xml"));
            copy(workshop.path(&format!("shapes/Annotations/{id}.xml")), xml);
        }
        let text = init(&workshop, &["VOC: 12 images", "2 images are kept for it", "pipeline train"]);
        assert!(text.contains("task: detect") && text.contains("lists: "), "{text}");
        let table = train(&workshop);
        assert!(table.contains("Average Precision"), "{table}");
        let lists = ["train", "val"].map(|name| read(workshop.path(&format!("set_lists/{name}.txt"))));
        assert_eq!(lists.map(|list| list.lines().count()), [10, 2]);
    }
}

#[test]
fn coco_and_yolo_are_recognised_with_and_without_a_validation_set() {
    let workshop = Workshop::new();
    copy(workshop.path("shapes/coco/instances_train.json"), workshop.path("set/annotations/instances_train.json"));
    for id in ids(&workshop) {
        copy(workshop.path(&format!("shapes/JPEGImages/{id}.jpg")), workshop.path(&format!("set/train/{id}.jpg")));
    }
    let text = init(&workshop, &["COCO: 12 images", "images are kept for it"]);
    assert!(text.contains("format: coco") && text.contains("images: train") && text.contains("list: "), "{text}");
    succeed(&["data", "check", &workshop.at("set.yaml")]);
    let words = ["init", &workshop.at("set"), "-o", &workshop.at("masks.yaml"), "--task", "segment"];
    succeed(&words);
    assert!(
        read(workshop.path("masks.yaml")).starts_with("# Written")
            && read(workshop.path("masks.yaml")).contains("task: segment")
    );
    succeed(&["data", "check", &workshop.at("masks.yaml")]);

    let workshop = Workshop::new();
    for (place, id) in ids(&workshop).iter().enumerate() {
        let split = if place < 8 { "train" } else { "valid" };
        let image = workshop.path(&format!("set/{split}/images/{id}.jpg"));
        copy(workshop.path(&format!("shapes/JPEGImages/{id}.jpg")), image);
        let labels = workshop.path(&format!("set/{split}/labels/{id}.txt"));
        fs::create_dir_all(labels.parent().expect("a folder")).expect("made");
        fs::write(labels, "0 0.5 0.5 0.25 0.25\n1 0.2 0.2 0.1 0.1\n").expect("written");
    }
    let data = "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n";
    fs::write(workshop.path("set/data.yaml"), data).expect("written");
    let text = init(&workshop, &["YOLO: 8 images", "2 classes: cat, dog"]);
    assert!(text.contains("data: data.yaml") && !workshop.path("set_lists").exists(), "{text}");
    succeed(&["data", "check", &workshop.at("set.yaml")]);
    fs::remove_file(workshop.path("set/data.yaml")).expect("removed");
    fs::write(workshop.path("set/train/labels/classes.txt"), "cat\ndog\n").expect("written");
    fs::write(workshop.path("set/valid/labels/classes.txt"), "cat\ndog\n").expect("written");
    fs::remove_file(workshop.path("set.yaml")).expect("removed");
    let text = init(&workshop, &["YOLO: 8 images", "2 classes: cat, dog"]);
    assert!(text.contains("images: train/images"), "{text}");
    succeed(&["data", "check", &workshop.at("set.yaml")]);
}

#[test]
fn a_classifier_is_trained_on_class_folders_and_on_a_csv() {
    let workshop = Workshop::with_folders();
    fs::rename(workshop.path("shapes/classify/train"), workshop.path("set")).expect("moved");
    init(&workshop, &["class folders: 20 images", "4 images are kept for it", "5 classes: circle"]);
    let table = train(&workshop);
    assert!(table.contains("top-1"), "{table}");

    let workshop = Workshop::with_folders();
    fs::rename(workshop.path("shapes/classify/train"), workshop.path("set/images")).unwrap_or_else(|_| {
        fs::create_dir_all(workshop.path("set")).expect("made");
        fs::rename(workshop.path("shapes/classify/train"), workshop.path("set/images")).expect("moved");
    });
    let mut csv = "filename,label\n".to_owned();
    for class in ["circle", "square"] {
        for image in fs::read_dir(workshop.path(&format!("set/images/{class}"))).expect("images") {
            let name = image.expect("an image").file_name().into_string().expect("text");
            csv.push_str(&format!("{class}/{name},{class}\n"));
        }
    }
    fs::write(workshop.path("set/labels.csv"), csv).expect("written");
    init(&workshop, &["images with a file of labels: 8 images", "2 classes: circle, square"]);
    succeed(&["data", "check", &workshop.at("set.yaml")]);
}

#[test]
fn a_segmenter_is_trained_on_drawings_in_black_and_white() {
    let workshop = Workshop::new();
    for id in ids(&workshop) {
        copy(workshop.path(&format!("shapes/JPEGImages/{id}.jpg")), workshop.path(&format!("set/images/{id}.jpg")));
        let mask = datasets::Mask::read(&workshop.path(&format!("shapes/SegmentationClass/{id}.png"))).expect("a mask");
        let data = mask.data.iter().map(|&class| if (1..=20).contains(&class) { 255 } else { 0 }).collect();
        let drawing = datasets::Mask { data, ..mask }.encode(&[[0; 3]; 256].concat()).expect("a PNG");
        let file = workshop.path(&format!("set/masks/{id}_mask.png"));
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, drawing).expect("written");
    }
    let text = init(&workshop, &["images and masks: 12 images", "2 classes: background, object"]);
    assert!(text.contains("mask_suffix: _mask") && text.contains("ignore: 254"), "{text}");
    let table = train(&workshop);
    assert!(table.contains("IoU"), "{table}");
}

#[test]
fn what_init_cannot_use_is_said_and_nothing_is_overwritten() {
    let workshop = Workshop::new();
    fs::create_dir_all(workshop.path("set")).expect("made");
    let words = ["init", &workshop.at("set"), "-o", &workshop.at("set.yaml")];
    let error = fail(&words, 1);
    assert!(error.contains("no known layout"), "{error}");
    let error = fail(&["init", &workshop.at("shapes"), "-o", &workshop.at("job.yaml")], 2);
    assert!(error.contains("job.yaml already exists") && error.contains("--force"), "{error}");
    let error = fail(&["init", &workshop.at("shapes"), "-o", &workshop.at("set.yaml"), "--task", "classify"], 2);
    assert!(error.contains("which is data to detect and not to classify"), "{error}");
    let text = init_with_splits(&workshop);
    assert!(text.contains("split: train") && text.contains("split: val"), "{text}");
}

/// The synthetic set's own folder is a devkit with both splits.
fn init_with_splits(workshop: &Workshop) -> String {
    succeed(&["init", &workshop.at("shapes"), "-o", &workshop.at("set.yaml")]);
    read(workshop.path("set.yaml"))
}
