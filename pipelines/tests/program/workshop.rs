//! The program under test, and small data for it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `pipeline` with one thread, no colour and no network.
pub fn pipeline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeline"));
    command
        .args(arguments)
        .env("OMP_NUM_THREADS", "1")
        .env("NO_COLOR", "1")
        .env("HF_HUB_OFFLINE", "1")
        .env_remove("SHAPES_ROOT");
    command
}

/// Runs to the end.
pub fn output(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// Runs to the end, which must be a success; standard output.
pub fn succeed(arguments: &[&str]) -> String {
    let output = output(&mut pipeline(arguments));
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("standard output is text")
}

/// Runs to the end, which must be this exit status; standard error.
pub fn fail(arguments: &[&str], status: i32) -> String {
    let output = output(&mut pipeline(arguments));
    let errors = String::from_utf8(output.stderr).expect("standard error is text");
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
    errors
}

/// A folder with a few images of shapes and a configuration of a tiny detector on them.
pub struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Twelve images to train, six to evaluate.
    pub fn new() -> Self {
        Self::with_shapes("0")
    }

    /// The same, and class folders with four pictures to train and three to evaluate.
    pub fn with_folders() -> Self {
        Self::with_shapes("4")
    }

    fn with_shapes(pictures: &str) -> Self {
        let workshop = Self::empty();
        let folder = workshop.at("shapes");
        let images = ["--train", "12", "--val", "6", "--seed", "3"];
        let pictures = ["--classify-train", pictures, "--classify-val", "3"];
        succeed(&[&["data", "shapes", &folder][..], &images, &pictures].concat());
        std::fs::write(workshop.path("job.yaml"), workshop.configuration()).expect("the configuration is written");
        workshop
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The first training image.
    pub fn training_image(&self) -> PathBuf {
        let list = read(self.path("shapes/ImageSets/Main/train.txt"));
        let id = list.lines().next().expect("the list is not empty");
        self.path(&format!("shapes/JPEGImages/{id}.jpg"))
    }

    /// `job.yaml` with the same set in VOC's layout.
    pub fn voc_job(&self) -> String {
        let text = read(self.path("job.yaml"));
        let lines = text.lines().map(|line| match line.trim_start().split(':').next() {
            Some(split @ ("train" | "val")) if line.contains("format: coco") => {
                format!("  {split}: {{ format: voc, split: {split} }}\n")
            }
            _ => format!("{line}\n"),
        });
        lines.collect()
    }

    /// A path in the folder, as an argument.
    pub fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Trains `job.yaml` into `runs/name`, with overrides, and without measuring latency in the end.
    pub fn train(&self, name: &str, overrides: &[&str]) -> Command {
        let words = ["train", &self.at("job.yaml"), "--output", &self.at("runs"), "--name", name, "--no-latency"];
        let mut command = pipeline(&words);
        for change in overrides {
            command.args(["--set", change]);
        }
        command
    }

    fn configuration(&self) -> String {
        format!(
            "task: detect
seed: 7
backbone:
  spec:
    stem: 8
    stages:
      - {{ width: 8, blocks: 1 }}
      - {{ width: 8, blocks: 1 }}
      - {{ width: 16, blocks: 1 }}
      - {{ width: 16, blocks: 1 }}
    branches: 1
head:
  extra_channels: [16, 16, 16, 16]
data:
  root: {root}
  size: 64
  train: {{ format: coco, images: JPEGImages, annotations: coco/instances_train.json }}
  val: {{ format: coco, images: JPEGImages, annotations: coco/instances_val.json }}
  augment: {{ zoom_out: null }}
train:
  epochs: 2
  batch_size: 4
  optimizer: {{ kind: adamw, lr: 1.0e-3 }}
  ema: 0.9
",
            root = self.at("shapes")
        )
    }
}

/// `text`, which a command printed or wrote, as JSON.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("the text is JSON")
}

/// The text of a file.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
