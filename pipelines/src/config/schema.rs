//! The JSON Schema of configurations, made from their types: what editors read, what `docs/configuration.md` is written
//! from, and what values are checked against.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Config, Keys, TaskKind};

/// Where the schemas of sections lie in a schema.
const DEFINITIONS: &str = "$defs";

/// The schema of a type.
pub(super) fn of<T: JsonSchema>() -> Value {
    generator().into_root_schema_for::<T>().to_value()
}

/// The schema of a task's configuration with every key given that has no default.
pub fn resolved<K: Keys>(task: TaskKind) -> Value {
    let mut schema = of::<Config<K>>();
    schema["title"] = json!(format!("{} configuration", task.name()));
    schema["properties"]["task"] = json!({ "const": task.name(), "description": "The task." });
    schema
}

/// The schema of configuration files: one of `tasks`, each as [`resolved`] makes it. A file that extends another may leave
/// any key out.
pub fn of_files(tasks: Vec<Value>) -> Value {
    let mut definitions = Map::new();
    let (mut complete, mut partial) = (Vec::new(), Vec::new());
    for mut task in tasks {
        let sections = task.as_object_mut().and_then(|task| {
            task.remove("$schema");
            task.remove(DEFINITIONS)
        });
        for (name, section) in sections.as_ref().and_then(Value::as_object).into_iter().flatten() {
            definitions.insert(format!("partial{name}"), optional(section.clone()));
            definitions.insert(name.clone(), section.clone());
        }
        let mut extending = optional(task.clone());
        extending["properties"]["extends"] = json!({
            "type": "string",
            "description": "A configuration that this one is merged over: a path from this file, or a name in configs/.",
        });
        complete.push(task);
        partial.push(extending);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of `pipeline`",
        "type": "object",
        "if": { "required": ["extends"] },
        "then": { "anyOf": partial },
        "else": { "oneOf": complete },
        DEFINITIONS: definitions,
    })
}

/// The same schema without keys that have to be given.
fn optional(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keywords) => {
            keywords.remove("required");
            // Without its required keys a value may fit several of the forms.
            if let Some(forms) = keywords.remove("oneOf") {
                keywords.insert("anyOf".to_owned(), forms);
            }
            if let Some(Value::String(reference)) = keywords.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/$defs/partial");
            }
            keywords.values_mut().for_each(|keyword| *keyword = optional(keyword.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = optional(item.take())),
        _ => {}
    }
    schema
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// A place in a schema.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    root: &'a Value,
    keywords: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(root: &'a Value) -> Self {
        Self { root, keywords: root }
    }

    fn at(self, keywords: &'a Value) -> Self {
        let reference = keywords.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        let keywords = reference.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(keywords);
        Self { keywords, ..self }
    }

    /// Whether both are one place.
    pub(super) fn is_same_as(self, other: Self) -> bool {
        std::ptr::eq(self.keywords, other.keywords)
    }

    /// The value of a keyword.
    pub(super) fn keyword(self, name: &str) -> Option<&'a Value> {
        self.keywords.get(name)
    }

    /// The bound that a keyword sets.
    pub(super) fn bound(self, name: &str) -> Option<f64> {
        self.keyword(name).and_then(Value::as_f64)
    }

    /// Whether values of this type fit.
    pub(super) fn has_type(self, name: &str) -> bool {
        match self.keyword("type") {
            Some(Value::Array(types)) => types.iter().any(|known| known == name),
            known => known.is_some_and(|known| known == name),
        }
    }

    /// The forms in which a value may be written: this one, where there are no others.
    pub(super) fn forms(self) -> Vec<Self> {
        match self.keyword("oneOf").or_else(|| self.keyword("anyOf")).and_then(Value::as_array) {
            Some(forms) => forms.iter().flat_map(|form| self.at(form).forms()).collect(),
            None => vec![self],
        }
    }

    /// The keys of a section.
    pub(super) fn keys(self) -> impl Iterator<Item = &'a str> {
        self.keyword("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// What stands at a key of a section, also where every key is allowed.
    pub(super) fn key(self, key: &str) -> Option<Self> {
        let any = || self.keyword("patternProperties").and_then(Value::as_object)?.values().next();
        Some(self.at(self.keyword("properties").and_then(|keys| keys.get(key)).or_else(any)?))
    }

    /// What stands in a list.
    pub(super) fn item(self) -> Option<Self> {
        self.keyword("items").map(|items| self.at(items))
    }

    /// The keys that have to be given.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.keyword("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The words that are allowed, where only certain words are.
    pub(super) fn words(self) -> Vec<&'a Value> {
        match (self.keyword("const"), self.keyword("enum").and_then(Value::as_array)) {
            (Some(word), _) => vec![word],
            (None, Some(words)) => words.iter().collect(),
            (None, None) => Vec::new(),
        }
    }

    /// The key whose word says which form of section this is.
    pub(super) fn tag(self) -> Option<&'a str> {
        self.keys().find(|key| self.key(key).is_some_and(|value| value.keyword("const").is_some()))
    }
}
