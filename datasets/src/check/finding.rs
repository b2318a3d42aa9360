//! What a check finds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::findings::FindingKind;

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
    /// An image or a mask is damaged, cut short, too large, not an image, or an image of other channels than the network's.
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
    /// Boxes between 0 and 1 where pixels are expected.
    BoxesRelative,
    /// Boxes that are left, top, right, bottom where left, top, width, height is expected.
    BoxesAsCorners,
    /// Two images of one split are the same file.
    Copy,
    /// A box without width or height. Left out of training.
    BoxWithoutArea,
    /// A box with no pixel of the image in it. Left out of training.
    BoxOutsideFrame,
    /// A box that reaches more than one pixel beyond the image. Clipped for training.
    BoxBeyondFrame,
    /// An annotation with the id of another.
    RepeatedAnnotation,
    /// An image that is listed twice in one annotation file.
    RepeatedImage,
    /// Categories of one name.
    RepeatedName,
    /// An object of area 0 whose box has pixels. The metric counts it as small.
    AreaZero,
    /// A mask with only ignored pixels. Nothing is learnt from it.
    MaskWithoutLabels,
    /// Classes that occur in no image of the split.
    ClassWithoutObjects,
    /// The file's extension belongs to another format. It is read by its content.
    WrongExtension,
    /// The EXIF orientation rotates or mirrors the image, but is not applied.
    Turned,
    /// CMYK instead of RGB; converted without a colour profile.
    Cmyk,
    /// Several images in one file, of which the first is read.
    Animated,
    /// A file that is not called as the annotation or list says; the only match is taken.
    NameDiffers,
    /// A text file that neither is UTF-8 nor says what it is.
    EncodingGuessed,
    /// Class folders that are called `train`, `val` or `test`.
    SplitsAsClasses,
    /// A split without a list: every annotated image of the folder belongs to it.
    WithoutList,
    /// A flag that is neither 0 nor 1. Taken as 0.
    FlagUnclear,
    /// A stated size with width and height the other way round.
    SizeSwapped,
    /// A box that begins at pixel 0 in a format that counts from 1.
    ZeroBased,
    /// An image of more than eight bits that is nearly black.
    NearlyBlack,
    /// Two classes whose names differ in letter case or normalisation alone.
    ClassesAlike,
    /// A box that is in its image twice with one class.
    BoxGivenTwice,
    /// Boxes smaller than a pixel.
    BoxesBelowPixel,
    /// A mask with a palette that is neither VOC's nor grey.
    ForeignPalette,
    /// Masks whose pixels are mostly ignored.
    PixelsIgnored,
    /// An image without any object. Left out of training by default.
    ImageWithoutObjects,
    /// A region of many objects. Left out of training.
    Crowd,
    /// An object marked `difficult`. Left out of training by default.
    Difficult,
    /// An annotation without the image's size, which is read from the image.
    SizeNotStated,
    /// An annotation without an area, which is taken as width times height of its box.
    AreaNotStated,
    /// A file in a folder of images without the extension of an image. Ignored.
    NotAnImage,
    /// An annotation that names its image or category by text. Taken as what the text spells.
    IdAsText,
    /// A line of a class's list that says that the class is not in the image. Left out.
    AbsentClass,
    /// More than eight bits per channel, of which eight are read.
    Deep,
}

impl Kind {
    /// The kind of what a reader or the survey found; `None` where the check examines that itself.
    pub(super) fn of_reader(found: FindingKind) -> Option<Kind> {
        Some(match found {
            FindingKind::BoxWithoutArea
            | FindingKind::BoxBeyondFrame
            | FindingKind::BoxOutsideFrame
            | FindingKind::ImageWithoutObjects
            | FindingKind::ClassWithoutImages
            | FindingKind::TurnedUnseen
            | FindingKind::Animated
            | FindingKind::AnnotatedAsStored
            | FindingKind::ClassWithoutObjects
            | FindingKind::MaskWithoutLabels => return None,
            FindingKind::Crowd => Kind::Crowd,
            FindingKind::Difficult => Kind::Difficult,
            FindingKind::SizeNotStated => Kind::SizeNotStated,
            FindingKind::NotAnImage => Kind::NotAnImage,
            FindingKind::AreaNotStated => Kind::AreaNotStated,
            FindingKind::AreaZero => Kind::AreaZero,
            FindingKind::RepeatedAnnotation => Kind::RepeatedAnnotation,
            FindingKind::RepeatedImage => Kind::RepeatedImage,
            FindingKind::RepeatedName => Kind::RepeatedName,
            FindingKind::BoxesRelative => Kind::BoxesRelative,
            FindingKind::BoxesAsCorners => Kind::BoxesAsCorners,
            FindingKind::IdAsText => Kind::IdAsText,
            FindingKind::ForeignPalette => Kind::ForeignPalette,
            FindingKind::NameDiffers => Kind::NameDiffers,
            FindingKind::EncodingGuessed => Kind::EncodingGuessed,
            FindingKind::SplitsAsClasses => Kind::SplitsAsClasses,
            FindingKind::WithoutList => Kind::WithoutList,
            FindingKind::FlagUnclear => Kind::FlagUnclear,
            FindingKind::SizeSwapped => Kind::SizeSwapped,
            FindingKind::ZeroBased => Kind::ZeroBased,
            FindingKind::NearlyBlack => Kind::NearlyBlack,
            FindingKind::ClassesAlike => Kind::ClassesAlike,
            FindingKind::BoxGivenTwice => Kind::BoxGivenTwice,
            FindingKind::BoxesBelowPixel => Kind::BoxesBelowPixel,
            FindingKind::PixelsIgnored => Kind::PixelsIgnored,
            FindingKind::AbsentClass => Kind::AbsentClass,
        })
    }

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
            | Kind::SharedImage
            | Kind::BoxesRelative
            | Kind::BoxesAsCorners => Severity::Error,
            Kind::Copy
            | Kind::BoxWithoutArea
            | Kind::BoxOutsideFrame
            | Kind::BoxBeyondFrame
            | Kind::RepeatedAnnotation
            | Kind::RepeatedImage
            | Kind::RepeatedName
            | Kind::AreaZero
            | Kind::MaskWithoutLabels
            | Kind::ClassWithoutObjects
            | Kind::WrongExtension
            | Kind::Turned
            | Kind::Cmyk
            | Kind::Animated
            | Kind::NameDiffers
            | Kind::EncodingGuessed
            | Kind::SplitsAsClasses
            | Kind::WithoutList
            | Kind::FlagUnclear
            | Kind::SizeSwapped
            | Kind::ZeroBased
            | Kind::NearlyBlack
            | Kind::ClassesAlike
            | Kind::BoxGivenTwice
            | Kind::BoxesBelowPixel
            | Kind::ForeignPalette
            | Kind::PixelsIgnored => Severity::Warning,
            Kind::ImageWithoutObjects
            | Kind::Crowd
            | Kind::Difficult
            | Kind::SizeNotStated
            | Kind::AreaNotStated
            | Kind::NotAnImage
            | Kind::IdAsText
            | Kind::AbsentClass
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
    #[serde(serialize_with = "crate::paths::serialize")]
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
