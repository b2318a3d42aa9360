//! Configurations as `pipeline config` shows them: resolved, extended, described by a schema; and completions, man page, help.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workshop::{Workshop, fail, read, succeed};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Every shipped configuration, and its path below `configs`.
fn shipped() -> Vec<(PathBuf, String)> {
    let root = repository("configs");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                let name = path.strip_prefix(&root).expect("below configs").to_string_lossy().into_owned();
                found.push((path, name));
            }
        }
    }
    assert!(found.len() > 25, "{found:?}");
    found
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(arguments)).expect("JSON")
}

#[test]
fn a_resolved_configuration_has_every_default_and_resolves_to_itself() {
    let workshop = Workshop::empty();
    fs::write(workshop.path("job.yaml"), JOB).expect("written");
    let text = succeed(&["config", &workshop.at("job.yaml"), "--set", "train.epochs=3"]);
    assert!(
        text.contains("  epochs: 3\n") && text.contains("  batch_size: 32\n") && text.contains("name: job\n"),
        "{text}"
    );
    fs::write(workshop.path("resolved.yaml"), &text).expect("written");
    assert_eq!(succeed(&["config", &workshop.at("resolved.yaml")]), text);
    let found = json(&["config", &workshop.at("resolved.yaml"), "--json"]);
    assert_eq!(found["train"]["epochs"], 3);
    assert_eq!(found["eval"]["view"]["crop_ratio"], 0.875);
}

const JOB: &str = "task: classify
backbone: { variant: s0 }
data:
  root: /data
  size: 64
  train: { format: folder, path: train, class_names: names.txt }
  val: { format: folder, path: val }
train:
  optimizer: { kind: sgd, lr: 0.1, momentum: 0.8 }
";

#[test]
fn a_file_is_merged_over_the_one_that_it_extends() {
    let workshop = Workshop::empty();
    fs::create_dir(workshop.path("base")).expect("a folder");
    fs::write(workshop.path("base/job.yaml"), JOB).expect("written");
    let middle =
        "extends: base/job.yaml\ntrain: { ema: null, optimizer: { lr: 0.2 } }\ndata: { val: { path: other } }\n";
    fs::write(workshop.path("middle.yaml"), middle).expect("written");
    let last = "extends: middle\ndata: { train: { format: flat, images: i, labels: l } }\ntrain: { epochs: 7 }\n";
    fs::write(workshop.path("last.yaml"), last).expect("written");

    let found = json(&["config", &workshop.at("middle.yaml"), "--json"]);
    let optimizer = &found["train"]["optimizer"];
    assert_eq!((&optimizer["lr"], &optimizer["momentum"]), (&0.2.into(), &0.8.into()));
    assert_eq!(found["train"]["ema"], Value::Null);
    assert_eq!(found["data"]["val"]["path"], "other");
    assert_eq!(found["name"], "middle");
    assert!(found.get("extends").is_none());

    let optimizer = "train.optimizer={kind: adamw, lr: 0.3}";
    let found = json(&["config", &workshop.at("last.yaml"), "--json", "--set", "train.epochs=9", "--set", optimizer]);
    assert_eq!((&found["train"]["epochs"], &found["train"]["ema"]), (&9.into(), &Value::Null));
    let source = serde_json::json!({ "format": "flat", "images": "i", "labels": "l" });
    assert_eq!(found["data"]["train"], source, "a set of another format replaces the base's");
}

#[test]
fn an_error_names_the_file_of_the_chain_that_it_is_in() {
    let workshop = Workshop::empty();
    fs::write(workshop.path("base.yaml"), JOB.replace("  size: 64", "  size: 64\n  colour: red")).expect("written");
    fs::write(workshop.path("job.yaml"), "extends: base.yaml\ntrain:\n  epochs: 0\n").expect("written");
    let errors = fail(&["config", &workshop.at("job.yaml")], 2);
    assert!(errors.contains("base.yaml:6: unknown key `colour` in data"), "{errors}");
    fs::write(workshop.path("base.yaml"), JOB).expect("written");
    let errors = fail(&["config", &workshop.at("job.yaml")], 2);
    assert!(errors.contains("job.yaml:3: train.epochs is 0; it must be an integer of 1 or more"), "{errors}");
    let errors = fail(&["config", &workshop.at("job.yaml"), "--set", "train.epochs=x"], 2);
    assert!(errors.contains("--set train.epochs=x: train.epochs is `x`"), "{errors}");
}

#[test]
fn every_shipped_configuration_resolves_and_names_its_schema() {
    for (path, name) in shipped() {
        let text = read(&path);
        let up = "../".repeat(name.matches('/').count());
        let line = format!("# yaml-language-server: $schema={up}schema.json");
        assert_eq!(text.lines().next(), Some(line.as_str()), "{name}");
        let found = json(&["config", &path.to_string_lossy(), "--json"]);
        assert!(found["train"]["epochs"].is_u64(), "{name}");
    }
}

#[test]
fn the_shipped_schema_is_that_of_the_types() {
    let found = json(&["config", "--schema"]);
    let path = repository("configs/schema.json");
    if std::env::var_os("UPDATE_CONFIGURATION").is_some() {
        fs::write(&path, found.to_string() + "\n").expect("written");
    }
    let text = read(&path);
    assert!(text.len() < 500_000, "{} bytes", text.len());
    let known: Value = serde_json::from_str(&text).expect("JSON");
    assert!(known == found, "configs/schema.json is out of date; UPDATE_CONFIGURATION=1 rewrites it");
    let all = known["else"]["oneOf"].as_array().expect("the tasks");
    let names: Vec<&Value> = all.iter().map(|task| &task["properties"]["task"]["const"]).collect();
    assert_eq!(names, ["classify", "detect", "segment"]);
}

#[test]
fn completions_man_page_and_help_name_every_command() {
    let commands = ["train", "eval", "predict", "export", "config", "completions", "man"];
    for shell in ["bash", "zsh", "fish"] {
        let script = succeed(&["completions", shell]);
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}: {script}");
    }
    let page = succeed(&["man"]);
    assert!(page.contains(".TH pipeline 1") && page.contains("pipeline\\-train(1)"), "{page}");
    let help = succeed(&["help"]);
    assert!(commands.iter().all(|command| help.contains(command)), "{help}");
    assert!(succeed(&["help", "train"]).contains("--resume <RUN>"));
    let workshop = Workshop::empty();
    succeed(&["man", "--output", &workshop.at("man")]);
    assert!(
        read(workshop.path("man/pipeline-train.1")).contains("--resume")
            || read(workshop.path("man/pipeline-train.1")).contains("\\-\\-resume")
    );
}

#[test]
fn resuming_a_run_refuses_a_new_name_or_place() {
    for option in ["--name", "--output"] {
        let errors = fail(&["train", "--resume", "runs/none", option, "other"], 2);
        assert!(errors.contains("cannot be used with"), "{errors}");
    }
}

/// A row of the reference page.
#[derive(Clone, PartialEq)]
struct Row {
    key: String,
    cells: String,
}

/// The keys of a task's configurations, as its schema has them.
struct Reference {
    schema: Value,
    rows: Vec<Row>,
}

impl Reference {
    fn of(task: &str) -> Vec<Row> {
        let schema = json(&["config", "--schema", task]);
        let mut reference = Self { rows: Vec::new(), schema };
        let root = reference.schema["else"]["oneOf"][0].clone();
        reference.section(&root, "", "");
        reference.rows
    }

    fn resolved(&self, node: &Value) -> Value {
        let pointer = node.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(node).clone()
    }

    /// The forms of a value, without `null`.
    fn forms(&self, node: &Value) -> Vec<Value> {
        let node = self.resolved(node);
        match node.get("oneOf").or_else(|| node.get("anyOf")).and_then(Value::as_array) {
            Some(forms) => {
                forms.iter().flat_map(|form| self.forms(form)).filter(|form| form["type"] != "null").collect()
            }
            None => vec![node],
        }
    }

    /// Adds the keys of a section; `form` says which form of the section has them.
    fn section(&mut self, section: &Value, path: &str, form: &str) {
        let Some(keys) = section["properties"].as_object() else { return };
        let required = section["required"].as_array().cloned().unwrap_or_default();
        for (key, value) in keys {
            // The word that names the form has its row where the forms are listed.
            if !form.is_empty() && value.get("const").is_some() {
                continue;
            }
            let key = key.as_str();
            let is_required = required.iter().any(|name| name == key);
            self.key(value, &if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }, form, is_required);
        }
    }

    fn key(&mut self, value: &Value, path: &str, form: &str, is_required: bool) {
        let forms = self.forms(value);
        let is_section = |form: &&Value| form["properties"].is_object();
        let sections: Vec<Value> = forms.iter().filter(is_section).cloned().collect();
        let tag = sections.iter().find_map(|section| {
            let keys = section["properties"].as_object()?;
            keys.iter().find(|(_, value)| value.get("const").is_some()).map(|(key, _)| key.clone())
        });
        let default = match value.get("default") {
            _ if is_required => "required".to_owned(),
            None => "none".to_owned(),
            Some(default) if default.is_object() => "see below".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let default = if default == "see below" && sections.is_empty() { "`{}`".to_owned() } else { default };
        let mut kinds: Vec<String> =
            forms.iter().filter(|form| !is_section(form)).map(|form| self.kind(form)).collect();
        match sections.len() {
            0 => {}
            1 => kinds.push("section".to_owned()),
            _ => kinds.extend(sections.iter().map(|section| match &tag {
                Some(tag) => format!("`{tag}: {}`", section["properties"][tag]["const"].as_str().unwrap_or_default()),
                None => {
                    let keys: Vec<&str> =
                        section["properties"].as_object().expect("keys").keys().map(String::as_str).collect();
                    format!("`{{ {} }}`", keys.join(", "))
                }
            })),
        }
        kinds.dedup();
        let mut ranges: Vec<String> =
            forms.iter().map(|form| self.range(form)).filter(|range| !range.is_empty()).collect();
        ranges.dedup();
        let resolved = self.resolved(value);
        let mut meaning = sentence(value.get("description").or_else(|| resolved.get("description")));
        for word in forms.iter().filter(|form| form.get("const").is_some() && form.get("description").is_some()) {
            let word =
                format!(" `{}`: {}", word["const"].as_str().unwrap_or_default(), sentence(word.get("description")));
            meaning += &word;
        }
        let name = if form.is_empty() { format!("`{path}`") } else { format!("`{path}` ({form})") };
        let cells = format!("{} | {default} | {} | {meaning}", kinds.join(" or "), ranges.join(" or "));
        self.rows.push(Row { key: path.to_owned(), cells: format!("| {name} | {cells} |") });

        for section in &sections {
            let form = match &tag {
                Some(tag) if sections.len() > 1 => {
                    format!("`{}`", section["properties"][tag]["const"].as_str().unwrap_or_default())
                }
                _ => form.to_owned(),
            };
            self.section(section, path, &form);
        }
        for form in forms.iter().filter(|form| form["type"] == "array") {
            let item = self.resolved(&form["items"]);
            self.section(&item, &format!("{path}.N"), "");
        }
    }

    fn kind(&self, form: &Value) -> String {
        if let Some(word) = form["const"].as_str() {
            return format!("`{word}`");
        }
        if let Some(words) = form["enum"].as_array() {
            let words: Vec<String> = words
                .iter()
                .map(|word| format!("`{}`", word.as_str().map_or(word.to_string(), str::to_owned)))
                .collect();
            return words.join(" or ");
        }
        let types = form["type"].as_array().cloned().unwrap_or_else(|| vec![form["type"].clone()]);
        let name = |kind: &Value| match kind.as_str().unwrap_or_default() {
            "boolean" => "`true` or `false`".to_owned(),
            "null" => "`null`".to_owned(),
            "array" => {
                let item = self.resolved(&form["items"]);
                let item = if item["properties"].is_object() { "section".to_owned() } else { self.kind(&item) };
                format!("list ({item})")
            }
            "object" => "map".to_owned(),
            other => other.to_owned(),
        };
        types.iter().map(name).collect::<Vec<_>>().join(" or ")
    }

    fn range(&self, form: &Value) -> String {
        let bound =
            |name: &str| form.get(name).map(|bound| bound.as_f64().map_or(String::new(), |bound| bound.to_string()));
        let own = match (bound("minimum"), bound("exclusiveMinimum"), bound("maximum"), bound("exclusiveMaximum")) {
            (Some(least), _, Some(most), _) => format!("{least} to {most}"),
            (Some(least), _, _, Some(below)) => format!("{least} to less than {below}"),
            (Some(least), ..) => format!("{least} or more"),
            (_, Some(above), Some(most), _) => format!("above {above}, at most {most}"),
            (_, Some(above), ..) => format!("above {above}"),
            _ => String::new(),
        };
        let count = match (bound("minItems"), bound("maxItems")) {
            (Some(least), Some(most)) if least == most => format!("{least} values"),
            (Some(least), Some(most)) => format!("{least} to {most} values"),
            (Some(least), None) => format!("{least} or more values"),
            _ => String::new(),
        };
        let item = form.get("items").map(|items| self.range(&self.resolved(items))).unwrap_or_default();
        let item = if item.is_empty() { item } else { format!("each {item}") };
        [own, count, item].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// The first sentence of a description.
fn sentence(description: Option<&Value>) -> String {
    let text = description.and_then(Value::as_str).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.replace('|', "\\|").replace(['[', ']'], "");
    text.find(". ").map_or(text.clone(), |end| text[..=end].to_owned())
}

const KEYS: &str = "## Keys of every task\n";

#[test]
fn the_reference_page_has_every_key_of_every_task() {
    let tasks = ["classify", "detect", "segment"].map(|task| (task, Reference::of(task)));
    let shared = |row: &&Row| tasks.iter().all(|(_, rows)| rows.contains(row));
    let table = |rows: Vec<&Row>| {
        let rows: Vec<&str> = rows.iter().map(|row| row.cells.as_str()).collect();
        format!("\n| key | type | default | range | meaning |\n|---|---|---|---|---|\n{}\n", rows.join("\n"))
    };
    let mut found = KEYS.to_owned() + &table(tasks[0].1.iter().filter(shared).collect());
    for (task, rows) in &tasks {
        found += &format!("\n## Keys of `task: {task}`\n");
        found += &table(rows.iter().filter(|row| !shared(row)).collect());
        assert!(rows.iter().any(|row| row.key == "head") && rows.len() > 60, "{task}: {}", rows.len());
    }
    let path = repository("docs/configuration.md");
    let text = read(&path);
    let introduction = text.find(KEYS).map_or(text.as_str(), |start| &text[..start]);
    if std::env::var_os("UPDATE_CONFIGURATION").is_some() {
        fs::write(&path, introduction.to_owned() + &found).expect("written");
        return;
    }
    let known = &text[introduction.len()..];
    for (known, found) in known.lines().zip(found.lines()) {
        assert_eq!(found, known, "docs/configuration.md is out of date; UPDATE_CONFIGURATION=1 rewrites it");
    }
    assert_eq!(known.len(), found.len());
}
