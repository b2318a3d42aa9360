//! Image files by the names that annotation files and lists give them.
//!
//! A name that was written on another system differs from the file's where nobody sees it. What is tried, in this order, each
//! against the whole name and then without its leading folders:
//!
//! 1. the name as it is; 2. `\` as `/`, `%20` as a blank, the path of an address, what follows `?d=` (Label Studio);
//! 3. another letter case, another Unicode normalisation (macOS), surrounding blanks; 4. another ending of an image.
//!
//! The only match is taken and is a finding; several, none, or one that another name has taken already is an error that names
//! the nearest files.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

use crate::Error;
use crate::findings::{FindingKind, Findings};
use crate::folder::has_extension;
use crate::image::Image;

/// How many near names an error gives.
const MAX_NEAR: usize = 3;
/// How alike a near name is at least, from 0 to 1 (Jaro and Winkler).
const NEAR: f64 = 0.85;
/// The names that are compared for an error: a folder may hold a million.
const MAX_COMPARED: usize = 10_000;

/// Finds files below folders whose content it lists once.
#[derive(Default)]
pub(crate) struct Finder {
    listings: HashMap<PathBuf, Listing>,
    /// The name by which each file was found.
    taken: HashMap<PathBuf, String>,
}

/// How much of a name may differ.
#[derive(Clone, Copy, PartialEq)]
enum Match {
    Exact,
    Folded,
    OtherEnding,
}

/// The content of a folder; empty where there is none.
#[derive(Default)]
struct Listing {
    exact: HashSet<OsString>,
    folded: HashMap<String, Vec<OsString>>,
    /// Images by their name without the ending.
    stems: HashMap<String, Vec<OsString>>,
}

impl Finder {
    /// The file called `name` in the folder `root`.
    ///
    /// # Errors
    /// [`Error::ImageMissing`].
    pub(crate) fn file(&mut self, root: &Path, name: &str, findings: &mut Findings) -> Result<PathBuf, Error> {
        let direct = Path::new(name);
        if is_inside(direct) && self.holds(root, direct) {
            return self.take(root, root.join(direct), name);
        }
        self.search(root, name, findings)
    }

    /// The image called `name` in the folder `root`, with any ending of an image or, as lists have it, with its own.
    ///
    /// # Errors
    /// [`Error::ImageMissing`].
    pub(crate) fn image(&mut self, root: &Path, name: &str, findings: &mut Findings) -> Result<PathBuf, Error> {
        let direct = Path::new(name);
        if is_inside(direct) {
            if self.holds(root, direct) && has_extension(direct, &Image::EXTENSIONS) {
                return self.take(root, root.join(direct), name);
            }
            for extension in Image::EXTENSIONS {
                let with_ending = PathBuf::from(format!("{name}.{extension}"));
                if self.holds(root, &with_ending) {
                    return self.take(root, root.join(with_ending), name);
                }
            }
            // The same name in another letter case of the ending is no difference worth a word.
            let folder = self.below(root, direct.parent().unwrap_or(Path::new("")), Match::Exact);
            if let (Some(folder), Some(stem)) = (folder, direct.file_name().and_then(|name| name.to_str())) {
                let mut images = self.listing(&folder).images_called(stem);
                images.retain(|file| Path::new(file).file_stem() == Some(stem.as_ref()));
                if let [image] = images[..] {
                    let image = folder.join(image);
                    return self.take(root, image, name);
                }
            }
        }
        self.search(root, name, findings)
    }

    fn holds(&mut self, root: &Path, name: &Path) -> bool {
        let (Some(parent), Some(file)) = (name.parent(), name.file_name()) else { return false };
        let folder = below(root, parent);
        self.listing(&folder).exact.contains(file)
    }

    /// A file that no other name has been found as.
    fn take(&mut self, root: &Path, path: PathBuf, name: &str) -> Result<PathBuf, Error> {
        let other = self.taken.entry(path.clone()).or_insert_with(|| name.to_owned());
        if other == name {
            return Ok(path);
        }
        let reason = format!("the nearest file, {}, is already that of {other:?}", path.display());
        Err(Error::ImageMissing { path: root.join(name), reason })
    }

    fn search(&mut self, root: &Path, name: &str, findings: &mut Findings) -> Result<PathBuf, Error> {
        let forms = forms(name);
        for how in [Match::Exact, Match::Folded, Match::OtherEnding] {
            for form in &forms {
                let Some(path) = self.resolve(root, form, how) else { continue };
                let path = self.take(root, path, name)?;
                let found = path.strip_prefix(root).unwrap_or(&path).display();
                findings.note_text(FindingKind::NameDiffers, format!("{name} as {found}"));
                return Ok(path);
            }
        }
        Err(self.missing(root, name))
    }

    fn resolve(&mut self, root: &Path, form: &Path, how: Match) -> Option<PathBuf> {
        let folder = self.below(root, form.parent()?, how)?;
        let file = form.file_name()?.to_str()?.to_owned();
        let listing = self.listing(&folder);
        let candidates = match how {
            Match::Exact => return listing.exact.contains(form.file_name()?).then(|| folder.join(&file)),
            Match::Folded => listing.called(&file),
            Match::OtherEnding => {
                let own = has_extension(form, &Image::EXTENSIONS);
                let stem = if own { form.file_stem()?.to_str()? } else { &file };
                listing.images_called(stem)
            }
        };
        match candidates[..] {
            [only] => Some(folder.join(only)),
            _ => None,
        }
    }

    /// The folder `path` below `root`.
    fn below(&mut self, root: &Path, path: &Path, how: Match) -> Option<PathBuf> {
        let mut folder = root.to_path_buf();
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            let listing = self.listing(&folder);
            let name = match listing.exact.contains(name) {
                true => name,
                false if how == Match::Exact => return None,
                false => match listing.called(name.to_str()?)[..] {
                    [only] => only,
                    _ => return None,
                },
            };
            folder = folder.join(name);
        }
        Some(folder)
    }

    fn listing(&mut self, folder: &Path) -> &mut Listing {
        self.listings.entry(folder.to_path_buf()).or_insert_with(|| Listing::of(folder))
    }

    /// The error for a file that is not there, with the names that are like its own.
    pub(crate) fn missing(&mut self, root: &Path, name: &str) -> Error {
        let last = forms(name).pop().unwrap_or_default();
        let wanted = fold(&last.to_string_lossy());
        let direct = Path::new(name);
        let folder = match direct.parent().filter(|_| is_inside(direct)).map(|parent| below(root, parent)) {
            Some(folder) if folder.is_dir() => folder,
            _ => root.to_path_buf(),
        };
        let listing = self.listing(&folder);
        let mut near: Vec<(f64, String)> = (listing.exact.iter().take(MAX_COMPARED))
            .map(|file| file.to_string_lossy().into_owned())
            .map(|file| (strsim::jaro_winkler(&wanted, &fold(&file)), file))
            .filter(|(likeness, _)| *likeness >= NEAR)
            .collect();
        near.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        near.truncate(MAX_NEAR);
        let names: Vec<String> = near.into_iter().map(|(_, file)| file).collect();
        let reason = match (folder.is_dir(), names.len()) {
            (false, _) => format!("{} does not exist", folder.display()),
            (true, 0) => format!("{} has no file of a similar name", folder.display()),
            (true, _) => format!("{} has {}", folder.display(), names.join(", ")),
        };
        Error::ImageMissing { path: root.join(name), reason }
    }
}

impl Listing {
    fn of(folder: &Path) -> Listing {
        let mut listing = Listing::default();
        // A folder that cannot be read holds nothing that can be found.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            listing.exact.insert(entry.file_name());
        }
        listing
    }

    /// The entries with this name, whatever their letter case and normalisation.
    fn called(&mut self, name: &str) -> Vec<&OsString> {
        if self.folded.is_empty() {
            for file in self.exact.iter() {
                self.folded.entry(fold(&file.to_string_lossy())).or_default().push(file.clone());
            }
        }
        self.folded.get(&fold(name)).into_iter().flatten().collect()
    }

    /// The image files with this name before their ending.
    fn images_called(&mut self, stem: &str) -> Vec<&OsString> {
        if self.stems.is_empty() {
            for file in self.exact.iter().filter(|file| has_extension(Path::new(file), &Image::EXTENSIONS)) {
                let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
                self.stems.entry(fold(&stem)).or_default().push(file.clone());
            }
        }
        self.stems.get(&fold(stem)).into_iter().flatten().collect()
    }
}

/// A name without what nobody sees: letter case, normalisation, surrounding blanks.
pub(crate) fn fold(name: &str) -> String {
    name.trim().nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// The relative paths that a name may mean, the longest first.
fn forms(name: &str) -> Vec<PathBuf> {
    let mut texts = vec![name.to_owned()];
    let mut add = |text: String| {
        if !texts.contains(&text) {
            texts.push(text);
        }
    };
    let mut plain = name.replace('\\', "/");
    add(plain.clone());
    if let Some((_, rest)) = plain.split_once("?d=") {
        plain = rest.to_owned();
    } else if let Some((_, rest)) = plain.split_once("://") {
        plain = rest.split(['?', '#']).next().unwrap_or_default().to_owned();
    }
    add(plain.clone());
    if let Ok(decoded) = percent_decode_str(&plain).decode_utf8() {
        add(decoded.into_owned());
    }
    let mut forms = Vec::new();
    for text in &texts {
        let parts: Vec<_> = Path::new(text)
            .components()
            .filter_map(|part| match part {
                Component::Normal(part) => Some(part),
                _ => None,
            })
            .collect();
        forms.extend((0..parts.len()).map(|start| parts[start..].iter().collect::<PathBuf>()));
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.components().count()));
    forms
}

/// A folder below another, without the slash that joining an empty path adds.
fn below(root: &Path, folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { root.to_path_buf() } else { root.join(folder) }
}

/// Whether a relative path stays inside the folder to which it is joined.
pub(crate) fn is_inside(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, b"x").expect("a file");
        }
        folder
    }

    fn found(files: &[&str], name: &str) -> Result<(String, usize), String> {
        let folder = folder(files);
        let mut findings = Findings::default();
        let path = Finder::default().file(folder.path(), name, &mut findings).map_err(|error| error.to_string())?;
        let path = path.strip_prefix(folder.path()).expect("inside").display().to_string();
        Ok((path, findings.count(FindingKind::NameDiffers)))
    }

    #[test]
    fn a_file_with_its_own_name_is_found_without_a_word() {
        assert_eq!(found(&["a b.jpg", "c/1.jpg"], "a b.jpg"), Ok(("a b.jpg".to_owned(), 0)));
        assert_eq!(found(&["a%20b.jpg", "a b.jpg"], "a%20b.jpg"), Ok(("a%20b.jpg".to_owned(), 0)));
        assert_eq!(found(&["c/1.jpg"], "./c/1.jpg"), Ok(("c/1.jpg".to_owned(), 0)));
    }

    #[test]
    fn the_only_match_of_a_name_that_differs_invisibly_is_taken_and_noted() {
        for (file, name) in [
            ("c/1.jpg", "c\\1.jpg"),
            ("c/1.jpg", ".\\c\\1.jpg"),
            ("a b.jpg", "a%20b.jpg"),
            ("caf\u{e9}.jpg", "cafe\u{301}.jpg"),
            ("cafe\u{301}.jpg", "caf\u{e9}.jpg"),
            ("1.jpg", "1.JPG"),
            ("C/One.jpg", "c/one.JPG"),
            ("1.jpg", " 1.jpg "),
            ("1.jpg", "1.png"),
            ("1.jpg", "images/1.jpg"),
            ("1.jpg", "C:\\Users\\me\\images\\1.jpg"),
            ("1.jpg", "/home/me/images/1.jpg"),
            ("1.jpg", "../images/1.jpg"),
            ("train2017/1.jpg", "http://images.cocodataset.org/train2017/1.jpg"),
            ("images/1.jpg", "/data/local-files/?d=images/1.jpg"),
        ] {
            assert_eq!(found(&[file, "other/2.jpg"], name), Ok((file.to_owned(), 1)), "{name}");
        }
    }

    #[test]
    fn several_matches_are_an_error_that_names_them() {
        let error = found(&["A.jpg", "a.JPG"], "a.jpg").expect_err("two files");
        assert!(error.contains("A.jpg") && error.contains("a.JPG"), "{error}");
    }

    #[test]
    fn no_match_is_an_error_with_near_names() {
        let error = found(&["img_0001.jpg", "img_0002.jpg", "zzz.jpg"], "img_0003.jpg").expect_err("no file");
        assert!(error.contains("img_0001.jpg, img_0002.jpg") && !error.contains("zzz"), "{error}");
    }

    #[test]
    fn two_names_do_not_lead_to_one_file() {
        let folder = folder(&["1.jpg"]);
        let (mut finder, mut findings) = (Finder::default(), Findings::default());
        finder.file(folder.path(), "a/1.jpg", &mut findings).expect("the only match");
        finder.file(folder.path(), "a/1.jpg", &mut findings).expect("the same name again");
        let error = finder.file(folder.path(), "b/1.jpg", &mut findings).expect_err("taken").to_string();
        assert!(error.contains("a/1.jpg"), "{error}");
    }

    #[test]
    fn images_are_found_with_any_ending_of_any_case() {
        for file in ["1.jpg", "1.Jpg", "1.PNG", "1.bmp", "1.tif"] {
            let folder = folder(&[file, "1.xml", "2.jpg"]);
            for name in ["1", file] {
                let mut findings = Findings::default();
                let path = Finder::default().image(folder.path(), name, &mut findings).expect("the image");
                assert_eq!((path, findings.count(FindingKind::NameDiffers)), (folder.path().join(file), 0), "{name}");
            }
        }
    }
}
