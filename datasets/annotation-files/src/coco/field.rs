//! The fields of a record, whatever type they are written as.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{INFINITY, MINUS_INFINITY, NAN};

/// How much of a text a description shows.
const SHOWN: usize = 60;

/// A value that is not a list or an object.
pub(super) enum Scalar<'a> {
    Missing,
    Null,
    Boolean(bool),
    /// As written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List,
    Object,
}

impl<'a> Scalar<'a> {
    pub(super) fn of(raw: Option<&'a RawValue>) -> Scalar<'a> {
        let Some(raw) = raw else { return Scalar::Missing };
        let raw = raw.get();
        match raw.as_bytes().first() {
            Some(b'"') if !raw.contains('\\') => Scalar::Text(Cow::Borrowed(&raw[1..raw.len() - 1])),
            Some(b'"') => match raw {
                NAN => Scalar::Number("NaN"),
                INFINITY => Scalar::Number("Infinity"),
                MINUS_INFINITY => Scalar::Number("-Infinity"),
                // Half a surrogate pair is text for Python, but for no other reader.
                _ => Scalar::Text(Cow::Owned(serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()))),
            },
            Some(b'n') => Scalar::Null,
            Some(b't') => Scalar::Boolean(true),
            Some(b'f') => Scalar::Boolean(false),
            Some(b'[') => Scalar::List,
            Some(b'{') => Scalar::Object,
            _ => Scalar::Number(raw),
        }
    }

    /// What it is, as the rest of a sentence.
    pub(super) fn describe(&self) -> String {
        match self {
            Scalar::Missing => "is missing".to_owned(),
            Scalar::Null => "is null".to_owned(),
            Scalar::Boolean(boolean) => format!("is {boolean}"),
            Scalar::Number(number) => format!("is {}", shortened(number)),
            Scalar::Text(text) => format!("is {:?}", shortened(text)),
            Scalar::List => "is a list".to_owned(),
            Scalar::Object => "is an object".to_owned(),
        }
    }

    /// The number, infinite ones too; `None` where none is stated: `null`, `NaN`, an empty text.
    pub(super) fn float(&self) -> Result<Option<f64>, String> {
        let number = match self {
            Scalar::Missing | Scalar::Null => return Ok(None),
            Scalar::Boolean(boolean) => f64::from(u8::from(*boolean)),
            Scalar::Number(number) => number.parse().map_err(|_| self.describe())?,
            Scalar::Text(text) if text.trim().is_empty() => return Ok(None),
            Scalar::Text(text) => text.trim().parse().map_err(|_| self.describe())?,
            Scalar::List | Scalar::Object => return Err(self.describe()),
        };
        Ok(Some(number).filter(|number| !number.is_nan()))
    }
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A number of pixels; `None` where none is stated, or nothing that can be one.
pub(super) fn side(raw: Option<&RawValue>) -> Option<usize> {
    let number = Scalar::of(raw).float().ok().flatten()?;
    // Exact up to 2^53, and no image is as large.
    (number >= 1.0 && number.fract() == 0.0 && number < 1e15).then_some(number as usize)
}

/// A flag that is off where it is not stated.
pub(super) fn flag(raw: Option<&RawValue>) -> Result<bool, String> {
    let scalar = Scalar::of(raw);
    match &scalar {
        Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        _ => Ok(scalar.float()?.is_some_and(|number| number != 0.0)),
    }
}

/// Four finite numbers.
pub(super) fn bbox(raw: Option<&RawValue>) -> Result<[f64; 4], String> {
    let Some(raw) = raw else { return Err(Scalar::Missing.describe()) };
    match serde_json::from_str::<[f64; 4]>(raw.get()) {
        Ok(bbox) => Ok(bbox),
        Err(_) => lenient_bbox(raw).map_err(|(at, words)| at.map_or(words.clone(), |at| format!("[{at}] {words}"))),
    }
}

/// The error with the index of the number.
fn lenient_bbox(raw: &RawValue) -> Result<[f64; 4], (Option<usize>, String)> {
    let scalar = Scalar::of(Some(raw));
    let Scalar::List = scalar else { return Err((None, scalar.describe())) };
    let numbers: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| (None, format!("is not read: {error}")))?;
    let mut bbox = [0.0; 4];
    if numbers.len() != bbox.len() {
        return Err((None, format!("has {} numbers instead of 4", numbers.len())));
    }
    for (index, (slot, raw)) in bbox.iter_mut().zip(numbers).enumerate() {
        let scalar = Scalar::of(Some(raw));
        match scalar.float() {
            Ok(Some(number)) if number.is_finite() => *slot = number,
            _ => return Err((Some(index), scalar.describe())),
        }
    }
    Ok(bbox)
}

/// The fields of an object under `N` keys as they are written, the last of a repeated key; or what the element is instead.
pub(super) type Element<'de, const N: usize> = Result<[Option<&'de RawValue>; N], &'static str>;

/// Reads a list whose elements should be objects, and calls `each` with every element and its index.
pub(super) struct List<F, const N: usize> {
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str; N],
    pub(super) each: F,
}

impl<'de, F: FnMut(usize, Element<'de, N>), const N: usize> DeserializeSeed<'de> for List<F, N> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(usize, Element<'de, N>), const N: usize> Visitor<'de> for List<F, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list in the field `{}`", self.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = elements.next_element_seed(Object(self.keys))? {
            (self.each)(index, element);
            index += 1;
        }
        Ok(())
    }
}

struct Object<const N: usize>(&'static [&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Object<N> {
    type Value = Element<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Object<N> {
    type Value = Element<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = [None; N];
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            match key.and_then(|key| fields.get_mut(key)) {
                Some(field) => *field = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Ok(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err("is a list instead of an object"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Err("is text instead of an object"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Err("is a boolean instead of an object"))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Err("is null instead of an object"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Err("is a number instead of an object"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Err("is a number instead of an object"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Err("is a number instead of an object"))
    }
}

/// The index of a key in the list; `None` for another one.
pub(super) struct Key<'a>(pub(super) &'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|wanted| *wanted == key))
    }
}
