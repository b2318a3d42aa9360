//! JSON files of other programs that are given as COCO's.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many keys of an object are looked at.
const KEYS: usize = 32;

/// What a text without COCO's lists looks like: `an annotation file of labelme`.
pub(super) fn kind(text: &str) -> Option<&'static str> {
    let outline: Outline = serde_json::from_str(text).ok()?;
    let has = |key: &str| outline.keys.iter().any(|other| other == key);
    let first_has = |key: &str| outline.first.iter().any(|other| other == key);
    let kinds = [
        (has("shapes") && (has("imagePath") || has("imageData") || has("flags")), "an annotation file of labelme"),
        (has("_via_img_metadata") || has("_via_settings") || first_has("regions"), "an annotation file of VIA"),
        (first_has("image_id") && first_has("score"), "a file of COCO results"),
        (first_has("data") && (first_has("annotations") || first_has("completions")), "an export of Label Studio"),
        (first_has("image") && first_has("annotations"), "an annotation file of CreateML"),
        (first_has("Labeled Data") || first_has("data_row"), "an export of Labelbox"),
        (first_has("labels") && first_has("name"), "an annotation file of BDD100K"),
        (has("objects") && has("size"), "an annotation file of Supervisely"),
        (has("asset") && has("regions"), "an annotation file of VoTT"),
        (has("assets"), "a project of VoTT"),
        (has("categories") && has("items"), "a dataset of Datumaro"),
        (has("metadata") && has("file"), "an annotation file of VIA 3"),
    ];
    kinds.iter().find(|(is, _)| *is).map(|&(_, kind)| kind)
}

/// The first keys of an object, and those of the first object in it or in a list.
#[derive(Default)]
struct Outline {
    keys: Vec<String>,
    first: Vec<String>,
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Outline, D::Error> {
        deserializer.deserialize_any(OutlineVisitor)
    }
}

struct OutlineVisitor;

impl<'de> Visitor<'de> for OutlineVisitor {
    type Value = Outline;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outline, A::Error> {
        let mut outline = Outline::default();
        while let Some(key) = map.next_key::<String>()? {
            // Only VIA 2 has its records in an object, each with a name of its own.
            if outline.keys.is_empty() {
                outline.first = map.next_value::<Keys>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if outline.keys.len() < KEYS {
                outline.keys.push(key);
            }
        }
        Ok(outline)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outline, A::Error> {
        let first = list.next_element::<Keys>()?.unwrap_or_default().0;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Outline { keys: Vec::new(), first })
    }
}

/// The first keys of an object; none of another value.
#[derive(Default)]
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        // `RawValue` takes any value at any depth without recursion.
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(serde_json::from_str::<FirstKeys>(raw.get()).map_or_else(|_| Keys::default(), |keys| Keys(keys.0)))
    }
}

struct FirstKeys(Vec<String>);

impl<'de> Deserialize<'de> for FirstKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FirstKeys, D::Error> {
        deserializer.deserialize_map(FirstKeysVisitor)
    }
}

struct FirstKeysVisitor;

impl<'de> Visitor<'de> for FirstKeysVisitor {
    type Value = FirstKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FirstKeys, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if keys.len() < KEYS {
                keys.push(key);
            }
        }
        Ok(FirstKeys(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn files_of_other_programs_are_recognised_by_their_keys() {
        for (text, program) in [
            (r#"{"version": "5.0", "flags": {}, "shapes": [], "imagePath": "a.jpg"}"#, "labelme"),
            (r#"{"a.jpg123": {"filename": "a.jpg", "size": 123, "regions": []}}"#, "VIA"),
            (r#"{"_via_settings": {}, "_via_img_metadata": {}}"#, "VIA"),
            (r#"[{"id": 1, "annotations": [], "data": {"image": "a"}}]"#, "Label Studio"),
            (r#"[{"image": "a.jpg", "annotations": []}]"#, "CreateML"),
            (r#"[{"image_id": 1, "category_id": 1, "bbox": [], "score": 1}]"#, "results"),
        ] {
            assert!(kind(text).is_some_and(|kind| kind.contains(program)), "{program}: {:?}", kind(text));
        }
        for text in [r#"{"images": []}"#, "[1]", "[]", "{", "7"] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
