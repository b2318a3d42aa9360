//! The keys `data.train` and `data.val` of a recognised layout.

use datasets::Class;
use datasets::recognise::{Layout, MaskClasses, Recognised};
use serde_yaml::{Mapping, Value};
use std::path::Path;

use super::split::{folder, relative};
use crate::config::TaskKind;
use crate::failure::Failure;

/// Both sources, as YAML.
pub(super) struct Sources {
    pub(super) task: TaskKind,
    /// What the layout is called.
    pub(super) layout: &'static str,
    pub(super) train: Value,
    pub(super) val: Value,
}

impl Sources {
    /// # Errors
    /// When the layout does not fit the task, or the classes of masks are not known.
    pub(super) fn of(root: &Path, found: &Recognised, task: Option<TaskKind>) -> Result<Self, Failure> {
        let (own, layout) = match &found.train {
            Layout::Folder(_) => (TaskKind::Classify, "class folders"),
            Layout::Flat { .. } => (TaskKind::Classify, "images with a file of labels"),
            Layout::Coco { .. } => (TaskKind::Detect, "COCO"),
            Layout::Voc { .. } => (TaskKind::Detect, "VOC"),
            Layout::VocMasks { .. } => (TaskKind::Segment, "VOC masks"),
            Layout::YoloData { .. } | Layout::Yolo { .. } => (TaskKind::Detect, "YOLO"),
            Layout::Pairs { .. } => (TaskKind::Segment, "images and masks"),
        };
        let of_coco = matches!(found.train, Layout::Coco { .. }) && task == Some(TaskKind::Segment);
        let task = task.filter(|_| of_coco).or(task.filter(|task| *task == own)).map_or_else(
            || match task {
                Some(other) => Err(Failure::usage(format!(
                    "{} is {layout}, which is data to {} and not to {}",
                    root.display(),
                    own.name(),
                    other.name()
                ))),
                None => Ok(own),
            },
            Ok,
        )?;
        let train = source(root, &found.train)?;
        let val = found.val.as_ref().map_or_else(|| Ok(train.clone()), |val| source(root, val))?;
        Ok(Self { task, layout, train, val })
    }

    /// A configuration that only serves to read the training set.
    ///
    /// # Errors
    /// When it cannot be written as YAML.
    pub(super) fn probe(&self, root: &Path) -> Result<String, Failure> {
        let data = mapping([
            ("root", root.to_string_lossy().into_owned().into()),
            ("size", 64.into()),
            ("train", self.train.clone()),
            ("val", self.train.clone()),
        ]);
        let backbone = mapping([("variant", "s0".into())]);
        let probe = mapping([("task", self.task.name().into()), ("backbone", backbone), ("data", data)]);
        serde_yaml::to_string(&probe).map_err(Failure::failed)
    }

    /// Reads the two lists that are written beside the configuration.
    pub(super) fn divide(&mut self, layout: &Layout, classes: &[Class], root: &Path, output: &Path) {
        let folder = folder(output);
        let list = |name: &str| path(&relative(root, &folder.join(format!("{name}.txt"))));
        for (name, source) in [("train", &mut self.train), ("val", &mut self.val)] {
            match layout {
                Layout::Folder(images) | Layout::Flat { images, .. } => {
                    *source = mapping([("format", "flat".into()), ("images", path(images)), ("labels", list(name))]);
                }
                Layout::Voc { .. } | Layout::VocMasks { .. } => {
                    set(source, "lists", path(&relative(root, &folder)));
                    set(source, "split", name.into());
                }
                Layout::Yolo { .. } | Layout::YoloData { .. } => {
                    let names = Value::Sequence(classes.iter().map(|class| Value::from(class.name.as_str())).collect());
                    *source = mapping([("format", "yolo".into()), ("images", list(name)), ("classes", names)]);
                }
                Layout::Coco { .. } | Layout::Pairs { .. } => set(source, "list", list(name)),
            }
        }
    }
}

fn source(root: &Path, layout: &Layout) -> Result<Value, Failure> {
    Ok(match layout {
        Layout::Folder(folder) => mapping([("format", "folder".into()), ("path", path(folder))]),
        Layout::Flat { images, labels } => {
            mapping([("format", "flat".into()), ("images", path(images)), ("labels", path(labels))])
        }
        Layout::Coco { images, annotations } => {
            mapping([("format", "coco".into()), ("images", path(images)), ("annotations", path(annotations))])
        }
        Layout::Voc { folder, split } => {
            let mut source = mapping([("format", "voc".into())]);
            if !folder.as_os_str().is_empty() {
                set(&mut source, "folder", path(folder));
            }
            if let Some(split) = split {
                set(&mut source, "split", split.as_str().into());
            }
            source
        }
        Layout::VocMasks { split } => mapping([("format", "voc".into()), ("split", split.as_str().into())]),
        Layout::YoloData { data, split } => {
            mapping([("format", "yolo".into()), ("data", path(data)), ("split", split.as_str().into())])
        }
        Layout::Yolo { images } => mapping([("format", "yolo".into()), ("images", path(images))]),
        Layout::Pairs { images, masks, suffix } => {
            let classes = MaskClasses::of(&root.join(masks), suffix)?;
            let mut options = mapping([("classes", classes.names.into_iter().map(Value::from).collect())]);
            if !classes.ids.is_empty() {
                let ids = classes.ids.iter().map(|(&id, &class)| (Value::from(id), Value::from(class)));
                set(&mut options, "ids", Value::Mapping(ids.collect()));
                set(&mut options, "ignore", classes.ignore.into());
            }
            if !suffix.is_empty() {
                set(&mut options, "mask_suffix", suffix.as_str().into());
            }
            let (images, masks) = (path(images), path(masks));
            mapping([("format", "pairs".into()), ("images", images), ("masks", masks), ("options", options)])
        }
    })
}

/// A path below `data.root`.
fn path(path: &Path) -> Value {
    match path.as_os_str().is_empty() {
        true => ".".into(),
        false => path.to_string_lossy().into_owned().into(),
    }
}

fn mapping<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Mapping(pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect::<Mapping>())
}

fn set(value: &mut Value, key: &str, item: Value) {
    if let Value::Mapping(mapping) = value {
        mapping.insert(key.into(), item);
    }
}
