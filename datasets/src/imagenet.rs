//! ImageNet's own conventions: classes are WordNet ids in sorted order, readable names come from a file, and the validation
//! images may lie in one folder beside a file of labels.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::annotations::{Class, Classes, stays_inside};
use crate::classification::{ClassificationRecord, ClassificationSet};
use crate::findings::Findings;
use crate::folder;
use crate::{Error, ErrorHandler};

/// The classes of an ImageNet-like set, in the order of their indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synsets {
    /// WordNet ids, sorted; empty where only names are known.
    pub ids: Vec<String>,
    /// Readable names, one for each class and no two alike; the ids themselves where no file gave names.
    pub names: Vec<String>,
}

impl Synsets {
    /// The class folders of `root`, named by the file `names` where one is given.
    ///
    /// A file of `id name` lines may know more classes than there are folders: then all of its classes count, so that a
    /// subset keeps the indices of the whole. A file of names alone must have as many lines as there are folders.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ImageList`] with file and line for a names file that does not fit, [`Error::Empty`].
    pub fn from_folders(root: &Path, names: Option<&Path>) -> Result<Synsets, Error> {
        let ids = folder::class_folders(root, &mut Findings::default())?;
        if ids.is_empty() {
            return Err(Error::Empty { path: root.to_path_buf(), what: "classes" });
        }
        let Some(file) = names else { return Ok(Synsets { names: ids.clone(), ids }) };
        let named = Synsets::from_names(file)?;
        if named.ids.is_empty() {
            let (lines, folders) = (named.names.len(), ids.len());
            if lines != folders {
                let reason = format!("{lines} names, but {} has {folders} class folders", root.display());
                return Err(Error::ImageList { path: file.to_path_buf(), line: lines, reason });
            }
            return Ok(Synsets { ids, names: named.names });
        }
        Ok(named)
    }

    /// The classes of a names file alone: one name a line in the order of the indices, or `id name` lines in any order,
    /// as in `LOC_synset_mapping.txt`, where an id is `n` and eight digits.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Empty`], [`Error::ImageList`] with the line where the two forms are mixed, a name is missing,
    /// or an id comes twice.
    pub fn from_names(file: &Path) -> Result<Synsets, Error> {
        let lines = lines(file)?;
        let broken = |line: usize, reason: String| Error::ImageList { path: file.to_path_buf(), line, reason };
        let Some((_, first)) = lines.first() else {
            return Err(Error::Empty { path: file.to_path_buf(), what: "classes" });
        };
        if id_of(first).is_none() {
            if let Some((line, text)) = lines.iter().find(|(_, text)| id_of(text).is_some()) {
                return Err(broken(*line, format!("{text:?} begins with a WordNet id, the lines before it do not")));
            }
            let names = lines.into_iter().map(|(_, name)| name).collect();
            return Ok(Synsets { names: distinct(names, &[]), ids: Vec::new() });
        }
        let mut pairs = Vec::with_capacity(lines.len());
        let mut seen = HashSet::new();
        for (line, text) in &lines {
            let id = id_of(text).ok_or_else(|| broken(*line, format!("{text:?} begins with no WordNet id")))?;
            let name = text[id.len()..].trim();
            if name.is_empty() {
                return Err(broken(*line, format!("{id} has no name")));
            }
            if !seen.insert(id) {
                return Err(broken(*line, format!("{id} is given twice")));
            }
            pairs.push((id.to_owned(), name.to_owned()));
        }
        pairs.sort_unstable();
        let (ids, names): (Vec<_>, _) = pairs.into_iter().unzip();
        Ok(Synsets { names: distinct(names, &ids), ids })
    }

    fn classes(&self) -> Vec<Class> {
        (0..).zip(&self.names).map(|(id, name)| Class { id, name: name.clone() }).collect()
    }

    /// The class that a label means: a WordNet id, or an index from 0.
    fn class(&self, label: &str) -> Result<usize, String> {
        if id_of(label) == Some(label) {
            return self.ids.binary_search_by(|id| id.as_str().cmp(label)).map_err(|_| match self.ids.is_empty() {
                true => format!("label {label} is a WordNet id, but the classes are known by name alone"),
                false => format!("label {label} is not among the {} classes", self.ids.len()),
            });
        }
        let count = self.names.len();
        let class =
            label.parse::<usize>().map_err(|_| format!("label {label:?} is neither a WordNet id nor an index"))?;
        if class < count { Ok(class) } else { Err(format!("label {class} is not an index from 0 to {}", count - 1)) }
    }
}

/// Reads a split in class folders, `<root>/<id>/<image>`; class indices are those of `synsets`.
///
/// # Errors
/// As [`folder::read`], and [`Error::Layout`] where `synsets` has no ids to look for.
pub fn read_folders(root: &Path, synsets: &Synsets) -> Result<ClassificationSet, Error> {
    if synsets.ids.is_empty() {
        let reason = "its classes are known by name alone, and class folders are named by id".to_owned();
        return Err(Error::Layout { path: root.to_path_buf(), reason });
    }
    let set = folder::read(root, Classes::Given(&synsets.ids))?;
    Ok(ClassificationSet { classes: synsets.classes(), ..set })
}

/// Reads a split whose images lie in one folder, with a file of `<image> <label>` lines, the label being a WordNet id or a
/// class index from 0. (The development kit's `ILSVRC2012_validation_ground_truth.txt` has other numbers and no names.)
///
/// The image files are not looked for.
///
/// # Errors
/// [`Error::Io`], [`Error::Empty`], [`Error::ImageList`] with the line for a label that is no class and for an image that is
/// listed twice or lies outside of the folder.
pub fn read_flat(images: &Path, labels: &Path, synsets: &Synsets) -> Result<ClassificationSet, Error> {
    read_flat_with(images, labels, synsets, &mut Err)
}

/// As [`read_flat`], but `on_error` decides about each line that cannot be used; it is left out where that says so.
///
/// # Errors
/// As [`read_flat`]'s for the file as a whole; for a line, what `on_error` makes of it.
pub fn read_flat_with(
    images: &Path,
    labels: &Path,
    synsets: &Synsets,
    on_error: ErrorHandler<'_>,
) -> Result<ClassificationSet, Error> {
    let mut records = Vec::new();
    let mut seen = HashSet::new();
    for (line, text) in lines(labels)? {
        match record(images, &text, synsets, &mut seen) {
            Ok(record) => records.push(record),
            Err(reason) => on_error(Error::ImageList { path: labels.to_path_buf(), line, reason })?,
        }
    }
    if records.is_empty() {
        return Err(Error::Empty { path: labels.to_path_buf(), what: "images" });
    }
    Ok(ClassificationSet { classes: synsets.classes(), records, findings: Findings::default() })
}

fn record(
    images: &Path,
    text: &str,
    synsets: &Synsets,
    seen: &mut HashSet<String>,
) -> Result<ClassificationRecord, String> {
    let (name, label) =
        text.rsplit_once(char::is_whitespace).ok_or_else(|| format!("{text:?} is not an image and its label"))?;
    let name = name.trim_end();
    if !stays_inside(name) {
        return Err(format!("image {name:?} leaves the image folder"));
    }
    if !seen.insert(name.to_owned()) {
        return Err(format!("image {name:?} is listed twice"));
    }
    Ok(ClassificationRecord { file: images.join(name), class: synsets.class(label)? })
}

/// The names, told apart by what follows in brackets where classes share one: ImageNet has two cranes and two maillots. That is
/// the class's id, or its index where there are no ids; more than once where the file has that name too.
fn distinct(mut names: Vec<String>, ids: &[String]) -> Vec<String> {
    let mut seen = HashMap::new();
    names.iter().for_each(|name| *seen.entry(name.clone()).or_insert(0) += 1);
    let shared: Vec<usize> = (0..names.len()).filter(|&index| seen[&names[index]] > 1).collect();
    for index in shared {
        let class = ids.get(index).cloned().unwrap_or_else(|| index.to_string());
        let name = &mut names[index];
        while seen.contains_key(name) {
            name.push_str(&format!(" ({class})"));
        }
        seen.insert(name.clone(), 1);
    }
    names
}

/// The WordNet id that a line begins with.
fn id_of(line: &str) -> Option<&str> {
    let word = line.split_whitespace().next()?;
    let digits = word.strip_prefix('n')?;
    (digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(word)
}

/// The lines that are not blank, with their numbers from 1.
fn lines(file: &Path) -> Result<Vec<(usize, String)>, Error> {
    let text = fs::read_to_string(file).map_err(Error::io("read", file))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    Ok(lines.map(|(number, line)| (number, line.to_owned())).collect())
}
