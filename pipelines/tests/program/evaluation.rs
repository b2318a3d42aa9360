//! What an evaluation reads, scores and writes.

use std::fs;
use std::path::PathBuf;

use crate::tasks::{TASKS, accuracy, prepare, train, train_task};
use crate::workshop::{Workshop, output, pipeline, read, succeed};
use serde_json::Value;

/// The first validation image of a task.
fn validation_image(workshop: &Workshop, task: &str) -> PathBuf {
    if task == "classify" {
        let folder = workshop.path("shapes/classify/val/circle");
        return fs::read_dir(folder).expect("images").flatten().next().expect("an image").path();
    }
    let list = read(workshop.path("shapes/ImageSets/Main/val.txt"));
    workshop.path(&format!("shapes/JPEGImages/{}.jpg", list.lines().next().expect("an id")))
}

#[test]
fn images_that_cannot_be_read_are_scored_as_the_report_says() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        let run = train_task(&workshop, task);
        let image = validation_image(&workshop, task);
        let bytes = fs::read(&image).expect("readable");
        fs::write(&image, b"not an image").expect("written");
        let out = workshop.at(&format!("out-{task}"));
        let words = ["eval", &run, "--set", "data.on_error=skip", "-o", &out, "--no-latency"];
        let evaluated = output(&mut pipeline(&words));
        fs::write(&image, bytes).expect("written");
        let errors = String::from_utf8_lossy(&evaluated.stderr);
        assert!(evaluated.status.success(), "{task}: {errors}");

        let (images, scored) = match task {
            "classify" => (14, "they are left out of the score"),
            "detect" => (6, "they count as images without predictions"),
            _ => (5, "they are left out of the score"),
        };
        let sentence = format!("images that could not be read: 1; {scored}");
        assert!(errors.contains(&format!("warning: {sentence}")), "{task}: {errors}");
        let table = String::from_utf8_lossy(&evaluated.stdout);
        assert!(table.contains(&sentence), "{task}: {table}");
        let mut report = accuracy(&read(format!("{out}/report.json")));
        assert_eq!(
            (&report["images"], &report["unreadable"]["images"]),
            (&images.into(), &1.into()),
            "{task}: {report}"
        );

        // The files that the evaluation wrote give the same score.
        report.as_object_mut().expect("an object").remove("unreadable");
        let (truth, predictions) = match task {
            "classify" => ("ground_truth.csv", "predictions.csv"),
            "detect" => ("ground_truth.json", "predictions.json"),
            _ => continue,
        };
        let [truth, predictions] = [truth, predictions].map(|name| format!("{out}/{name}"));
        let score = ["score", "--task", task, "--annotations", &truth, "--predictions", &predictions, "--json"];
        assert_eq!(accuracy(&succeed(&score)), report, "{task}");
    }
}

#[test]
fn only_an_unchanged_evaluation_writes_into_the_run() {
    let workshop = Workshop::with_folders();
    let run = train_task(&workshop, "classify");
    let files = ["report.json", "report.md", "report.csv", "classes.csv", "predictions.csv", "ground_truth.csv"];
    let emptied =
        || files.iter().for_each(|file| fs::write(workshop.path("runs/classify").join(file), "").expect(file));
    let written = || files.map(|file| !read(workshop.path("runs/classify").join(file)).is_empty());
    let weights = workshop.at("runs/classify/checkpoints/step-00000000/weights.safetensors");
    for change in [&["--weights", &weights][..], &["--set", "train.batch_size=3"]] {
        emptied();
        let words = [&["eval", &run, "--no-latency"][..], change].concat();
        let evaluated = output(&mut pipeline(&words));
        let errors = String::from_utf8_lossy(&evaluated.stderr);
        assert!(evaluated.status.success() && errors.contains("-o FOLDER writes"), "{change:?}: {errors}");
        assert_eq!(written(), [false; 6], "{change:?}");
        let out = workshop.path("out");
        succeed(&[&words[..], &["-o", &workshop.at("out")]].concat());
        assert!(files.iter().all(|file| out.join(file).is_file()), "{change:?}");
        assert_eq!(written(), [false; 6], "{change:?}");
        fs::remove_dir_all(out).expect("removed");
    }
    succeed(&["eval", &run, "--no-latency"]);
    assert_eq!(written(), [true; 6]);
}

#[test]
fn the_final_report_is_the_evaluation_of_the_run_in_either_memory_format() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        prepare(&workshop, task);
        for channels_last in ["true", "false"] {
            let name = format!("{task}-{channels_last}");
            let change = format!("train.channels_last={channels_last}");
            let trained = output(&mut train(&workshop, &name, &["train.epochs=1", &change]));
            assert!(trained.status.success(), "{name}: {}", String::from_utf8_lossy(&trained.stderr));
            let report = accuracy(&read(workshop.path(&format!("runs/{name}/report.json"))));
            let run = workshop.at(&format!("runs/{name}"));
            assert_eq!(accuracy(&succeed(&["eval", &run, "--json", "--no-latency"])), report, "{name}");
        }
    }
}

#[test]
fn the_revision_is_that_of_the_program_wherever_it_runs() {
    let workshop = Workshop::new();
    let trained = output(workshop.train("one", &["train.epochs=1"]).current_dir(workshop.path("")));
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let environment: Value = serde_json::from_str(&read(workshop.path("runs/one/environment.json"))).expect("JSON");
    let version = succeed(&["--version"]);
    let revision = version.trim().rsplit_once(" (").map(|(_, revision)| revision.trim_end_matches(')'));
    assert_eq!(environment["git_revision"].as_str(), revision, "{version}");
    assert!(succeed(&["doctor"]).contains(version.trim().trim_start_matches("pipeline ")), "{version}");
    let checkout = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.git").exists();
    assert_eq!(revision.is_some(), checkout, "{version}");
}
