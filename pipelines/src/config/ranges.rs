//! The documented ranges are those that values are checked against, here and in the libraries.

use datasets::Class;
use serde_yaml::Value;
use std::path::Path;

use super::overrides::Override;
use super::schema::{self, Node};
use super::{Config, ConfigFile};
use crate::task::{Classify, Detect, Segment, Task};

/// A key, one value at the end of its range where that end belongs to it, and one beyond.
struct End {
    key: String,
    within: Option<String>,
    beyond: String,
}

/// Adds the ends of every range at `key` and below it; lists of sections are left out.
fn ends(node: Node<'_>, key: &str, found: &mut Vec<End>) {
    for form in node.forms() {
        for name in form.keys() {
            let Some(below) = form.key(name) else { continue };
            ends(below, &if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }, found);
        }
        let item = form.item().filter(|_| form.has_type("array")).and_then(|item| item.forms().first().copied());
        let numbers = item.unwrap_or(form);
        let count = form.keyword("minItems").and_then(serde_json::Value::as_u64).unwrap_or(1);
        let step = if numbers.has_type("integer") { 1.0 } else { 0.001 };
        let mut add = |within: Option<f64>, beyond: f64| {
            let text = |value: f64| match item {
                Some(_) => format!("[{}]", vec![value.to_string(); count as usize].join(", ")),
                None => value.to_string(),
            };
            found.push(End { key: key.to_owned(), within: within.map(text), beyond: text(beyond) });
        };
        for (bound, outwards) in [("minimum", -step), ("maximum", step)] {
            if let Some(end) = numbers.bound(bound) {
                add(Some(end).filter(|_| item.is_none()), end + outwards);
            }
        }
        for bound in ["exclusiveMinimum", "exclusiveMaximum"] {
            numbers.bound(bound).into_iter().for_each(|end| add(None, end));
        }
    }
}

fn agree<T: Task>(sets: &str, augment: impl Fn(&Config<T::Keys>) -> Result<(), datasets::Error>) {
    let job = format!(
        "{{task: {}, backbone: {{variant: s0}}, data: {{root: /d, size: 64, {sets}}}, \
         train: {{quantize: {{weights: w, teacher: 1}}}}}}",
        T::KIND.name()
    );
    let classes: Vec<Class> = (0..3).map(|id| Class { id, name: id.to_string() }).collect();
    let check = |change: &str| -> Result<Config<T::Keys>, String> {
        let file =
            ConfigFile::kept_in(Path::new("job"), &job, &[change.to_owned()]).map_err(|error| error.to_string())?;
        file.config().map_err(|error| error.to_string())
    };
    let library = |change: &str| -> Result<(), String> {
        let mut document: Value = serde_yaml::from_str(&job).unwrap();
        Override::parse(change).unwrap().apply(&mut document).unwrap();
        let config: Config<T::Keys> = serde_yaml::from_value(document).map_err(|error| error.to_string())?;
        T::new(&config, &classes).map_err(|error| error.to_string())?;
        config.pixels().validate().map_err(|error| error.to_string())?;
        augment(&config).map_err(|error| error.to_string())
    };
    let schema = schema::of::<Config<T::Keys>>();
    let mut found = Vec::new();
    ends(Node::root(&schema), "", &mut found);
    let outside_libraries = ["train.", "data.size", "data.timeout"];
    // Each end has to move with the other one.
    let paired = ["max_scale", "data.size"];
    // Sections that are not complete with one key.
    let sections = ["train.optimizer", "data.train", "data.val", "data.normalize", "eval.size", "backbone.spec"];
    found.retain(|end| !sections.iter().any(|section| end.key.starts_with(section)));
    assert!(found.len() > 40, "{}", found.len());
    for End { key, within, beyond } in found {
        let change = format!("{key}={beyond}");
        let error = check(&change).err().unwrap_or_else(|| panic!("{change} is accepted"));
        assert!(error.contains(&key), "{change}: {error}");
        if !outside_libraries.iter().any(|start| key.starts_with(start)) {
            assert!(library(&change).is_err(), "{change} is accepted by the library");
        }
        if let Some(within) = within.filter(|_| !paired.iter().any(|end| key.ends_with(end))) {
            let change = format!("{key}={within}");
            check(&change).unwrap_or_else(|error| panic!("{change}: {error}"));
            library(&change).unwrap_or_else(|error| panic!("{change}: the library says {error}"));
        }
    }
}

#[test]
fn ranges_of_a_classification_are_those_that_are_checked() {
    let sets = "train: {format: folder, path: t}, val: {format: folder, path: v}";
    agree::<Classify>(sets, |config| config.data.augment.validate());
}

#[test]
fn ranges_of_a_detection_are_those_that_are_checked() {
    let sets = "train: {format: voc, split: t}, val: {format: voc, split: v}";
    agree::<Detect>(sets, |config| config.data.augment.validate());
}

#[test]
fn ranges_of_a_segmentation_are_those_that_are_checked() {
    let sets = "train: {format: voc, split: t}, val: {format: voc, split: v}";
    agree::<Segment>(sets, |config| config.data.augment.validate());
}

#[test]
fn ranges_of_an_optimiser_are_checked() {
    let sets = "train: {format: voc, split: t}, val: {format: voc, split: v}";
    let job = format!("{{task: detect, backbone: {{variant: s0}}, data: {{root: /d, size: 64, {sets}}}}}");
    for (key, optimizer) in [
        ("lr", "{kind: sgd, lr: 0}"),
        ("momentum", "{kind: sgd, lr: 1, momentum: -1}"),
        ("weight_decay", "{kind: adamw, lr: 1, weight_decay: -0.1}"),
        ("betas", "{kind: adamw, lr: 1, betas: [0.9, -1]}"),
        ("lr", "{kind: adamw, lr: .inf}"),
    ] {
        let change = format!("train.optimizer={optimizer}");
        let file = ConfigFile::kept_in(Path::new("job"), &job, &[change]).unwrap();
        let error = file.config::<<Detect as Task>::Keys>().unwrap_err().to_string();
        assert!(error.contains(&format!("train.optimizer.{key}")), "{error}");
    }
}
