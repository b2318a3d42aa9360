//! Whether the operator that selects detections can be run: the library checks neither its options nor the sizes of its inputs.

use super::tensor::Tensor;
use crate::{Element, Error};

/// The name of the operator.
pub(super) const NAME: &[u8] = b"TFLite_Detection_PostProcess";

/// More than a detector has; the library allocates by the product of two of the counts.
const MOST: i64 = 10_000;
const CLASSES: &[u8] = b"num_classes";
/// The last has a default.
const COUNTS: [&[u8]; 4] = [CLASSES, b"max_detections", b"max_classes_per_detection", b"detections_per_class"];

/// Kinds of FlexBuffers.
const INT: u8 = 1;
const UNSIGNED: u8 = 2;
const FLOAT: u8 = 3;
const MAP: u8 = 9;
const BOOL: u8 = 26;

/// Checks the options and the inputs: boxes `[1, N, 4]`, scores `[1, N, classes]`, anchors `[N, 4]`.
///
/// # Errors
/// [`Error::Value`]: what is not valid.
pub(super) fn check(options: &[u8], inputs: &[&Tensor], outputs: &[&Tensor]) -> Result<(), Error> {
    if inputs.iter().chain(outputs).any(|tensor| tensor.port.element != Element::F32) {
        return Err(Error::value("the kind of the detections' elements", "float", "another"));
    }
    let shapes: Vec<&[usize]> = inputs.iter().map(|tensor| tensor.port.shape.as_slice()).collect();
    let [&[1, boxes, 4], &[1, scores, columns], &[anchors, 4]] = *shapes else {
        let expected = "boxes [1, N, 4], scores [1, N, classes] and anchors [N, 4]";
        return Err(Error::value("the input of the detections", expected, format!("{shapes:?}")));
    };
    if boxes != anchors || scores != anchors {
        let found = format!("{boxes} boxes, {scores} scores and {anchors} anchors");
        return Err(Error::value("the input of the detections", "as many of each", found));
    }
    let map = Map::read(options)
        .ok_or_else(|| Error::value("the options of the detections", "a map of numbers", "something else"))?;
    for name in COUNTS {
        let is_optional = Some(&name) == COUNTS.last();
        let Some(count) = map.int(name).or((!is_optional).then_some(0)) else { continue };
        if !(1..=MOST).contains(&count) {
            let name = String::from_utf8_lossy(name);
            return Err(Error::value(format!("{name} of the detections"), format!("1 to {MOST}"), count.to_string()));
        }
    }
    let classes = map.int(CLASSES).unwrap_or(0);
    match columns as i64 - classes {
        0 | 1 => Ok(()),
        _ => Err(Error::value("the scores of a box", format!("{classes} or one more"), columns.to_string())),
    }
}

/// A FlexBuffers map of numbers, all of them within its bytes. The format: <https://flatbuffers.dev/internals#flexbuffers>.
struct Map<'a> {
    entries: Vec<(&'a [u8], u8, &'a [u8])>,
}

impl<'a> Map<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&root_width, rest) = bytes.split_last()?;
        let (&kind, rest) = rest.split_last()?;
        let width = width(kind & 3);
        if kind >> 2 != MAP {
            return None;
        }
        let root = rest.len().checked_sub(known_width(root_width)?)?;
        let start = before(root, unsigned(bytes, root, root_width.into())?)?;
        let prefix = |numbers: usize| start.checked_sub(numbers * width);
        let count = usize::try_from(unsigned(bytes, prefix(1)?, width)?).ok()?;
        let key_width = known_width(u8::try_from(unsigned(bytes, prefix(2)?, width)?).ok()?)?;
        let keys = before(prefix(3)?, unsigned(bytes, prefix(3)?, width)?)?;
        if unsigned(bytes, keys.checked_sub(key_width)?, key_width)? != count as u64 || count > bytes.len() {
            return None;
        }
        let entry = |index: usize| {
            let place = keys + index * key_width;
            let key = bytes.get(before(place, unsigned(bytes, place, key_width)?)?..)?;
            let key = &key[..key.iter().position(|&byte| byte == 0)?];
            let kind = *bytes.get(start + count * width + index)? >> 2;
            let value = start + index * width;
            [INT, UNSIGNED, FLOAT, BOOL].contains(&kind).then_some((key, kind, bytes.get(value..value + width)?))
        };
        Some(Self { entries: (0..count).map(entry).collect::<Option<_>>()? })
    }

    fn int(&self, name: &[u8]) -> Option<i64> {
        let (_, kind, value) = self.entries.iter().find(|(key, _, _)| *key == name)?;
        // A count that is not written as a whole number is refused, because it is out of range.
        (*kind == INT || *kind == UNSIGNED).then(|| signed(value)).or(Some(0))
    }
}

fn width(bits: u8) -> usize {
    1 << bits
}

fn known_width(bytes: u8) -> Option<usize> {
    matches!(bytes, 1 | 2 | 4 | 8).then_some(bytes.into())
}

fn before(place: usize, distance: u64) -> Option<usize> {
    place.checked_sub(usize::try_from(distance).ok()?)
}

fn unsigned(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// A number of 1, 2, 4 or 8 bytes with a sign.
fn signed(bytes: &[u8]) -> i64 {
    let unused = 64 - 8 * bytes.len() as u32;
    let value = bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    ((value << unused) as i64) >> unused
}
