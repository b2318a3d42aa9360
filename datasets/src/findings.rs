//! What readers find in a set and can handle, counted by kind instead of reported for each object.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How many file names a finding keeps.
const MAX_EXAMPLES: usize = 3;

/// What a reader can find and handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A box without width or height. Kept for evaluation, left out of training.
    BoxWithoutArea,
    /// A box that reaches more than one pixel beyond the image. Kept as it is for evaluation, clipped for training.
    BoxBeyondFrame,
    /// A box with no pixel of the image in it. Kept for evaluation, left out of training.
    BoxOutsideFrame,
    /// A region of many objects (`iscrowd`). Ignored by the metric, left out of training.
    Crowd,
    /// An object marked `difficult`. Ignored by the VOC metric, left out of training by default.
    Difficult,
    /// An image without any object. Kept for evaluation, left out of training by default.
    ImageWithoutObjects,
    /// An image whose annotation does not state its size, which is read from the image file.
    SizeNotStated,
    /// An annotation without an area, which is taken as width times height of its box.
    AreaNotStated,
    /// An annotation with area 0 whose box has pixels. The metric counts it as small.
    AreaZero,
    /// An annotation with the id of another. Kept: nothing refers to it.
    RepeatedAnnotation,
    /// An image that is listed again with the same file and size. The first is kept, with the annotations of both.
    RepeatedImage,
    /// Categories of one name. They stay classes of their own.
    RepeatedName,
    /// A file in a folder of images without the extension of an image. Ignored.
    NotAnImage,
    /// A class folder without any image. The class keeps its index.
    ClassWithoutImages,
    /// A file that is not called as the annotation or the list says: see [`crate::finder`].
    NameDiffers,
    /// A text file that neither is UTF-8 nor says what it is.
    EncodingGuessed,
    /// Class folders that are called `train`, `val` or `test`.
    SplitsAsClasses,
    /// A line of a class's list (`<image> -1`) that says that the class is not in the image. Left out.
    AbsentClass,
    /// A `<difficult>` or another flag that is neither 0 nor 1. Taken as 0.
    FlagUnclear,
    /// A stated size whose width and height are those of the image the other way round. The image's is taken.
    SizeSwapped,
    /// A box that begins at pixel 0 in a format that counts from 1.
    ZeroBased,
    /// A split that has no list: every annotated image of the folder belongs to it.
    WithoutList,
    /// An image that its EXIF orientation turns by 180 degrees or mirrors, which no stated size can tell. Turned.
    TurnedUnseen,
    /// An image whose annotation states the size before its EXIF orientation is applied. Taken as stored.
    AnnotatedAsStored,
    /// An annotation that names its image or category by text where others use numbers. Taken as what the text spells.
    IdAsText,
    /// Several images in a file, of which the first is read.
    Animated,
    /// An image of more than eight bits whose pixels stay below a quarter of the range.
    NearlyBlack,
    /// Two classes whose names differ in letter case or normalisation alone.
    ClassesAlike,
    /// A class that no object, image or pixel has.
    ClassWithoutObjects,
    /// A box that is in its image twice with one class.
    BoxGivenTwice,
    /// Boxes smaller than a pixel.
    BoxesBelowPixel,
    /// Boxes whose numbers are nearly all between 0 and 1.
    BoxesRelative,
    /// Boxes that leave their images as left, top, width and height, and not as left, top, right and bottom.
    BoxesAsCorners,
    /// A mask with ignored pixels alone.
    MaskWithoutLabels,
    /// A mask with a palette that is neither VOC's nor grey.
    ForeignPalette,
    /// Masks whose pixels are mostly ignored.
    PixelsIgnored,
}

/// How often one kind was found, and where first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finding {
    /// Objects, or images for the kinds that concern images.
    pub count: usize,
    /// The names of the first files with it, each once, at most three.
    pub examples: Vec<String>,
}

/// The findings of one set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    kinds: BTreeMap<FindingKind, Finding>,
}

impl Findings {
    /// How often this kind was found.
    pub fn count(&self, kind: FindingKind) -> usize {
        self.kinds.get(&kind).map_or(0, |finding| finding.count)
    }

    /// Every kind that was found.
    pub fn iter(&self) -> impl Iterator<Item = (FindingKind, &Finding)> {
        self.kinds.iter().map(|(&kind, finding)| (kind, finding))
    }

    /// Whether there are no findings.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(crate) fn note(&mut self, kind: FindingKind, file: &Path) {
        self.add(kind, || file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned());
    }

    /// Notes a kind whose example is more than the name of a file.
    pub(crate) fn note_text(&mut self, kind: FindingKind, example: String) {
        self.add(kind, || example);
    }

    fn add(&mut self, kind: FindingKind, example: impl FnOnce() -> String) {
        let finding = self.kinds.entry(kind).or_default();
        finding.count += 1;
        if finding.examples.len() < MAX_EXAMPLES {
            let example = example();
            if finding.examples.last() != Some(&example) {
                finding.examples.push(example);
            }
        }
    }
}

impl FindingKind {
    fn sentence(self, Finding { count, examples }: &Finding) -> String {
        let (one, many, consequence) = self.words();
        let noun = if *count == 1 { one } else { many };
        let more = if *count > examples.len() { ", ..." } else { "" };
        format!("{count} {noun}, {consequence} ({}{more})", examples.join(", "))
    }

    /// The finding in one example: `a.jpg: crowd region, left out of training`.
    pub(crate) fn about(self, example: &str) -> String {
        let (one, _, consequence) = self.words();
        format!("{example}: {one}, {consequence}")
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            FindingKind::BoxWithoutArea => ("box without area", "boxes without area", "left out of training"),
            FindingKind::BoxBeyondFrame => ("box beyond the frame", "boxes beyond the frame", "clipped for training"),
            FindingKind::BoxOutsideFrame => {
                ("box outside the frame", "boxes outside the frame", "left out of training")
            }
            FindingKind::Crowd => ("crowd region", "crowd regions", "left out of training"),
            FindingKind::Difficult => ("difficult object", "difficult objects", "left out of training by default"),
            FindingKind::ImageWithoutObjects => {
                ("image without objects", "images without objects", "left out of training by default")
            }
            FindingKind::AreaNotStated => {
                ("object without an area", "objects without an area", "taken as width x height of the box")
            }
            FindingKind::AreaZero => ("object of area 0", "objects of area 0", "counted as small by the metric"),
            FindingKind::RepeatedAnnotation => {
                ("annotation with the id of another", "annotations with the id of another", "kept")
            }
            FindingKind::RepeatedImage => {
                ("image listed twice", "images listed twice", "read once, with the annotations of both")
            }
            FindingKind::RepeatedName => {
                ("category with the name of another", "categories with the name of another", "kept as its own class")
            }
            FindingKind::NotAnImage => ("file that is not an image", "files that are not images", "ignored"),
            FindingKind::ClassWithoutImages => {
                ("class without images", "classes without images", "kept in the class list")
            }
            FindingKind::SizeNotStated => {
                ("image of unstated size", "images of unstated size", "measured from the file")
            }
            FindingKind::NameDiffers => ("file of another name", "files of another name", "taken as the only match"),
            FindingKind::EncodingGuessed => (
                "file that is not UTF-8 and does not state its encoding",
                "files that are not UTF-8 and do not state their encoding",
                "read in the encoding that the bytes suggest",
            ),
            FindingKind::SplitsAsClasses => (
                "class folder with the name of a split",
                "class folders with the names of splits",
                "read as classes; is the path one level too high?",
            ),
            FindingKind::AbsentClass => (
                "line with -1, which says that the class is not in the image",
                "lines with -1, which say that the class is not in the image",
                "left out",
            ),
            FindingKind::FlagUnclear => {
                ("flag that is neither 0 nor 1", "flags that are neither 0 nor 1", "taken as 0")
            }
            FindingKind::SizeSwapped => (
                "image whose annotation has width and height the other way round",
                "images whose annotations have width and height the other way round",
                "the image's own size is taken",
            ),
            FindingKind::ZeroBased => (
                "box that begins at pixel 0, but VOC counts from 1",
                "boxes that begin at pixel 0, but VOC counts from 1",
                "read one pixel too far to the left and up",
            ),
            FindingKind::WithoutList => {
                ("split without a list", "splits without a list", "every annotated image of the folder is read")
            }
            FindingKind::TurnedUnseen => (
                "image that EXIF turns by 180 degrees or mirrors",
                "images that EXIF turns by 180 degrees or mirrors",
                "read upright; if the annotations were made without EXIF, set data.orientation: stored",
            ),
            FindingKind::AnnotatedAsStored => (
                "image annotated before its EXIF orientation is applied",
                "images annotated before their EXIF orientation is applied",
                "read as stored; data.orientation: stored reads all so",
            ),
            FindingKind::IdAsText => {
                ("annotation with an id as text", "annotations with ids as text", "taken as what the text spells")
            }
            FindingKind::Animated => ("animated image", "animated images", "the first picture is read"),
            FindingKind::NearlyBlack => (
                "image of more than 8 bits that is nearly black",
                "images of more than 8 bits that are nearly black",
                "scaled as if all 16 bits were used; data.depth: 12 says how many are",
            ),
            FindingKind::ClassesAlike => (
                "pair of classes whose names differ in case alone",
                "pairs of classes whose names differ in case alone",
                "kept apart",
            ),
            FindingKind::ClassWithoutObjects => {
                ("class that occurs in no image", "classes that occur in no image", "nothing can be learnt of them")
            }
            FindingKind::BoxGivenTwice => ("box given twice", "boxes given twice", "both are used"),
            FindingKind::BoxesBelowPixel => {
                ("set with boxes smaller than a pixel", "sets with boxes smaller than a pixel", "used as they are")
            }
            FindingKind::BoxesRelative => (
                "set with boxes between 0 and 1",
                "sets with boxes between 0 and 1",
                "are these relative coordinates? COCO's and VOC's are pixels, and less than a pixel is not learnt",
            ),
            FindingKind::BoxesAsCorners => (
                "set whose boxes leave their images",
                "sets whose boxes leave their images",
                "are these left, top, right, bottom? COCO's are left, top, width, height",
            ),
            FindingKind::MaskWithoutLabels => {
                ("mask with ignored pixels alone", "masks with ignored pixels alone", "nothing is learnt from them")
            }
            FindingKind::ForeignPalette => (
                "mask whose palette is not VOC's",
                "masks whose palettes are not VOC's",
                "its numbers are the classes, whatever their colours; options.colors takes the colours",
            ),
            FindingKind::PixelsIgnored => (
                "set whose masks have ignored pixels in place of a class",
                "sets whose masks have ignored pixels in place of a class",
                "nothing is learnt there; options.ids gives these numbers a class, and options.ignore another number",
            ),
        }
    }
}

/// One line a kind: `2 boxes without area, left out of training (a.jpg, b.jpg)`.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (kind, finding)) in self.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", kind.sentence(finding))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_one_line_with_its_count_and_first_files() {
        let mut findings = Findings::default();
        for file in ["a/1.jpg", "a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg"] {
            findings.note(FindingKind::Crowd, Path::new(file));
        }
        findings.note(FindingKind::BoxWithoutArea, Path::new("a/9.jpg"));
        assert_eq!(
            findings.to_string(),
            "1 box without area, left out of training (9.jpg)\n5 crowd regions, left out of training (1.jpg, 2.jpg, 3.jpg, ...)"
        );
    }
}
