//! Where a VOC set has its images, annotations and lists.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::finder::Finder;
use crate::findings::{FindingKind, Findings};
use crate::folder::{files_below, has_extension};
use crate::lists::{self, check_once, image_and_rest, lines, without_ending};
use crate::{Error, ErrorHandler};

const IMAGES: [&str; 6] = ["JPEGImages", "images", "Images", "imgs", "img", "image"];
const ANNOTATIONS: [&str; 7] = ["Annotations", "annotations", "annots", "Annots", "xmls", "xml", "labels"];
const LISTS: &str = "ImageSets/Main";

/// The folders of a VOC set. What is not given is looked for: the devkit's folders, `images` and `annots` with or without a
/// folder for each split, or images and XML side by side in a folder for each split or in one for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The set's folder.
    pub folder: PathBuf,
    /// The name of the split: of its list without the ending, or of its folder. All images where it is not given.
    pub split: Option<String>,
    /// The folder of images.
    pub images: Option<PathBuf>,
    /// The folder of XML files.
    pub annotations: Option<PathBuf>,
    /// The folder of lists; a split without a list there has all images.
    pub lists: Option<PathBuf>,
}

/// The folders of one split.
pub(super) struct Places {
    pub(super) images: PathBuf,
    annotations: PathBuf,
    list: Option<PathBuf>,
}

impl Layout {
    /// A devkit's: `JPEGImages`, `Annotations`, `ImageSets/Main/<split>.txt`.
    pub fn devkit(folder: &Path, split: &str) -> Layout {
        Layout { folder: folder.to_path_buf(), split: Some(split.to_owned()), ..Layout::default() }
    }

    /// # Errors
    /// [`Error::Layout`] where there is no folder of images or annotations, or no list of this name among others.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Result<Places, Error> {
        let split = self.split.as_deref().unwrap_or_default();
        let list = self.list(split)?;
        // A list selects from complete folders; without one the split may have its own.
        let own = if list.is_none() { split } else { "" };
        let split_folder = Some(self.folder.join(own)).filter(|folder| !own.is_empty() && folder.is_dir());
        let alone = split_folder.as_deref().unwrap_or(&self.folder);
        let images = self.place(&self.images, &IMAGES, own, alone, alone)?;
        let annotations = self.place(&self.annotations, &ANNOTATIONS, own, alone, &images)?;
        if list.is_none() && !split.is_empty() && ![&images, &annotations].into_iter().any(|place| is_of(place, own)) {
            findings.note_text(FindingKind::WithoutList, split.to_owned());
        }
        Ok(Places { images, annotations, list })
    }

    /// The list of the split, where the set has lists.
    fn list(&self, split: &str) -> Result<Option<PathBuf>, Error> {
        let folder = self.lists.clone().unwrap_or_else(|| self.folder.join(LISTS));
        if split.is_empty() || (self.lists.is_none() && !folder.is_dir()) {
            return Ok(None);
        }
        let list = folder.join(format!("{split}.txt"));
        if list.is_file() {
            return Ok(Some(list));
        }
        let names: Vec<String> = files_below(&folder)?
            .iter()
            .filter(|file| has_extension(file, &["txt"]))
            .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
            .take(8)
            .collect();
        let reason = match names.len() {
            0 => format!("the list does not exist, and {} holds no other", folder.display()),
            _ => format!("the list does not exist; there are {}", names.join(", ")),
        };
        Err(Error::Layout { path: list, reason })
    }

    /// The given folder, or the first of `names` in `base` or the set's folder, or `otherwise`; inside it the split's own where
    /// there is one.
    fn place(
        &self,
        given: &Option<PathBuf>,
        names: &[&str],
        split: &str,
        base: &Path,
        otherwise: &Path,
    ) -> Result<PathBuf, Error> {
        let found = match given {
            Some(folder) => Some(folder.clone()),
            None => {
                let bases = [base, &self.folder].into_iter();
                bases.flat_map(|base| names.iter().map(|name| base.join(name))).find(|folder| folder.is_dir())
            }
        };
        let folder = found.unwrap_or_else(|| otherwise.to_path_buf());
        if !folder.is_dir() {
            let reason = "the folder does not exist".to_owned();
            return Err(Error::Layout { path: folder, reason });
        }
        let of_split = folder.join(split);
        Ok(if !split.is_empty() && of_split.is_dir() { of_split } else { folder })
    }
}

/// Whether a folder, or the one above it, is the split's own.
fn is_of(folder: &Path, split: &str) -> bool {
    folder.components().rev().take(2).any(|part| part.as_os_str() == split)
}

impl Places {
    /// What an error about all of the split is about.
    pub(super) fn origin(&self) -> &Path {
        self.list.as_deref().unwrap_or(&self.annotations)
    }

    /// The name that an annotation file shares with its image: its path below the folder, without the ending.
    pub(super) fn name_of(&self, xml: &Path) -> String {
        let below = xml.strip_prefix(&self.annotations).unwrap_or(xml).with_extension("");
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }

    /// The annotation files, as listed or by name.
    pub(super) fn annotation_files(
        &self,
        finder: &mut Finder,
        findings: &mut Findings,
        on_error: ErrorHandler<'_>,
    ) -> Result<Vec<PathBuf>, Error> {
        let Some(list) = &self.list else {
            let mut files = files_below(&self.annotations)?;
            files.retain(|file| has_extension(file, &["xml"]));
            return match files.is_empty() {
                true => Err(Error::Empty { path: self.annotations.clone(), what: "annotations (XML files)" }),
                false => Ok(files),
            };
        };
        let (mut files, mut seen) = (Vec::new(), HashSet::new());
        for Entry { line, name, .. } in entries(list, findings, on_error)? {
            let found = [name.as_str(), without_ending(&name)]
                .map(|id| self.annotations.join(format!("{id}.xml")))
                .into_iter()
                .find(|path| path.is_file());
            let found = found.map_or_else(|| self.search(&name, finder, findings), Ok);
            match found {
                Ok(file) if seen.insert(file.clone()) => files.push(file),
                Ok(_) => {
                    let reason = format!("image {name:?} is listed twice");
                    on_error(Error::ImageList { path: list.clone(), line, reason })?;
                }
                Err(Error::ImageMissing { path, reason }) => {
                    let reason = format!("cannot find {}: {reason}", path.display());
                    on_error(Error::ImageList { path: list.clone(), line, reason })?;
                }
                Err(error) => on_error(error)?,
            }
        }
        Ok(files)
    }

    /// The annotation of a name that has a folder, a column or a difference that nobody sees.
    fn search(&self, name: &str, finder: &mut Finder, findings: &mut Findings) -> Result<PathBuf, Error> {
        let stem = without_ending(name);
        let last = Path::new(stem).file_name().unwrap_or_default();
        let beside = self.annotations.join(format!("{}.xml", last.to_string_lossy()));
        if beside.is_file() {
            return Ok(beside);
        }
        finder.file(&self.annotations, &format!("{stem}.xml"), findings)
    }
}

/// A line of a list.
pub(crate) struct Entry {
    /// Its number, from 1.
    pub(crate) line: usize,
    /// The name in the first column.
    pub(crate) name: String,
    /// The second column, where there is one: the mask in `DeepLab`'s lists.
    pub(crate) second: Option<String>,
}

/// The entries of a list of names, of a class's list (`<name> 1`), or of `DeepLab`'s (`<image> <mask>`).
///
/// # Errors
/// [`Error::Io`], [`Error::Empty`] where nothing is listed; for a name that is listed twice what `on_error` returns.
pub(crate) fn entries(list: &Path, findings: &mut Findings, on_error: ErrorHandler<'_>) -> Result<Vec<Entry>, Error> {
    let text = lists::read(list, findings)?;
    let (mut entries, mut seen) = (Vec::new(), HashSet::new());
    // Names may have blanks: a column of flags is one in every line, beside names that differ.
    let mut names = HashSet::new();
    let flagged =
        lines(&text).all(|(_, line)| matches!(flag(line), Some((name, "-1" | "0" | "1")) if names.insert(name)));
    for (line, text) in lines(&text) {
        let (name, second) = match (flag(text), image_and_rest(text)) {
            (Some((_, "-1")), _) if flagged => {
                findings.note_text(FindingKind::AbsentClass, text.to_owned());
                continue;
            }
            (Some((name, _)), _) if flagged => (name, None),
            (_, Some((image, mask))) if has_extension(Path::new(mask), &crate::Image::EXTENSIONS) => {
                (image, Some(mask.to_owned()))
            }
            _ => (text, None),
        };
        match check_once(name, &mut seen) {
            Ok(()) => entries.push(Entry { line, name: name.to_owned(), second }),
            Err(reason) => on_error(Error::ImageList { path: list.to_path_buf(), line, reason })?,
        }
    }
    if entries.is_empty() { Err(Error::Empty { path: list.to_path_buf(), what: "images" }) } else { Ok(entries) }
}

/// A line's name and its last column.
fn flag(line: &str) -> Option<(&str, &str)> {
    let (name, flag) = line.rsplit_once(char::is_whitespace)?;
    Some((name.trim_end(), flag))
}
