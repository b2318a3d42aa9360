//! Ids as files write them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::field::Scalar;

/// The id of an image, a category or an annotation.
///
/// A whole number is the same id however it is written: `1`, `1.0` and `"1"`. Other text is itself: `"0001"` is not 1. What was
/// written is kept, and is how an id is displayed and serialised.
#[derive(Clone)]
pub struct Id(Form);

#[derive(Clone)]
enum Form {
    Number(i64),
    Quoted(i64),
    Other(Box<Other>),
}

/// What no `i64` holds.
#[derive(Clone)]
struct Other {
    /// A decimal number without leading zeros, or text.
    text: String,
    quoted: bool,
}

/// What decides whether two ids are equal.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key<'a> {
    Number(i64),
    Text(&'a str),
}

impl Id {
    /// The id in a field.
    ///
    /// # Errors
    /// What the field is instead, as the rest of a sentence: `is null`.
    pub(super) fn read(scalar: &Scalar<'_>) -> Result<Id, String> {
        match scalar {
            Scalar::Number(number) => Id::of_number(number).ok_or_else(|| scalar.describe()),
            Scalar::Text(text) => Ok(Id::of_text(text)),
            _ => Err(scalar.describe()),
        }
    }

    fn of_number(number: &str) -> Option<Id> {
        if let Ok(number) = number.parse() {
            return Some(Id(Form::Number(number)));
        }
        let text = if is_integer(number) {
            number.to_owned()
        } else {
            let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
            let text = if number.fract() == 0.0 { format!("{number:.0}") } else { number.to_string() };
            if let Ok(number) = text.parse() {
                return Some(Id(Form::Number(number)));
            }
            text
        };
        Some(Id(Form::Other(Box::new(Other { text, quoted: false }))))
    }

    /// The id that is this text.
    pub fn of_text(text: &str) -> Id {
        match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Id(Form::Quoted(number)),
            _ => Id(Form::Other(Box::new(Other { text: text.to_owned(), quoted: true }))),
        }
    }

    /// The number, where it is from 0 and below 2^64.
    pub fn number(&self) -> Option<u64> {
        match &self.0 {
            Form::Number(number) | Form::Quoted(number) => u64::try_from(*number).ok(),
            Form::Other(other) => {
                other.text.parse::<u64>().ok().filter(|_| is_integer(&other.text) && !other.text.starts_with('+'))
            }
        }
    }

    /// Whether the file writes it as text.
    pub fn is_quoted(&self) -> bool {
        match &self.0 {
            Form::Number(_) => false,
            Form::Quoted(_) => true,
            Form::Other(other) => other.quoted,
        }
    }

    /// Without the quotes of text.
    pub fn text(&self) -> String {
        match &self.0 {
            Form::Number(number) | Form::Quoted(number) => number.to_string(),
            Form::Other(other) => other.text.clone(),
        }
    }

    /// pycocotools' order: numbers numerically, text by its characters.
    pub fn sorted_before(&self, other: &Id) -> Ordering {
        let (quoted, other_quoted) = (self.is_quoted(), other.is_quoted());
        quoted.cmp(&other_quoted).then_with(|| match (&self.0, &other.0) {
            (Form::Number(a), Form::Number(b)) => a.cmp(b),
            _ if quoted => self.text().cmp(&other.text()),
            _ => numerically(&self.text(), &other.text()),
        })
    }

    /// How many of the ids are equal to another one before them.
    pub fn count_repeated(mut ids: Vec<Id>) -> usize {
        ids.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
        ids.windows(2).filter(|pair| pair[0] == pair[1]).count()
    }

    fn key(&self) -> Key<'_> {
        match &self.0 {
            Form::Number(number) | Form::Quoted(number) => Key::Number(*number),
            Form::Other(other) => Key::Text(&other.text),
        }
    }
}

/// Whether this is a decimal integer without leading zeros.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}

/// The order of two numbers of any length; of fractions as far as a float holds them.
fn numerically(a: &str, b: &str) -> Ordering {
    if !(is_integer(a) || a == "0") || !(is_integer(b) || b == "0") {
        let [a, b] = [a, b].map(|text| text.parse::<f64>().unwrap_or_default());
        return a.total_cmp(&b);
    }
    let magnitude = |a: &str, b: &str| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => magnitude(a, b),
        (Some(a), Some(b)) => magnitude(b, a),
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Id {
        Id(match i64::try_from(number) {
            Ok(number) => Form::Number(number),
            Err(_) => Form::Other(Box::new(Other { text: number.to_string(), quoted: false })),
        })
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Id) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// As in the file: text in quotes.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_quoted() { write!(f, "{:?}", self.text()) } else { f.write_str(&self.text()) }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As in the file: a number or text.
impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Number(number) => serializer.serialize_i64(*number),
            Form::Other(other) if !other.quoted => {
                let number = RawValue::from_string(other.text.clone()).map_err(serde::ser::Error::custom)?;
                number.serialize(serializer)
            }
            _ => serializer.serialize_str(&self.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Id {
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        Id::read(&Scalar::of(Some(raw))).expect("an id")
    }

    #[test]
    fn a_whole_number_is_one_id_however_it_is_written() {
        for (one, other) in [
            ("1", "1.0"),
            ("1", "\"1\""),
            ("-3", "\"-3\""),
            ("-0", "0"),
            ("1e3", "1000"),
            ("20231115093000123456789", "\"20231115093000123456789\""),
            ("1e22", "10000000000000000000000"),
        ] {
            assert_eq!(id(one), id(other), "{one} and {other}");
        }
        for (one, other) in [("1", "\"01\""), ("1", "\" 1\""), ("1", "\"+1\""), ("1", "1.5"), ("\"a\"", "\"b\"")] {
            assert_ne!(id(one), id(other), "{one} and {other}");
        }
    }

    #[test]
    fn ids_are_written_as_they_were() {
        for json in ["1", "-3", "\"2\"", "\"0001\"", "20231115093000123456789", "\"a\\\"b\"", "1.5"] {
            assert_eq!(serde_json::to_string(&id(json)).expect("JSON"), json);
        }
    }

    #[test]
    fn numbers_are_known_where_64_bits_hold_them() {
        assert_eq!(id("18446744073709551615").number(), Some(u64::MAX));
        assert_eq!(id("\"7\"").number(), Some(7));
        for json in ["18446744073709551616", "-1", "\"07\"", "1.5", "\"+7\""] {
            assert_eq!(id(json).number(), None, "{json}");
        }
    }

    #[test]
    fn ids_are_sorted_as_pycocotools_sorts_them() {
        let mut ids =
            ["\"9\"", "30", "\"10\"", "-7", "99999999999999999999", "\"b\"", "4", "-99999999999999999999", "0"].map(id);
        ids.sort_by(Id::sorted_before);
        assert_eq!(
            format!("{ids:?}"),
            r#"[-99999999999999999999, -7, 0, 4, 30, 99999999999999999999, "10", "9", "b"]"#
        );
    }

    #[test]
    fn what_is_no_id_is_described() {
        for (json, words) in [("null", "is null"), ("true", "is true"), ("[1]", "is a list"), ("1e999", "is 1e999")] {
            let raw: &RawValue = serde_json::from_str(json).expect("JSON");
            assert_eq!(Id::read(&Scalar::of(Some(raw))).expect_err("no id"), words);
        }
        assert_eq!(Id::read(&Scalar::Missing).expect_err("no id"), "is missing");
    }
}
