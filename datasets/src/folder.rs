//! A folder of class folders (torchvision's `ImageFolder`) as a [`ClassificationSet`].
//!
//! `<root>/<class>/**/<image>`: the sub-folders of `root`, sorted by name, are the classes; every image below a class folder
//! belongs to it. Links are followed. Hidden files and folders, and the `__MACOSX` that macOS packs beside them, are ignored.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::annotations::{Class, Classes};
use crate::classification::{ClassificationRecord, ClassificationSet};
use crate::finder::fold;
use crate::findings::{FindingKind, Findings};
use crate::image::Image;

/// Names of splits, in lower case.
const SPLITS: [&str; 7] = ["train", "training", "val", "valid", "validation", "test", "testing"];
/// How deep class folders may nest: a link back to a folder above would never end.
const MAX_DEPTH: usize = 16;

/// Reads the class folders of `root`, which is a split's folder: `<set>/train`.
///
/// With [`Classes::Given`] the names are folder names in the order of the class indices; a class without a folder is a finding.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be read, [`Error::Empty`] where there is no class or no image,
/// [`Error::Layout`] for a class folder that was not given, and for folders that link to themselves.
pub fn read(root: &Path, classes: Classes<'_>) -> Result<ClassificationSet, Error> {
    let mut findings = Findings::default();
    let folders = class_folders(root, &mut findings)?;
    let names = match classes {
        Classes::Collected => folders.clone(),
        Classes::Given(names) => names.to_vec(),
    };
    if names.is_empty() {
        return Err(Error::Empty { path: root.to_path_buf(), what: "classes" });
    }
    if folders.iter().all(|name| SPLITS.contains(&name.to_lowercase().as_str())) {
        folders.iter().for_each(|name| findings.note_text(FindingKind::SplitsAsClasses, name.clone()));
    }
    let mut folder_of: Vec<Option<&str>> = vec![None; names.len()];
    for name in &folders {
        let class = names.iter().position(|class| class == name).or_else(|| only_class(name, &names));
        match class.filter(|&class| folder_of[class].is_none()) {
            Some(class) => {
                if names[class] != *name {
                    findings.note_text(FindingKind::NameDiffers, format!("class {} as {name}", names[class]));
                }
                folder_of[class] = Some(name);
            }
            None => {
                let reason = format!("{name:?} is not among the set's classes");
                return Err(Error::Layout { path: root.join(name), reason });
            }
        }
    }
    let mut records = Vec::new();
    for (class, folder) in folder_of.into_iter().enumerate() {
        let before = records.len();
        if let Some(folder) = folder {
            let files = images_below(&root.join(folder), &mut findings)?;
            records.extend(files.into_iter().map(|file| ClassificationRecord { file, class }));
        }
        if records.len() == before {
            findings.note(FindingKind::ClassWithoutImages, &root.join(&names[class]));
        }
    }
    if records.is_empty() {
        return Err(Error::Empty { path: root.to_path_buf(), what: "images" });
    }
    Ok(ClassificationSet { classes: Class::numbered(0, names), records, findings })
}

/// The only class whose name differs from the folder's in letter case, normalisation or surrounding blanks alone.
fn only_class(folder: &str, names: &[String]) -> Option<usize> {
    let mut alike = (0..names.len()).filter(|&class| fold(&names[class]) == fold(folder));
    alike.next().filter(|_| alike.next().is_none())
}

/// The names of the sub-folders, sorted; files are findings.
pub(crate) fn class_folders(root: &Path, findings: &mut Findings) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for path in entries(root)? {
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            let name = name.to_str().ok_or_else(|| Error::Layout {
                path: path.clone(),
                reason: "the folder's name is not UTF-8".to_owned(),
            })?;
            names.push(name.to_owned());
        } else {
            findings.note(FindingKind::NotAnImage, &path);
        }
    }
    Ok(names)
}

/// Every image file below a folder, sorted by path; other files are findings.
pub(crate) fn images_below(root: &Path, findings: &mut Findings) -> Result<Vec<PathBuf>, Error> {
    let mut files = files_below(root)?;
    files.retain(|path| {
        let keep = is_image(path);
        if !keep {
            findings.note(FindingKind::NotAnImage, path);
        }
        keep
    });
    Ok(files)
}

/// Every file below a folder, sorted by path.
pub(crate) fn files_below(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_path_buf(), 1)];
    while let Some((folder, depth)) = folders.pop() {
        for path in entries(&folder)? {
            if !path.is_dir() {
                files.push(path);
            } else if depth == MAX_DEPTH {
                let reason = format!("folders nest deeper than {MAX_DEPTH}, as where one links to itself");
                return Err(Error::Layout { path, reason });
            } else {
                folders.push((path, depth + 1));
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The image files in a folder itself, sorted.
pub(crate) fn images_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    Ok(entries(folder)?.into_iter().filter(|path| is_image(path) && path.is_file()).collect())
}

/// The files and folders in a folder, sorted, without hidden ones and macOS's.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = || Error::io("read", folder);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && name != "__MACOSX" {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

pub(crate) fn is_image(path: &Path) -> bool {
    has_extension(path, &Image::EXTENSIONS)
}

/// Whether the file has one of these extensions, which are in lower case.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}
