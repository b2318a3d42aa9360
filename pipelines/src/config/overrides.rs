//! `--set a.b=c`: changes one key of the configuration on the command line.

use serde_yaml::{Mapping, Value};
use std::fmt;

use crate::failure::Failure;

/// A key's path and its new value.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    word: String,
    path: Vec<String>,
    value: Value,
}

impl fmt::Display for Override {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.word)
    }
}

impl Override {
    /// Parses `a.b=value`; the value is YAML.
    ///
    /// # Errors
    /// When there is no `=`, a part of the path is empty, or the value is not YAML.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("--set {word}: {why}"))
                .hint("Write it as KEY=VALUE, for example --set train.epochs=5.")
        };
        let (path, value) = word.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(wrong("a part of the key is empty"));
        }
        let value = serde_yaml::from_str(value).map_err(|error| wrong(&format!("the value is not YAML: {error}")))?;
        Ok(Self { word: word.to_owned(), path, value })
    }

    /// The keys that lead to the value.
    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    /// Puts the value in its place and creates missing sections on the way.
    ///
    /// # Errors
    /// When a value on the way is not a section or a list.
    pub fn apply(&self, document: &mut Value) -> Result<(), Failure> {
        let mut place = document;
        for part in &self.path {
            if place.is_null() {
                *place = Value::Mapping(Mapping::new());
            }
            place = match place {
                Value::Mapping(section) => section.entry(Value::String(part.clone())).or_insert(Value::Null),
                Value::Sequence(items) => {
                    let length = items.len();
                    part.parse::<usize>().ok().and_then(|index| items.get_mut(index)).ok_or_else(|| {
                        Failure::usage(format!("--set {self}: `{part}` is not an index of a list of {length}"))
                    })?
                }
                _ => return Err(Failure::usage(format!("--set {self}: the value before `{part}` is not a section"))),
            };
        }
        place.clone_from(&self.value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(document: &str, word: &str) -> Result<Value, Failure> {
        let mut document = serde_yaml::from_str(document).unwrap();
        Override::parse(word)?.apply(&mut document)?;
        Ok(document)
    }

    #[test]
    fn a_value_replaces_adds_and_indexes() {
        let expected = |text| serde_yaml::from_str::<Value>(text).unwrap();
        assert_eq!(changed("a: {b: 1, c: 2}", "a.b=[3, 4]").unwrap(), expected("a: {b: [3, 4], c: 2}"));
        assert_eq!(changed("a: 1", "b.c=true").unwrap(), expected("a: 1\nb: {c: true}"));
        assert_eq!(changed("a: [1, 2]", "a.1=x").unwrap(), expected("a: [1, x]"));
        assert_eq!(changed("a: null", "a.b=null").unwrap(), expected("a: {b: null}"));
    }

    #[test]
    fn a_wrong_override_names_what_is_wrong() {
        assert!(changed("a: 1", "a").unwrap_err().to_string().contains("no `=`"));
        assert!(changed("a: 1", "a..b=1").unwrap_err().to_string().contains("empty"));
        assert!(changed("a: 1", "a.b=1").unwrap_err().to_string().contains("not a section"));
        assert!(changed("a: [1]", "a.4=1").unwrap_err().to_string().contains("not an index"));
    }
}
