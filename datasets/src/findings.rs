//! What is odd about a set of annotations, told once for each kind instead of once for each object.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How many file names a finding keeps as examples.
const EXAMPLES: usize = 3;

/// A kind of oddity that reading survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oddity {
    /// A box without width or height. Kept for evaluation, left out of training.
    BoxWithoutArea,
    /// A box that reaches more than one pixel beyond the image. Kept as it is for evaluation, clipped for training.
    BoxBeyondFrame,
    /// A box with no pixel of the image in it. Kept for evaluation, left out of training.
    BoxOutsideFrame,
    /// A region of many objects (`iscrowd`). Ignored by the metric, left out of training.
    Crowd,
    /// An object marked `difficult`. Ignored by the VOC metric, left out of training unless asked for.
    Difficult,
    /// An image without any object. Kept for evaluation, left out of training unless asked for.
    ImageWithoutObjects,
    /// An image whose annotation does not state its size, which the image file then told.
    SizeNotStated,
    /// A file in a folder of images that has no image's extension. Passed over.
    NotAnImage,
    /// A class folder without any image. The class keeps its index.
    ClassWithoutImages,
}

/// How often an oddity was met, and where first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finding {
    /// Objects, or images for the kinds that concern images.
    pub count: usize,
    /// The names of the first files that show it, each once, three at most.
    pub examples: Vec<String>,
}

/// The oddities of one set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    kinds: BTreeMap<Oddity, Finding>,
}

impl Findings {
    /// How often this oddity was met.
    pub fn count(&self, oddity: Oddity) -> usize {
        self.kinds.get(&oddity).map_or(0, |finding| finding.count)
    }

    /// Every kind that was met.
    pub fn iter(&self) -> impl Iterator<Item = (Oddity, &Finding)> {
        self.kinds.iter().map(|(&oddity, finding)| (oddity, finding))
    }

    /// Whether nothing odd was met.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(crate) fn note(&mut self, oddity: Oddity, file: &Path) {
        let finding = self.kinds.entry(oddity).or_default();
        finding.count += 1;
        if finding.examples.len() < EXAMPLES {
            let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
            if finding.examples.last() != Some(&name) {
                finding.examples.push(name);
            }
        }
    }
}

impl Oddity {
    fn sentence(self, Finding { count, examples }: &Finding) -> String {
        let (one, many, consequence) = self.words();
        let noun = if *count == 1 { one } else { many };
        let more = if *count > examples.len() { ", ..." } else { "" };
        format!("{count} {noun}, {consequence} ({}{more})", examples.join(", "))
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Oddity::BoxWithoutArea => ("box without area", "boxes without area", "left out of training"),
            Oddity::BoxBeyondFrame => ("box beyond the frame", "boxes beyond the frame", "clipped for training"),
            Oddity::BoxOutsideFrame => ("box outside the frame", "boxes outside the frame", "left out of training"),
            Oddity::Crowd => ("crowd region", "crowd regions", "left out of training"),
            Oddity::Difficult => ("difficult object", "difficult objects", "left out of training unless asked for"),
            Oddity::ImageWithoutObjects => {
                ("image without objects", "images without objects", "left out of training unless asked for")
            }
            Oddity::NotAnImage => ("file that is no image", "files that are no images", "passed over"),
            Oddity::ClassWithoutImages => ("class without images", "classes without images", "kept in the class list"),
            Oddity::SizeNotStated => ("image of unstated size", "images of unstated size", "measured from the file"),
        }
    }
}

/// One line a kind: `2 boxes without area, left out of training (a.jpg, b.jpg)`.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (oddity, finding)) in self.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", oddity.sentence(finding))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_with_its_count_and_first_files() {
        let mut findings = Findings::default();
        for file in ["a/1.jpg", "a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg"] {
            findings.note(Oddity::Crowd, Path::new(file));
        }
        findings.note(Oddity::BoxWithoutArea, Path::new("a/9.jpg"));
        assert_eq!(
            findings.to_string(),
            "1 box without area, left out of training (9.jpg)\n5 crowd regions, left out of training (1.jpg, 2.jpg, 3.jpg, ...)"
        );
    }
}
