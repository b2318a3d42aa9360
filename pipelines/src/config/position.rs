//! Where in a YAML text a key stands.

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The line, from 1, of the key or list item that `path` leads to.
pub(super) fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let stopped = Search(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    stopped.location().map(|location| location.line())
}

/// Reads a document up to a path and fails there: the parser adds the place to the error.
struct Search<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a section or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut section: A) -> Result<(), A::Error> {
        let Some((wanted, below)) = self.0.split_first() else { return Err(A::Error::custom("found")) };
        while let Some(found) = section.next_key_seed(Key { wanted, is_last: below.is_empty() })? {
            if found {
                return section.next_value_seed(Search(below));
            }
            section.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((wanted, below)) = self.0.split_first() else { return Err(A::Error::custom("found")) };
        for _ in 0..wanted.parse().unwrap_or(usize::MAX) {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        list.next_element_seed(Search(below)).map(Option::unwrap_or_default)
    }
}

/// Whether a key is the wanted one; the last one of a path is where the search fails.
struct Key<'a> {
    wanted: &'a str,
    is_last: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        if key == self.wanted && self.is_last { Err(E::custom("found")) } else { Ok(key == self.wanted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\nb:\n  c: {d: 2}\n  e:\n    - 3\n    - f: 4\n      g:\n        h: 5\n7: x\n";

    #[test]
    fn the_line_of_a_key_or_an_item_is_found() {
        let line = |path: &str| line_of(TEXT, &path.split('.').map(str::to_owned).collect::<Vec<_>>());
        let paths = ["a", "b", "b.c", "b.c.d", "b.e", "b.e.0", "b.e.1", "b.e.1.f", "b.e.1.g", "b.e.1.g.h", "7"];
        assert_eq!(paths.map(line), [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9].map(Some));
    }
}
