//! Every error that a user can cause, as listed in `docs/errors.md`: exit status, one sentence, and a hint.
//!
//! With `UPDATE_ERRORS=1` (and one test at a time) the tests write the page instead of comparing it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tasks::{prepare, train, train_task};
use crate::workshop::{Workshop, output, pipeline, read};

/// In the page's order.
const SECTIONS: [&str; 7] = [
    "The command line",
    "Configurations",
    "Images with boxes",
    "Masks and class folders",
    "Runs",
    "Weights and exported files",
    "Files to score",
];

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md")
}

/// The rows of a section, collected and compared.
struct Section<'a> {
    name: &'static str,
    workshop: &'a Workshop,
    rows: Vec<String>,
}

impl<'a> Section<'a> {
    fn new(name: &'static str, workshop: &'a Workshop) -> Self {
        Self { name, workshop, rows: Vec::new() }
    }

    /// A cause, and arguments of `pipeline` that trigger it.
    fn case(&mut self, cause: &str, arguments: &[&str]) {
        self.run(cause, &mut pipeline(arguments));
    }

    /// A cause, and overrides of a training that trigger it.
    fn training(&mut self, cause: &str, overrides: &[&str]) {
        self.run(cause, &mut train(self.workshop, "errors", overrides));
    }

    fn run(&mut self, cause: &str, command: &mut Command) {
        let ended = output(command.env_remove("COCO_ROOT"));
        let text = String::from_utf8(ended.stderr).expect("standard error is text");
        for trace in ["panicked", "frame #", "Exception raised", "stack backtrace"] {
            assert!(!text.contains(trace), "{cause}: {text}");
        }
        let said = |word: &str| {
            let mut lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(word));
            let first = lines.next().unwrap_or_default().trim().to_owned();
            assert!(lines.next().is_none(), "{cause} is reported twice: {text}");
            first
        };
        let error = said("error: ");
        assert!(!error.is_empty(), "{cause}: nothing is reported: {text}");
        let hint = [said("hint: "), said("tip: ")].concat();
        let status = ended.status.code().expect("it ended by itself");
        assert!([1, 2].contains(&status), "{cause}: {status}: {text}");
        let place = self.workshop.at("");
        let cell = |text: &str| text.replace(&place, "").replace('|', "\\|");
        let warning = text.lines().find_map(|line| line.strip_prefix("warning: ")).map(cell);
        let before = warning.map(|warning| format!("(warning: {warning}) ")).unwrap_or_default();
        self.rows.push(format!("| {cause} | {status} | {before}{} | {} |", cell(&error), cell(&hint)));
    }

    /// Compares the rows with the page.
    fn close(self) {
        let found = format!(
            "## {}\n\n| cause | status | error | hint |\n|---|---|---|---|\n{}\n",
            self.name,
            self.rows.join("\n")
        );
        let text = read(page());
        let (introduction, mut sections) = sections(&text);
        let place = SECTIONS.iter().position(|name| *name == self.name).expect("a known section");
        if std::env::var_os("UPDATE_ERRORS").is_some() {
            sections[place] = found.trim_end().to_owned();
            let written: Vec<&str> = std::iter::once(introduction.as_str())
                .chain(sections.iter().map(String::as_str).filter(|section| !section.is_empty()))
                .collect();
            fs::write(page(), written.join("\n\n") + "\n").expect("written");
            return;
        }
        let known: Vec<&str> = sections[place].lines().collect();
        let found: Vec<&str> = found.trim_end().lines().collect();
        for (known, found) in known.iter().zip(&found) {
            assert_eq!(found, known, "docs/errors.md differs; UPDATE_ERRORS=1 writes it");
        }
        assert_eq!(known.len(), found.len(), "docs/errors.md has other rows");
    }
}

/// The text before the first section, and each section; an empty one where the page has none of that name.
fn sections(text: &str) -> (String, Vec<String>) {
    let mut parts = text.split("\n\n## ");
    let introduction = parts.next().unwrap_or_default().trim_end().to_owned();
    let parts: Vec<&str> = parts.collect();
    let of = |name: &&str| parts.iter().find(|part| part.lines().next() == Some(name));
    let sections = SECTIONS.iter().map(|name| of(name).map_or(String::new(), |part| format!("## {}", part.trim_end())));
    (introduction, sections.collect())
}

/// Writes `name` as `job.yaml` with one piece replaced; its path.
fn variant(workshop: &Workshop, name: &str, from: &str, to: &str) -> String {
    let text = read(workshop.path("job.yaml"));
    assert!(text.contains(from), "{from}");
    fs::write(workshop.path(name), text.replacen(from, to, 1)).expect("written");
    workshop.at(name)
}

#[test]
fn the_command_line() {
    let workshop = Workshop::new();
    let run = train_task(&workshop, "detect");
    let image = workshop.training_image().to_string_lossy().into_owned();
    let mut section = Section::new("The command line", &workshop);
    section.case("an unknown option", &["train", &workshop.at("job.yaml"), "--epoch", "3"]);
    section.case("a configuration that does not exist", &["train", "detct"]);
    section.case("an unknown device", &["train", &workshop.at("job.yaml"), "--device", "tpu"]);
    section
        .case("a configuration beside a configuration", &["eval", &workshop.at("job.yaml"), &workshop.at("job.yaml")]);
    section.case("a configuration without weights", &["eval", &workshop.at("job.yaml")]);
    section.case("an input that does not exist", &["predict", &run, &workshop.at("nothing.jpg")]);
    section.case("a pattern that matches no file", &["predict", &run, &workshop.at("none/*.jpg")]);
    section.case("a folder without pictures", &["predict", &run, &workshop.at("runs/detect")]);
    section.case("an input that is not an image", &["predict", &run, &workshop.at("job.yaml")]);
    section.case("an output folder that cannot be created", &["predict", &run, &image, "-o", "/dev/null/out"]);
    section.case("an unknown model", &["bench", "s9"]);
    section.case("an unknown variant", &["info", "s9"]);
    section.case("a processor that does not exist", &["bench", "s0", "--pin", "4095"]);
    let results = ["--device-results", &workshop.at("job.yaml")];
    section.case("a device's results without times", &[&["bench", "--analyze", "s0"][..], &results].concat());
    section.close();
}

#[test]
fn configurations() {
    let workshop = Workshop::new();
    prepare(&workshop, "detect");
    let mut section = Section::new("Configurations", &workshop);
    let mut file = |cause: &str, from: &str, to: &str| {
        let path = variant(&workshop, "wrong.yaml", from, to);
        section.case(cause, &["train", &path]);
    };
    file("a file that is not YAML", "data:\n", "data: [\n");
    file("an unknown key", "  epochs: 2", "  epoch: 2");
    file("a missing key", "  size: 64\n", "");
    file("a wrong type", "  size: 64", "  size: large");
    file("an unknown word", "task: detect", "task: detct");
    file("a variable without a value", "  size: 64", "  size: ${NO_SUCH_SIZE}");
    file("a variable that is not closed", "  size: 64", "  size: ${NO_SUCH_SIZE");
    file("a base that does not exist", "task: detect", "task: detect\nextends: nowhere.yaml");
    file("a configuration that extends itself", "task: detect", "task: detect\nextends: wrong.yaml");
    for (cause, change) in [
        ("an override without a value", "train.epochs"),
        ("an override of an unknown key", "train.epoch=2"),
        ("an override below a value", "train.epochs.all=2"),
        ("a number out of range", "train.epochs=0"),
        ("a share out of range", "train.ema=2"),
        ("a size below the backbone's stride", "data.size=16"),
        ("a time out of range", "data.timeout=0"),
        ("no checkpoint to keep", "train.checkpoint.keep=0"),
        ("an unknown optimiser", "train.optimizer={kind: lion, lr: 0.1}"),
        ("a backbone without blocks", "backbone.spec.stages=[]"),
        ("two backbones", "backbone.name=efficientnet_b0"),
        ("a backbone that is not known", "backbone={name: efficientnet_b9}"),
        ("a setting of MobileOne for another backbone", "backbone={name: mobilenet_v2, form: deploy}"),
        ("an output stride that the backbone cannot have", "backbone={name: mobilevit_s, output_stride: 16}"),
        ("a head out of range", "head.score_threshold=7"),
        ("an augmentation out of range", "data.augment.horizontal_flip=3"),
        ("an unknown format", "data.train={format: yolo}"),
    ] {
        section.training(cause, &[change]);
    }
    section.close();
}

/// Trains on `shapes` with one file changed.
fn with_file(section: &mut Section<'_>, cause: &str, file: &str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) {
    let path = section.workshop.path(file);
    let bytes = fs::read(&path).expect("readable");
    match change(bytes.clone()) {
        Some(changed) => fs::write(&path, changed).expect("writable"),
        None => fs::remove_file(&path).expect("removable"),
    }
    section.training(cause, &[]);
    fs::write(&path, bytes).expect("writable");
}

/// Replaces the first of `from`.
fn replaced(from: &'static str, to: &'static str) -> impl Fn(Vec<u8>) -> Option<Vec<u8>> {
    move |bytes| {
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains(from), "{from} is not in {text}");
        Some(text.replacen(from, to, 1).into_bytes())
    }
}

fn half(bytes: Vec<u8>) -> Option<Vec<u8>> {
    Some(bytes[..bytes.len() / 2].to_vec())
}

#[test]
fn boxes() {
    let workshop = Workshop::new();
    prepare(&workshop, "detect");
    let mut section = Section::new("Images with boxes", &workshop);
    section.training("data that does not exist", &["data.root=/nowhere"]);
    let json = "shapes/coco/instances_train.json";
    with_file(&mut section, "a JSON file that is cut short", json, half);
    with_file(&mut section, "a file that is not JSON", json, |_| Some(b"<html>".to_vec()));
    with_file(&mut section, "a JSON file without images", json, replaced("\"images\"", "\"pictures\""));
    with_file(&mut section, "an unknown category", json, replaced("\"category_id\":1", "\"category_id\":77"));
    with_file(&mut section, "an image that is not in the file", json, replaced("\"image_id\":1,", "\"image_id\":777,"));
    with_file(
        &mut section,
        "a path out of the folder",
        json,
        replaced("\"file_name\":\"", "\"file_name\":\"../other/x"),
    );
    let picture = workshop.training_image();
    let picture = picture.strip_prefix(workshop.path("")).expect("in the workshop").to_string_lossy().into_owned();
    with_file(&mut section, "an image that does not exist", &picture, |_| None);
    with_file(&mut section, "an image that is cut short", &picture, half);
    with_file(&mut section, "a file that is not an image", &picture, |_| Some(b"not a picture".to_vec()));
    let other = datasets::Image::filled(datasets::Size { height: 9, width: 13 }, [9; 3]);
    let other = other.encode(datasets::Encoding::Png).expect("encoded");
    with_file(&mut section, "an image of another size", &picture, |_| Some(other.clone()));

    fs::write(workshop.path("task.yaml"), workshop.voc_job()).expect("written");
    let xml = picture.replace("JPEGImages", "Annotations").replace(".jpg", ".xml");
    with_file(&mut section, "an empty XML file", &xml, |_| Some(Vec::new()));
    with_file(&mut section, "an XML file that is cut short", &xml, half);
    let doctype = "<!DOCTYPE a [<!ENTITY b \"c\">]><annotation>";
    with_file(&mut section, "an XML file that declares entities", &xml, replaced("<annotation>", doctype));
    with_file(&mut section, "a box without a side", &xml, replaced("<xmin>", "<xmean>"));
    with_file(&mut section, "a value that is not a number", &xml, replaced("<xmin>", "<xmin>x"));
    with_file(&mut section, "an annotation that does not exist", &xml, |_| None);
    let list = "shapes/ImageSets/Main/train.txt";
    with_file(&mut section, "an empty list", list, |_| Some(Vec::new()));
    with_file(&mut section, "an image twice in a list", list, |bytes| Some([&bytes[..], b"\n", &bytes[..]].concat()));
    let val = read(workshop.path("shapes/ImageSets/Main/val.txt"));
    let xml = format!("shapes/Annotations/{}.xml", val.lines().next().expect("an id"));
    with_file(&mut section, "a class that the training set does not have", &xml, replaced("<name>", "<name>un"));
    section.close();
}

#[test]
fn masks_and_folders() {
    let workshop = Workshop::with_folders();
    prepare(&workshop, "segment");
    let mut section = Section::new("Masks and class folders", &workshop);
    section.training("masks that do not exist", &["data.root=/nowhere"]);
    let id = read(workshop.path("shapes/ImageSets/Segmentation/train.txt"));
    let mask = format!("shapes/SegmentationClass/{}.png", id.lines().next().expect("an id"));
    let filled = |size, class| {
        let mask = datasets::Mask::filled(size, class).encode(&datasets::voc_palette());
        move |_| Some(mask.as_ref().expect("encoded").clone())
    };
    let image = datasets::Image::read(
        &workshop.path(&format!("shapes/JPEGImages/{}.jpg", id.lines().next().expect("an id"))),
        &datasets::PixelOptions::default(),
    );
    let size = image.expect("an image").size();
    with_file(&mut section, "an id that is not a class", &mask, filled(size, 77));
    with_file(&mut section, "a mask of another size", &mask, filled(datasets::Size { height: 3, width: 4 }, 0));
    with_file(&mut section, "a mask that is cut short", &mask, half);
    with_file(&mut section, "a mask that does not exist", &mask, |_| None);
    section.training("another ignored id than the data's", &["head.ignore_index=0"]);

    prepare(&workshop, "classify");
    section.training("class folders that do not exist", &["data.train.path=nowhere"]);
    section.training("a folder without class folders", &["data.train.path=train/circle"]);
    fs::create_dir_all(workshop.path("shapes/classify/val/hexagon")).expect("made");
    section.training("other classes in the validation set", &[]);
    fs::remove_dir_all(workshop.path("shapes/classify/val/hexagon")).expect("gone");
    fs::write(workshop.path("shapes/classify/labels.txt"), "a.jpg\n").expect("written");
    let flat = "data.val={format: flat, images: val, labels: labels.txt}";
    section.training("a label without a class", &[flat]);
    section.close();
}

#[test]
fn runs() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    let mut section = Section::new("Runs", &workshop);
    section.case("a folder that is not a run", &["eval", &workshop.at("shapes")]);
    section.run(
        "a folder that cannot be created",
        pipeline(&["train", &workshop.at("task.yaml")]).args(["-o", "/dev/null"]),
    );
    let resume = ["train", "--resume", &run, "--no-latency", "--set"];
    section.case("another model on resuming", &[&resume[..], &["backbone.spec.branches=1"]].concat());
    let held = fs::File::options().write(true).open(workshop.path("runs/classify/.lock")).expect("the lock's file");
    fs::write(workshop.path("runs/classify/.lock"), "4321").expect("written");
    held.lock().expect("locked");
    section.case("a run that another process trains", &resume[..4]);
    drop(held);

    let picture = fs::read_dir(workshop.path("shapes/classify/train/star")).expect("pictures");
    let picture = picture.flatten().next().expect("a picture").path();
    let bytes = fs::read(&picture).expect("readable");
    fs::remove_file(&picture).expect("gone");
    section.case("other data on resuming", &resume[..4]);
    fs::write(&picture, bytes).expect("written");

    let checkpoints = workshop.path("runs/classify/checkpoints");
    let weights = checkpoints.join("last/weights.safetensors");
    let bytes = fs::read(&weights).expect("weights");
    fs::write(&weights, &bytes[..100]).expect("written");
    section.case("a damaged checkpoint on evaluating", &["eval", &run]);
    for entry in fs::read_dir(&checkpoints).expect("checkpoints").flatten() {
        fs::write(entry.path().join("weights.safetensors"), &bytes[..100]).expect("written");
    }
    section.case("no intact checkpoint on resuming", &resume[..4]);
    fs::remove_dir_all(&checkpoints).expect("gone");
    fs::create_dir(&checkpoints).expect("made");
    section.case("a run without a checkpoint", &resume[..4]);
    section.case("a run without trained weights", &["eval", &run]);
    section.training("a learning rate that is too high", &["train.optimizer={kind: sgd, lr: 1.0e+38}", "seed=1"]);
    section.close();
}

#[test]
fn weights_and_files() {
    let workshop = Workshop::new();
    let run = train_task(&workshop, "detect");
    let weights = workshop.at("runs/detect/checkpoints/last/ema.safetensors");
    let mut section = Section::new("Weights and exported files", &workshop);
    let at = |name: &str, bytes: &[u8]| {
        fs::write(workshop.path(name), bytes).expect("written");
        workshop.at(name)
    };
    let bytes = fs::read(&weights).expect("weights");
    section.case("weights that do not exist", &["convert", &workshop.at("no.safetensors"), "-o", "/dev/null"]);
    let empty = workshop.at("cache");
    section.run(
        "published weights that are not in the cache, without a network",
        pipeline(&["info", "timm/mobileone_s0.apple_in1k"]).env("HF_HOME", &empty),
    );
    section
        .case("published weights with a typing error", &["convert", "timm/mobileone_s0.apple_in1", "-o", "/dev/null"]);
    section.case(
        "a file of published weights that is not there",
        &["convert", &workshop.at("mobileone_s0_unfused.pth.tar"), "-o", "/dev/null"],
    );
    section.case("a name of weights that means nothing", &["weights", "fetch", "mobileone"]);
    section.case("weights that are cut short", &["info", &at("cut.safetensors", &bytes[..bytes.len() / 2])]);
    section.case("a file that is not weights", &["info", &at("none.safetensors", b"not weights at all")]);
    section.case("a file that is not a pickle", &["info", &at("none.pth", b"\x80\x02garbage")]);
    let start = |file: &str| format!("backbone.weights={file}");
    section.training("weights of another network", &[&start(&weights), "backbone.spec.branches=3"]);
    section.training("weights in another form", &[&start(&weights), "backbone.form=deploy"]);
    let deploy = workshop.at("deploy.safetensors");
    assert!(output(&mut pipeline(&["reparameterize", &run, "-o", &deploy])).status.success());
    section.case(
        "re-parameterising deploy-form weights",
        &["reparameterize", &deploy, "-o", &workshop.at("again.safetensors")],
    );
    section.case(
        "a detector under timm's names",
        &["convert", &weights, "-o", &workshop.at("t.safetensors"), "--layout", "timm"],
    );
    section.case("a file that is not TorchScript", &["eval", &at("none.pt", b"PK nothing")]);
    section.case("a file that is not for the lite interpreter", &["eval", &at("none.ptl", b"PK nothing")]);
    section.case("a file that is not ONNX", &["eval", &at("none.onnx", b"\xff\xff\xff")]);
    let onnx = ["export", &run, "-o", &workshop.at("x.onnx"), "--format", "onnx", "--no-latency"];
    section.run(
        "an export to ONNX without ONNX Runtime",
        pipeline(&onnx).env("ONNX_RUNTIME", workshop.path("onnxruntime")),
    );
    let other = at("libonnxruntime.so", b"no library");
    section.run("an ONNX Runtime that is another file", pipeline(&onnx).env("ONNX_RUNTIME", other));
    assert!(!workshop.path("x.onnx").exists());
    section.case("an export that cannot be written", &["export", &run, "-o", "/dev/null/model.pt", "--no-latency"]);
    section.close();
}

#[test]
fn scores() {
    let workshop = Workshop::with_folders();
    let mut section = Section::new("Files to score", &workshop);
    let truth = workshop.at("shapes/coco/instances_val.json");
    let at = |name: &str, text: &str| {
        fs::write(workshop.path(name), text).expect("written");
        workshop.at(name)
    };
    let mut detect = |cause: &str, predictions: &str| {
        section.case(cause, &["score", "--task", "detect", "--annotations", &truth, "--predictions", predictions]);
    };
    detect("predictions that do not exist", &workshop.at("no.json"));
    detect("predictions that are cut short", &at("p.json", "[{\"image_id\": 1,"));
    detect("predictions that are not a list", &at("p.json", "{}"));
    detect(
        "an image that is not in the truth",
        &at("p.json", "[{\"image_id\": 99999, \"category_id\": 1, \"bbox\": [0, 0, 1, 1], \"score\": 0.5}]"),
    );
    detect(
        "a score that is not a number",
        &at("p.json", "[{\"image_id\": 1, \"category_id\": 1, \"bbox\": [0, 0, 1, 1], \"score\": \"x\"}]"),
    );
    let classes = at("truth.csv", "image,class\na,cat\nb,dog\n");
    let mut classify = |cause: &str, text: &str| {
        let found = at("found.csv", text);
        section.case(cause, &["score", "--task", "classify", "--annotations", &classes, "--predictions", &found]);
    };
    classify("an image without scores", "image,cat,dog\na,0.5,0.5\n");
    classify("a class without scores", "image,cat,cow\na,0.5,0.5\nb,0.5,0.5\n");
    classify("a cell that is not a number", "image,cat,dog\na,x,0.5\nb,0.5,0.5\n");
    classify("a file that is cut short", "image,cat,dog\na,0.5,0.5\nb,0.5");
    let masks = workshop.at("shapes/SegmentationClass");
    let segment = ["score", "--task", "segment", "--annotations", &masks, "--predictions"];
    section.case("masks without class names", &[&segment[..], &[&masks]].concat());
    fs::create_dir(workshop.path("empty")).expect("made");
    let names = at("names.txt", "background\ncircle\ncross\nsquare\nstar\ntriangle\n");
    let empty = workshop.at("empty");
    section.case("masks that do not exist", &[&segment[..], &[&empty, "--class-names", &names]].concat());
    section
        .case("an option of another task", &[&segment[..], &[&masks, "--class-names", &names, "--analyze"]].concat());
    section.close();
}

#[test]
fn the_page_has_no_other_sections() {
    let text = read(page());
    let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(found, SECTIONS);
}
