//! What a check finds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Training would stop at it, or silently learn or measure something wrong.
    Error,
    /// Training continues by leaving something out or changing it.
    Warning,
    /// Worth knowing.
    Note,
}

/// What is found. The order is that of a report, errors first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A split cannot be read at all.
    Split,
    /// A record of an annotation file cannot be used: an id given twice, an unknown category or image, an invalid box, a file
    /// name that leaves the image folder, malformed XML.
    Annotation,
    /// An image or a mask does not exist, or cannot be opened.
    Missing,
    /// An image or a mask is damaged, cut short, too large, or not an image.
    Unreadable,
    /// The annotation states another size than the image has.
    SizeMismatch,
    /// A box with a number that is not finite.
    BoxNotFinite,
    /// An object or an image of a class that the set does not have.
    ClassOutOfRange,
    /// A mask has another size than its image.
    MaskSize,
    /// A mask has an id that is not a class.
    MaskId,
    /// A split's classes are not those of the first split.
    ClassesDiffer,
    /// Two images of one split are the same file, but their classes differ.
    ContradictoryCopy,
    /// An image of another split is the same file: evaluation measures what was trained on.
    SharedImage,
    /// Two images of one split are the same file.
    Copy,
    /// A box without width or height. Left out of training.
    BoxWithoutArea,
    /// A box with no pixel of the image in it. Left out of training.
    BoxOutsideFrame,
    /// A box that reaches more than one pixel beyond the image. Clipped for training.
    BoxBeyondFrame,
    /// A mask with only ignored pixels. Nothing is learnt from it.
    MaskWithoutLabels,
    /// Classes that occur in no image of the split.
    ClassWithoutObjects,
    /// The file's extension belongs to another format. It is read by its content.
    WrongExtension,
    /// The EXIF orientation rotates or mirrors the image; training and evaluation take it as stored.
    Turned,
    /// CMYK instead of RGB; converted without a colour profile.
    Cmyk,
    /// Several images in one file, of which the first is read.
    Animated,
    /// An image without any object. Left out of training by default.
    ImageWithoutObjects,
    /// A region of many objects. Left out of training.
    Crowd,
    /// An object marked `difficult`. Left out of training by default.
    Difficult,
    /// An annotation without the image's size, which is read from the image.
    SizeNotStated,
    /// A file in a folder of images without the extension of an image. Ignored.
    NotAnImage,
    /// More than eight bits per channel, of which eight are read.
    Deep,
}

impl Kind {
    /// How serious it is.
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

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFinding {
    /// How serious it is.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// The split's name.
    pub split: String,
    /// The file; empty where the finding is not about one.
    pub file: PathBuf,
    /// Where in the file, for example `object 3`, where the sentence does not say.
    pub place: Option<String>,
    /// What is wrong.
    pub sentence: String,
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
