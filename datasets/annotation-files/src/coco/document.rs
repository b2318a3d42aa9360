//! JSON as Python reads and writes it, and the place of an error in it.

use std::io;
use std::path::Path;

use super::foreign;
use crate::text;

/// What stands in the text for Python's `NaN`, `Infinity` and `-Infinity`: no program writes these escapes.
pub(super) const NAN: &str = r#""\u004eaN""#;
pub(super) const INFINITY: &str = r#""\u0049nfinity""#;
pub(super) const MINUS_INFINITY: &str = r#""-\u0049nfinity""#;

const LITERALS: [(&str, &str); 3] = [("NaN", NAN), ("Infinity", INFINITY), ("-Infinity", MINUS_INFINITY)];

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused, or the file is not text.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The JSON is malformed, cut short, or lacks a field.
    #[error("{line}:{column}: {reason}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The file is JSON of another kind.
    #[error("{0}")]
    Format(String),
}

/// Reads a file that starts with the bracket `opening` and parses it, a second time where it has Python's literals for numbers
/// that are not finite; `expected` describes the file.
pub(super) fn read<T>(
    path: &Path,
    expected: &str,
    opening: u8,
    parse: impl FnMut(&str) -> serde_json::Result<T>,
) -> Result<T, Error> {
    let text = text::read(path)?.content;
    let first = text.trim_ascii_start().bytes().next();
    if first.is_some_and(|first| first != opening) {
        let kind = foreign::kind(&text).map(|kind| format!(": it looks like {kind}")).unwrap_or_default();
        return Err(Error::Format(format!("it is not {expected}{kind}")));
    }
    parse_twice(text, parse)
}

fn parse_twice<T>(text: String, mut parse: impl FnMut(&str) -> serde_json::Result<T>) -> Result<T, Error> {
    let error = match parse(&text) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    let Some((quoted, inserted)) = error.is_syntax().then(|| quote_literals(&text)).flatten() else {
        return Err(located(&error, &text, 0));
    };
    drop(text);
    parse(&quoted).map_err(|error| located(&error, &quoted, longer_by(&quoted, &inserted, &error)))
}

/// An error in a text whose line is `longer` bytes longer before it than in the file.
fn located(error: &serde_json::Error, text: &str, longer: usize) -> Error {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
    let mut reason = if error.is_eof() { format!("the JSON is cut short ({message})") } else { message.to_owned() };
    if let Some(kind) = error.is_data().then(|| foreign::kind(text)).flatten() {
        reason.push_str(&format!(": it looks like {kind}, not COCO's"));
    }
    Error::Json { line, column: column.saturating_sub(longer), reason }
}

/// The text with Python's literals replaced by text, and the ends of those with what each is longer; `None` without any.
fn quote_literals(text: &str) -> Option<(String, Vec<(usize, usize)>)> {
    let bytes = text.as_bytes();
    let mut quoted = String::new();
    let mut inserted = Vec::new();
    let (mut copied, mut at, mut in_text) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if in_text => at += 1,
            b'"' => in_text = !in_text,
            b'N' | b'I' | b'-' if !in_text => {
                if let Some((literal, instead)) =
                    LITERALS.iter().find(|(literal, _)| bytes[at..].starts_with(literal.as_bytes()))
                {
                    quoted.push_str(&text[copied..at]);
                    quoted.push_str(instead);
                    at += literal.len();
                    copied = at;
                    inserted.push((quoted.len(), instead.len() - literal.len()));
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if inserted.is_empty() {
        return None;
    }
    quoted.push_str(&text[copied..]);
    Some((quoted, inserted))
}

/// How much longer the line is before the error.
fn longer_by(quoted: &str, inserted: &[(usize, usize)], error: &serde_json::Error) -> usize {
    let start: usize = quoted.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let before = inserted.iter().filter(|(end, _)| (start..=start + error.column()).contains(end));
    before.map(|(_, longer)| longer).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Result<Value, Error> {
        parse_twice(text.to_owned(), |text| serde_json::from_str(text))
    }

    #[test]
    fn literals_of_python_are_read_outside_of_text_only() {
        let value = parse(r#"[NaN, -Infinity, Infinity, "NaN \" Infinity", 1]"#).expect("read");
        assert_eq!(value, serde_json::json!(["NaN", "-Infinity", "Infinity", "NaN \" Infinity", 1]));
    }

    #[test]
    fn errors_beside_literals_have_the_column_of_the_file() {
        let places = [
            ("[1, NaN, x]", (1, 10)),
            ("[NaN,\n NaN, ?]", (2, 7)),
            ("[NaN", (1, 4)),
            ("[NaNo]", (1, 5)),
            ("[Nan]", (1, 2)),
        ];
        for (text, place) in places {
            match parse(text) {
                Err(Error::Json { line, column, .. }) => assert_eq!((line, column), place, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
