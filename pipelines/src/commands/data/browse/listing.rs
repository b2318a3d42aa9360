//! What the page knows of every image: enough to filter by, small enough for a hundred thousand.

use datasets::check::{CheckFinding, CheckReport};
use datasets::{Checked, Image, PixelOptions, SegmentationSet, Split, draw};
use rayon::prelude::*;
use serde::{Serialize, Serializer};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::super::word;
use crate::console::SharedProgress;

/// The images of both sets.
#[derive(Serialize)]
pub(super) struct Listing {
    /// What the page is called.
    pub(super) title: String,
    splits: Vec<String>,
    classes: Vec<NamedClass>,
    /// The kinds of findings, where the sets were checked.
    kinds: Vec<String>,
    /// Whether images have masks.
    pub(super) masks: bool,
    items: Vec<Item>,
    /// The file of each image.
    #[serde(skip)]
    pub(super) files: Vec<PathBuf>,
    /// The split and the place in it of each image.
    #[serde(skip)]
    pub(super) places: Vec<(usize, usize)>,
}

#[derive(Serialize)]
struct NamedClass {
    name: String,
    colour: String,
}

/// An image, written as a list: names of fields would be most of the text.
#[derive(Debug, Default, PartialEq)]
struct Item {
    split: usize,
    /// Below the data's folder.
    name: String,
    /// Width and height; 0 where the file cannot be read.
    size: [usize; 2],
    /// Class, left, top, width and height of each box, in whole pixels.
    boxes: Vec<i64>,
    /// The classes of images without boxes: those of a mask are in its file.
    classes: BTreeSet<usize>,
    /// Findings: kinds, and sentences.
    kinds: BTreeSet<usize>,
    sentences: Vec<String>,
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { split, name, size: [width, height], boxes, classes, kinds, sentences } = self;
        (split, name, width, height, boxes, classes, kinds, sentences).serialize(serializer)
    }
}

impl Listing {
    /// The images of the splits, and what a check found of them. Names are paths below the data's folder. Reads the headers of
    /// images whose size no annotation has, and mask files.
    pub(super) fn new(
        title: &str,
        (root, pixels): (&Path, &PixelOptions),
        splits: &[Split],
        report: Option<&CheckReport>,
    ) -> Self {
        let progress = SharedProgress::new("reading", splits.iter().map(Split::images).sum::<usize>() as u64);
        let findings = report.map_or(&[][..], |report| &report.findings);
        let names: BTreeSet<String> = findings.iter().map(|finding| word(&finding.kind)).collect();
        let kinds: Vec<String> = names.into_iter().collect();
        let mut of_file: HashMap<(&str, &Path), Vec<&CheckFinding>> = HashMap::new();
        for finding in findings {
            of_file.entry((&finding.split, &finding.file)).or_default().push(finding);
        }
        let classes = splits.iter().find_map(Split::classes).unwrap_or_default();
        let mut listing = Self {
            title: title.to_owned(),
            splits: splits.iter().map(|split| split.name().to_owned()).collect(),
            classes: (0..).zip(classes).map(|(index, class)| NamedClass::new(index, &class.name)).collect(),
            kinds,
            masks: splits.iter().any(|split| matches!(split.set(), Some(Checked::Segmentation(_)))),
            items: Vec::new(),
            files: Vec::new(),
            places: Vec::new(),
        };
        for (number, split) in splits.iter().enumerate() {
            for (place, (file, mut item)) in
                split.set().map(|set| items(set, pixels, &progress)).unwrap_or_default().into_iter().enumerate()
            {
                item.split = number;
                item.name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
                for finding in of_file.get(&(split.name(), file.as_path())).into_iter().flatten() {
                    let kind = word(&finding.kind);
                    item.kinds.extend(listing.kinds.iter().position(|known| *known == kind));
                    item.sentences.push(finding.sentence.clone());
                }
                listing.items.push(item);
                listing.files.push(file);
                listing.places.push((number, place));
            }
        }
        listing
    }

    /// How many images there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }
}

impl NamedClass {
    fn new(index: usize, name: &str) -> Self {
        let [red, green, blue] = draw::class_colour(index);
        Self { name: name.to_owned(), colour: format!("#{red:02x}{green:02x}{blue:02x}") }
    }
}

/// The images of a set.
fn items(set: &Checked, pixels: &PixelOptions, progress: &SharedProgress) -> Vec<(PathBuf, Item)> {
    let sized = |file: &Path| Image::measure(file, pixels.orientation).map_or([0; 2], |size| [size.width, size.height]);
    let made = |item: (PathBuf, Item)| {
        progress.advance();
        item
    };
    match set {
        Checked::Detection(set) => {
            let item = |record: &datasets::Record| {
                let whole = |object: &datasets::Object| {
                    let corners = object.bbox.map(|pixels| pixels.round() as i64);
                    [&[object.class as i64][..], &corners].concat()
                };
                let boxes = record.objects.iter().flat_map(whole).collect();
                (record.file.clone(), Item { size: [record.width, record.height], boxes, ..Item::default() })
            };
            set.records.iter().map(item).map(made).collect()
        }
        Checked::Classification(set) => {
            let item = |record: &datasets::classification::ClassificationRecord| {
                let (size, classes) = (sized(&record.file), BTreeSet::from([record.class]));
                (record.file.clone(), Item { size, classes, ..Item::default() })
            };
            set.records.par_iter().map(item).map(made).collect()
        }
        Checked::Segmentation(set) => {
            let item = |(place, record): (usize, &datasets::segmentation::SegmentationRecord)| {
                let classes = classes_of_mask(set, place, pixels);
                (record.image.clone(), Item { size: sized(&record.image), classes, ..Item::default() })
            };
            set.records.par_iter().enumerate().map(item).map(made).collect()
        }
    }
}

/// The classes of a mask; none where it cannot be read, which a check finds.
fn classes_of_mask(set: &SegmentationSet, place: usize, pixels: &PixelOptions) -> BTreeSet<usize> {
    if let Some(classes) = set.records[place].mask.classes() {
        return classes.map(usize::from).collect();
    }
    let mut present = [false; 256];
    let mask = set.mask(place, pixels.orientation).map(|mask| mask.data).unwrap_or_default();
    mask.iter().for_each(|class| present[usize::from(*class)] = true);
    (0..set.classes.len()).filter(|class| present.get(*class) == Some(&true)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datasets::findings::Findings;
    use datasets::{Class, DetectionSet, Object, Record};

    #[test]
    fn an_image_is_a_short_list() {
        let object = |class, bbox| Object { class, bbox, area: 1.0, crowd: false, difficult: false };
        let record = Record {
            image_id: 1,
            file: PathBuf::from("/data/a/<1>.jpg"),
            width: 640,
            height: 480,
            objects: vec![object(1, [0.4, 10.6, 5.0, 6.5])],
        };
        let classes = ["cat", "dog"].map(|name| Class { id: 1, name: name.to_owned() }).to_vec();
        let set =
            DetectionSet { classes, records: vec![record], ids: Default::default(), findings: Findings::default() };
        let split = Split::read("train", |_| Ok(Checked::Detection(set)));
        let listing = Listing::new("job", (Path::new("/data"), &PixelOptions::default()), &[split], None);
        let text = serde_json::to_string(&listing.items).unwrap();
        assert_eq!(text, r#"[[0,"a/<1>.jpg",640,480,[1,0,11,5,7],[],[],[]]]"#);
        assert_eq!((listing.files.len(), &listing.places[..]), (1, &[(0, 0)][..]));
        assert!(!listing.masks && listing.classes[1].name == "dog");
    }
}
