//! A process that fails ends the job, with one sentence.

use std::fs;
use std::time::{Duration, Instant};

use super::{Job, sentences, wait_until};
use crate::resume::{newest_step, signal};
use crate::workshop::{Workshop, read};

/// The job of `workshop` with a setting for each rank.
fn start(workshop: &Workshop, settings: [&[&str]; 2]) -> Job {
    Job::start(settings.map(|settings| workshop.train("job", settings)))
}

#[test]
fn other_settings_are_refused_with_the_line_that_differs() {
    let workshop = Workshop::new();
    let outputs = start(&workshop, [&[], &["train.clip_grad_norm=2"]]).outputs();
    assert!(outputs.iter().all(|output| output.status.code() == Some(1)), "{outputs:?}");
    let sentences = sentences(&outputs);
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    let difference = "the configuration differs between processes: rank 1 has `  clip_grad_norm: 2.0` where rank 0 has \
                      `  clip_grad_norm: null`";
    assert!(sentences[0].contains(difference), "{sentences:?}");
    assert!(!workshop.path("runs/job").exists(), "nothing was begun");
}

#[test]
fn other_data_are_refused() {
    let (workshop, other) = (Workshop::new(), Workshop::new());
    let list = other.path("shapes/coco/instances_train.json");
    let mut truth: serde_json::Value = serde_json::from_str(&read(&list)).expect("JSON");
    let last = truth["images"].as_array_mut().and_then(Vec::pop).expect("an image");
    truth["annotations"].as_array_mut().expect("a list").retain(|object| object["image_id"] != last["id"]);
    fs::write(&list, truth.to_string()).expect("written");
    let root = format!("data.root={}", other.at("shapes"));
    let sentences = sentences(&start(&workshop, [&[], &[&root]]).outputs());
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    let difference = "the training set differs between processes: rank 1 has `11 images` where rank 0 has `12 images`";
    assert!(sentences[0].contains(difference), "{sentences:?}");
}

#[test]
fn a_damaged_image_is_the_sentence_of_the_process_that_reads_it() {
    let workshop = Workshop::new();
    let image = workshop.training_image();
    let bytes = fs::read(&image).expect("readable");
    fs::write(&image, &bytes[..bytes.len() / 2]).expect("written");
    let outputs = start(&workshop, [&[], &[]]).outputs();
    assert!(outputs.iter().all(|output| output.status.code() == Some(1)), "{outputs:?}");
    let sentences = sentences(&outputs);
    assert_eq!(sentences.len(), 1, "{sentences:?}");
    let name = image.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(sentences[0].starts_with("rank ") && sentences[0].contains(&name), "{sentences:?}");
}

#[test]
fn a_damaged_image_that_may_be_skipped_leaves_all_with_the_same_weights() {
    let workshop = Workshop::new();
    let image = workshop.training_image();
    let bytes = fs::read(&image).expect("readable");
    fs::write(&image, &bytes[..bytes.len() / 2]).expect("written");
    // Half a picture passes the look at all headers. With one image for each process, the one that cannot read its own has none.
    let settings = ["data.on_error=skip", "train.batch_size=2"];
    let outputs = start(&workshop, [&settings, &settings]).outputs();
    let said: String = outputs.iter().map(super::errors).collect();
    assert!(outputs.iter().all(|output| output.status.success()), "{said}");
    assert_eq!(said.matches("is left out: rank").count(), 2, "once an epoch: {said}");
    assert!(said.contains("2 samples could not be read and were skipped"), "{said}");
    assert!(!said.contains("are the processors of one kind"), "{said}");
}

#[test]
fn a_process_that_hangs_ends_the_job_in_time() {
    let workshop = Workshop::new();
    let settings = ["train.epochs=5000", "train.eval_every=5000", "train.timeout=10"];
    let mut job = start(&workshop, [&settings, &settings]);
    let run = workshop.path("runs/job");
    wait_until("the second checkpoint", || run.join("checkpoints").is_dir() && newest_step(&run) > Some(0));
    signal(&job.0[1], "STOP");
    let stopped = Instant::now();
    let first = job.0.remove(0).wait_with_output().expect("ended");
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
    let sentences = sentences(&[first]);
    assert!(sentences.len() == 1 && sentences[0].starts_with("rank 1 on "), "{sentences:?}");
}
