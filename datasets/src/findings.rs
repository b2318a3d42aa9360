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
    /// A file in a folder of images without the extension of an image. Ignored.
    NotAnImage,
    /// A class folder without any image. The class keeps its index.
    ClassWithoutImages,
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
        let finding = self.kinds.entry(kind).or_default();
        finding.count += 1;
        if finding.examples.len() < MAX_EXAMPLES {
            let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
            if finding.examples.last() != Some(&name) {
                finding.examples.push(name);
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
            FindingKind::NotAnImage => ("file that is not an image", "files that are not images", "ignored"),
            FindingKind::ClassWithoutImages => {
                ("class without images", "classes without images", "kept in the class list")
            }
            FindingKind::SizeNotStated => {
                ("image of unstated size", "images of unstated size", "measured from the file")
            }
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
