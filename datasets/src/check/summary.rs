//! The examined records of a split in numbers.

use std::collections::BTreeMap;
use std::path::Path;

use super::finding::Kind;
use super::histogram::{Boxes, Images};
use super::report::{ClassCount, Facts, SplitReport};
use super::split::{Checked, Examined, Split};
use super::tally::Tally;
use crate::annotations::{Class, Record};

/// How many class names a sentence lists.
const MAX_LISTED_NAMES: usize = 5;

/// A split in numbers, as far as it has been examined.
#[derive(Default)]
pub(super) struct Summary {
    decoded: usize,
    bytes: u64,
    facts: Facts,
    images: Images,
    boxes: Boxes,
    /// By class: images and instances.
    classes: BTreeMap<usize, (usize, u64)>,
}

impl Summary {
    /// Adds a record, with its objects where the split has objects.
    pub(super) fn add(&mut self, examined: &Examined, record: Option<&Record>) {
        self.decoded += usize::from(examined.decoded);
        self.bytes += examined.bytes;
        if let Some((header, size)) = examined.header {
            self.images.add(size);
            let facts = &mut self.facts;
            let counts = [
                (&mut facts.grey, header.grey),
                (&mut facts.cmyk, header.cmyk),
                (&mut facts.deep, header.bits > 8),
                (&mut facts.alpha, header.alpha),
                (&mut facts.turned, header.is_turned()),
                (&mut facts.animated, header.animated),
            ];
            counts.into_iter().for_each(|(count, is_so)| *count += usize::from(is_so));
        }
        let mut occurring: Vec<(usize, u64)> = examined.pixels.clone();
        if let Some(record) = record {
            record.objects.iter().for_each(|object| self.boxes.add(object, record.size()));
            occurring.extend(record.objects.iter().map(|object| (object.class, 1)));
            occurring.sort_unstable();
        }
        let mut last = None;
        for (class, instances) in occurring {
            let (images, total) = self.classes.entry(class).or_default();
            *images += usize::from(last != Some(class));
            *total += instances;
            last = Some(class);
        }
    }

    /// Adds the findings about the complete split.
    pub(super) fn note(&self, split: &Split, tally: &mut Tally) {
        let classes = split.set.as_ref().map_or(&[][..], Checked::classes);
        let absent = (0..classes.len()).filter(|&class| self.count(class).0 == 0);
        let names: Vec<&str> = absent.map(|class| classes[class].name.as_str()).collect();
        if !names.is_empty() {
            let more = if names.len() > MAX_LISTED_NAMES { ", ..." } else { "" };
            let named = names.iter().take(MAX_LISTED_NAMES).copied().collect::<Vec<_>>().join(", ");
            let (absent, total) = (names.len(), classes.len());
            let sentence = || format!("{absent} of {total} classes occur in no image: {named}{more}");
            tally.note(Kind::ClassWithoutObjects, &split.name, Path::new(""), None, sentence);
        }
    }

    fn count(&self, class: usize) -> (usize, u64) {
        self.classes.get(&class).copied().unwrap_or_default()
    }

    pub(super) fn report(&self, split: &Split) -> SplitReport {
        let classes = split.set.as_ref().map_or(&[][..], Checked::classes);
        let counts = classes.iter().enumerate().map(|(class, Class { name, .. })| {
            let (images, instances) = self.count(class);
            ClassCount { name: name.clone(), images, instances }
        });
        SplitReport {
            name: split.name.clone(),
            images: split.images(),
            decoded: self.decoded,
            bytes: self.bytes,
            facts: self.facts,
            classes: counts.collect(),
            image_sizes: self.images.finish(),
            box_sizes: self.boxes.finish(),
        }
    }
}
