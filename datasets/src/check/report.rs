//! What a check found, as written to JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::histogram::{BoxSizes, ImageSizes};
use super::tally::Tally;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Training would stop at it, or silently learn or measure wrong.
    Error,
    /// Training survives it by leaving something out or changing it.
    Warning,
    /// Worth knowing.
    Note,
}

/// What is wrong or odd. The order is that of a report, errors first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A split cannot be read at all.
    Split,
    /// A record of an annotation file cannot be used: an id given twice, an unknown category or image, a box that is no box, a
    /// file name that leaves the image folder, malformed XML.
    Annotation,
    /// An image or a mask does not exist, or cannot be opened.
    Missing,
    /// An image or a mask is damaged, cut short, too large, or no image.
    Unreadable,
    /// The annotation states another size than the image has.
    SizeMismatch,
    /// A box with a number that is not finite.
    BoxNotFinite,
    /// An object or an image of a class that the set does not have.
    ClassOutOfRange,
    /// A mask has another size than its image.
    MaskSize,
    /// A mask holds an id that is no class.
    MaskId,
    /// A split's classes are not those of the first split.
    ClassesDiffer,
    /// Two images of one split are the same file, but their classes differ.
    ContradictoryCopy,
    /// An image of another split is the same file: what is measured on it was learnt.
    SharedImage,
    /// Two images of one split are the same file.
    Copy,
    /// A box without width or height. Left out of training.
    BoxWithoutArea,
    /// A box with no pixel of the image in it. Left out of training.
    BoxOutsideFrame,
    /// A box that reaches more than one pixel beyond the image. Clipped for training.
    BoxBeyondFrame,
    /// A mask of which every pixel is to be ignored. Nothing is learnt from it.
    MaskWithoutLabels,
    /// Classes that occur in no image of the split.
    ClassWithoutObjects,
    /// The file's ending belongs to another format. Read by its content.
    WrongExtension,
    /// The camera notes that the picture is to be turned; training and evaluation take it as stored.
    Turned,
    /// Four inks instead of three lights; converted without a colour profile.
    Cmyk,
    /// More pictures than one in a file, of which the first is read.
    Animated,
    /// An image without any object. Left out of training unless asked for.
    ImageWithoutObjects,
    /// A region of many objects. Left out of training.
    Crowd,
    /// An object marked `difficult`. Left out of training unless asked for.
    Difficult,
    /// An annotation without the image's size, which was measured.
    SizeNotStated,
    /// A file in a folder of images that ends as no image does. Passed over.
    NotAnImage,
    /// More than eight bits a channel, of which eight are read.
    Deep,
}

impl Kind {
    /// How grave it is.
    pub fn severity(self) -> Severity {
        match self {
            Kind::Split
            | Kind::Annotation
            | Kind::Missing
            | Kind::Unreadable
            | Kind::SizeMismatch
            | Kind::BoxNotFinite
            | Kind::ClassOutOfRange
            | Kind::MaskSize
            | Kind::MaskId
            | Kind::ClassesDiffer
            | Kind::ContradictoryCopy
            | Kind::SharedImage => Severity::Error,
            Kind::Copy
            | Kind::BoxWithoutArea
            | Kind::BoxOutsideFrame
            | Kind::BoxBeyondFrame
            | Kind::MaskWithoutLabels
            | Kind::ClassWithoutObjects
            | Kind::WrongExtension
            | Kind::Turned
            | Kind::Cmyk
            | Kind::Animated => Severity::Warning,
            Kind::ImageWithoutObjects
            | Kind::Crowd
            | Kind::Difficult
            | Kind::SizeNotStated
            | Kind::NotAnImage
            | Kind::Deep => Severity::Note,
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFinding {
    /// How grave it is.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// The split's name.
    pub split: String,
    /// The file; empty where it is no file's.
    pub file: PathBuf,
    /// Where in the file, such as `object 3`, where the sentence does not say.
    pub place: Option<String>,
    /// What is wrong.
    pub sentence: String,
}

/// How often a kind was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindCount {
    /// The kind.
    pub kind: Kind,
    /// How grave it is.
    pub severity: Severity,
    /// How often it was met.
    pub count: usize,
    /// How many of these [`CheckReport::findings`] lists.
    pub listed: usize,
}

/// How many images are of each make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// One channel.
    pub grey: usize,
    /// Four inks.
    pub cmyk: usize,
    /// More than eight bits a channel.
    pub deep: usize,
    /// A channel or a colour of transparency, which is dropped.
    pub alpha: usize,
    /// An EXIF orientation other than upright.
    pub turned: usize,
    /// Several pictures in the file.
    pub animated: usize,
}

/// A class and how much there is of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// The class.
    pub name: String,
    /// Images that show it.
    pub images: usize,
    /// Boxes, or pixels of masks; as many as images where pictures have one class each.
    pub instances: u64,
}

/// One split in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitReport {
    /// The split's name.
    pub name: String,
    /// Images in the split, without those whose annotations cannot be used.
    pub images: usize,
    /// Images that could be decoded.
    pub decoded: usize,
    /// Bytes of the image files that could be opened.
    pub bytes: u64,
    /// How many images are of each make.
    pub facts: Facts,
    /// Every class of the set, in the order of its indices.
    pub classes: Vec<ClassCount>,
    /// Sizes of the images that could be opened.
    pub image_sizes: Option<ImageSizes>,
    /// Sizes of the boxes, where there are any.
    pub box_sizes: Option<BoxSizes>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckReport {
    /// The splits, in the order given.
    pub splits: Vec<SplitReport>,
    /// Every kind that was met, errors first.
    pub kinds: Vec<KindCount>,
    /// The first findings of each kind, in the order of `kinds`, then of splits and records.
    pub findings: Vec<CheckFinding>,
}

impl CheckReport {
    pub(super) fn new(splits: Vec<SplitReport>, tally: Tally) -> CheckReport {
        let mut report = CheckReport { splits, kinds: Vec::new(), findings: Vec::new() };
        for (kind, met) in tally.into_kinds() {
            let listed = met.listed.len();
            report.kinds.push(KindCount { kind, severity: kind.severity(), count: met.count, listed });
            report.findings.extend(met.listed);
        }
        report
    }

    /// How often a kind was met.
    pub fn count(&self, kind: Kind) -> usize {
        self.kinds.iter().find(|met| met.kind == kind).map_or(0, |met| met.count)
    }

    /// How many findings are of this severity.
    pub fn total(&self, severity: Severity) -> usize {
        self.kinds.iter().filter(|met| met.severity == severity).map(|met| met.count).sum()
    }

    /// Whether training would stop, or learn or measure wrong.
    pub fn has_errors(&self) -> bool {
        self.total(Severity::Error) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_the_order_of_their_severity() {
        let all = [Kind::Split, Kind::SharedImage, Kind::Copy, Kind::Animated, Kind::ImageWithoutObjects, Kind::Deep];
        assert!(all.is_sorted() && all.map(Kind::severity).is_sorted());
    }
}
