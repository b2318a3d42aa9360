//! Checks a configuration against its schema: keys, types, words and ranges.

use serde_yaml::{Mapping, Value};

use super::schema::Node;

/// What is wrong with a value.
#[derive(Debug)]
pub(super) struct Problem {
    /// The keys that lead to it; a place in a list is a number.
    pub(super) path: Vec<String>,
    pub(super) sentence: String,
    pub(super) hint: Option<String>,
}

/// The keywords that bound a number.
const BOUNDS: [&str; 4] = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"];

impl<'a> Node<'a> {
    /// Checks the value at `path`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn check(self, value: &Value, path: &mut Vec<String>) -> Result<(), Problem> {
        let form = self.form_of(value).ok_or_else(|| self.misfit(value, path))?;
        match value {
            Value::Mapping(section) => {
                form.check_keys(section, path)?;
                for (key, value) in section {
                    let key = written(key);
                    if let Some(node) = form.key(&key) {
                        path.push(key);
                        node.check(value, path)?;
                        path.pop();
                    }
                }
                Ok(())
            }
            Value::Sequence(items) if form.has_length(items.len()) => {
                let Some(node) = form.item() else { return Ok(()) };
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    node.check(item, path)?;
                    path.pop();
                }
                Ok(())
            }
            Value::Number(number) if number.as_f64().is_some_and(|number| form.allows(number)) => Ok(()),
            Value::Sequence(_) | Value::Number(_) => Err(self.misfit(value, path)),
            _ => Ok(()),
        }
    }

    /// The one form that a value is written in, or nothing where no form or several fit.
    pub(super) fn only_form_of(self, value: &Value) -> Option<Self> {
        match self.fitting(value)[..] {
            [form] => Some(form),
            _ => None,
        }
    }

    fn form_of(self, value: &Value) -> Option<Self> {
        self.fitting(value).first().copied()
    }

    /// The forms that a value may be written in. Those that know all of a section's keys are preferred.
    fn fitting(self, value: &Value) -> Vec<Self> {
        let forms: Vec<Self> = self.forms().into_iter().filter(|form| form.takes(value)).collect();
        let complete: Vec<Self> = match value {
            Value::Mapping(section) => {
                forms.iter().copied().filter(|form| form.unknown_key(section).is_none()).collect()
            }
            _ => forms.clone(),
        };
        if complete.is_empty() && forms.len() == 1 { forms } else { complete }
    }

    fn takes(self, value: &Value) -> bool {
        let words = self.words();
        match value {
            Value::Null => self.has_type("null"),
            Value::Bool(_) => self.has_type("boolean"),
            Value::Number(number) => {
                let integer = number.is_i64() || number.is_u64();
                (self.has_type("number") || integer && self.has_type("integer"))
                    && (words.is_empty() || words.iter().any(|word| word.as_f64() == number.as_f64()))
            }
            Value::String(text) => match words[..] {
                [] => self.has_type("string"),
                _ => words.iter().any(|word| *word == text),
            },
            Value::Sequence(_) => self.has_type("array"),
            Value::Mapping(section) => {
                let tag = self.tag().and_then(|tag| Some((self.key(tag)?, section.get(tag)?)));
                self.has_type("object") && tag.is_none_or(|(node, word)| node.takes(word))
            }
            Value::Tagged(_) => false,
        }
    }

    fn unknown_key(self, section: &Mapping) -> Option<String> {
        let closed = self.keyword("additionalProperties").is_some_and(|rest| rest == false);
        section.keys().map(written).find(|key| closed && self.key(key).is_none())
    }

    fn check_keys(self, section: &Mapping, path: &[String]) -> Result<(), Problem> {
        if let Some(key) = self.unknown_key(section) {
            let known: Vec<&str> = self.keys().collect();
            let place = if path.is_empty() { String::new() } else { format!(" in {}", path.join(".")) };
            let hint = nearest(&key, known.iter().copied())
                .map(|known| format!("Did you mean `{known}`?"))
                .or_else(|| (!known.is_empty()).then(|| format!("Known here: {}.", known.join(", "))));
            let sentence = format!("unknown key `{key}`{place}");
            return Err(Problem { path: joined(path, &key), sentence, hint });
        }
        match self.required().find(|key| !section.contains_key(*key)) {
            Some(key) => {
                let sentence = format!("{} is missing", joined(path, key).join("."));
                Err(Problem { path: path.to_vec(), sentence, hint: None })
            }
            None => Ok(()),
        }
    }

    fn misfit(self, value: &Value, path: &[String]) -> Problem {
        let forms = self.forms();
        // Where a word of a section says which form it has, that word is what is wrong or missing.
        if let (Value::Mapping(section), Some(tag)) = (value, forms.iter().find_map(|form| form.tag())) {
            let words: Vec<Node<'_>> = forms.iter().filter_map(|form| form.key(tag)).collect();
            let path_of_tag = joined(path, tag);
            return match section.get(tag) {
                Some(word) => wrong(&words, word, &path_of_tag),
                None => Problem {
                    path: path.to_vec(),
                    sentence: format!("{} is missing", path_of_tag.join(".")),
                    hint: Some(format!("It must be {}.", expected(&words))),
                },
            };
        }
        wrong(&forms, value, path)
    }

    fn allows(self, number: f64) -> bool {
        let [least, above, most, below] = BOUNDS.map(|name| self.bound(name));
        number.is_finite()
            && least.is_none_or(|bound| number >= bound)
            && above.is_none_or(|bound| number > bound)
            && most.is_none_or(|bound| number <= bound)
            && below.is_none_or(|bound| number < bound)
    }

    fn has_length(self, length: usize) -> bool {
        let length = length as f64;
        self.bound("minItems").is_none_or(|least| length >= least)
            && self.bound("maxItems").is_none_or(|most| length <= most)
    }

    /// What a value of this form has to be, as the end of a sentence.
    fn expectation(self) -> String {
        let types = ["boolean", "string", "array", "object", "integer", "number", "null"];
        let of = |kind: &str| match kind {
            "boolean" => "true or false".to_owned(),
            "string" => "a string".to_owned(),
            "array" => {
                let count = match (self.bound("minItems"), self.bound("maxItems")) {
                    (Some(least), Some(most)) if least == most => format!(" of {least}"),
                    (least, most) => range([least, None, most, None]),
                };
                let items = self.item().map_or(String::new(), |item| format!(", each {}", expected(&item.forms())));
                format!("a list{count}{items}")
            }
            "object" => {
                let keys: Vec<&str> = self.required().collect();
                if keys.is_empty() { "a section".to_owned() } else { format!("{{ {} }}", keys.join(", ")) }
            }
            "integer" => format!("an integer{}", range(BOUNDS.map(|name| self.bound(name)))),
            "number" => format!("a number{}", range(BOUNDS.map(|name| self.bound(name)))),
            other => other.to_owned(),
        };
        types.into_iter().filter(|kind| self.has_type(kind)).map(of).collect::<Vec<_>>().join(" or ")
    }
}

fn wrong(forms: &[Node<'_>], value: &Value, path: &[String]) -> Problem {
    let words: Vec<&str> = forms.iter().flat_map(|form| form.words()).filter_map(|word| word.as_str()).collect();
    let wants_text = forms.iter().any(|form| form.has_type("string"));
    let (text, hint) = match value {
        Value::String(text) => {
            let meant = nearest(text, words.iter().copied());
            (format!("`{text}`"), meant.map(|word| format!("Did you mean `{word}`?")))
        }
        Value::Number(_) | Value::Bool(_) if wants_text => {
            (written(value), Some(format!("Put it in quotes: '{}'.", written(value))))
        }
        _ => (written(value), None),
    };
    let name = if path.is_empty() { "the configuration".to_owned() } else { path.join(".") };
    Problem { path: path.to_vec(), sentence: format!("{name} is {text}; it must be {}", expected(forms)), hint }
}

/// What a value has to be where it may have several forms.
fn expected(forms: &[Node<'_>]) -> String {
    let of = |form: &Node<'_>| match form.words()[..] {
        [] => vec![form.expectation()],
        ref words => {
            words.iter().map(|word| word.as_str().map_or(word.to_string(), |word| format!("`{word}`"))).collect()
        }
    };
    let all: Vec<String> = forms.iter().flat_map(of).collect();
    match &all[..] {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn range(bounds: [Option<f64>; 4]) -> String {
    match bounds {
        [Some(least), _, Some(most), _] => format!(" from {least} to {most}"),
        [Some(least), _, _, Some(below)] => format!(" from {least}, below {below}"),
        [Some(least), ..] => format!(" of {least} or more"),
        [_, Some(above), Some(most), _] => format!(" above {above}, at most {most}"),
        [_, Some(above), ..] => format!(" above {above}"),
        _ => String::new(),
    }
}

fn joined(path: &[String], key: &str) -> Vec<String> {
    path.iter().cloned().chain([key.to_owned()]).collect()
}

/// A value in a line.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Sequence(values) => format!("[{}]", values.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Mapping(values) => {
            let pairs = values.iter().map(|(key, value)| format!("{}: {}", written(key), written(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Tagged(value) => written(&value.value),
    }
}

/// The known word that is close enough to have been meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_close_or_nothing() {
        let known = ["epochs", "batch_size", "optimizer"];
        assert_eq!(nearest("epoch", known.into_iter()), Some("epochs"));
        assert_eq!(nearest("optimiser", known.into_iter()), Some("optimizer"));
        assert_eq!(nearest("wheels", known.into_iter()), None);
    }
}
