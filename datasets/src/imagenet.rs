//! ImageNet's conventions: classes are WordNet ids in sorted order, and readable names come from a file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::annotations::{Class, Classes};
use crate::classification::ClassificationSet;
use crate::findings::Findings;
use crate::lists::{self, lines};
use crate::{Error, folder};

/// The classes of an ImageNet-like set, in the order of their indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synsets {
    /// WordNet ids, sorted; empty where only names are known.
    pub ids: Vec<String>,
    /// Readable names, one for each class and all different; the ids where no file gives names.
    pub names: Vec<String>,
}

impl Synsets {
    /// The class folders of `root`, named by the file `names` where one is given.
    ///
    /// A file of `id name` lines may have more classes than there are folders: all of them are classes, so that a subset keeps
    /// the indices of the complete set. A file of names alone must have one line per folder.
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
        let text = lists::read(file, &mut Findings::default())?;
        let broken = |line: usize, reason: String| Error::ImageList { path: file.to_path_buf(), line, reason };
        let Some((_, first)) = lines(&text).next() else {
            return Err(Error::Empty { path: file.to_path_buf(), what: "classes" });
        };
        if id_of(first).is_none() {
            if let Some((line, text)) = lines(&text).find(|(_, text)| id_of(text).is_some()) {
                return Err(broken(line, format!("{text:?} begins with a WordNet id, the lines before it do not")));
            }
            let names = lines(&text).map(|(_, name)| name.to_owned()).collect();
            return Ok(Synsets { names: distinct(names, &[]), ids: Vec::new() });
        }
        let mut pairs = Vec::new();
        let mut seen = HashSet::new();
        for (line, text) in lines(&text) {
            let id = id_of(text).ok_or_else(|| broken(line, format!("{text:?} does not begin with a WordNet id")))?;
            let name = text[id.len()..].trim();
            if name.is_empty() {
                return Err(broken(line, format!("{id} has no name")));
            }
            if !seen.insert(id) {
                return Err(broken(line, format!("{id} is given twice")));
            }
            pairs.push((id.to_owned(), name.to_owned()));
        }
        pairs.sort_unstable();
        let (ids, names): (Vec<_>, _) = pairs.into_iter().unzip();
        Ok(Synsets { names: distinct(names, &ids), ids })
    }

    pub(crate) fn classes(&self) -> Vec<Class> {
        Class::numbered(0, self.names.clone())
    }

    /// The class of a label: a WordNet id, a name, or an index from 0.
    ///
    /// # Errors
    /// Why it is none of them.
    pub(crate) fn class(&self, label: &str) -> Result<usize, String> {
        if id_of(label) == Some(label) {
            return self.ids.binary_search_by(|id| id.as_str().cmp(label)).map_err(|_| match self.ids.is_empty() {
                true => format!("label {label} is a WordNet id, but the classes have names only"),
                false => format!("label {label} is not among the {} classes", self.ids.len()),
            });
        }
        if let Some(class) = self.names.iter().position(|name| name == label) {
            return Ok(class);
        }
        let count = self.names.len();
        let class = label.parse::<usize>().map_err(|_| {
            format!("label {label:?} is neither one of the {count} classes' names, nor a WordNet id, nor an index")
        })?;
        if class < count { Ok(class) } else { Err(format!("label {class} is not an index from 0 to {}", count - 1)) }
    }
}

/// Reads a split in class folders, `<root>/<id>/<image>`; class indices are those of `synsets`.
///
/// # Errors
/// As [`folder::read`], and [`Error::Layout`] where `synsets` has no ids to look for.
pub fn read_folders(root: &Path, synsets: &Synsets) -> Result<ClassificationSet, Error> {
    if synsets.ids.is_empty() {
        let reason = "the classes have names only, but class folders are named by id".to_owned();
        return Err(Error::Layout { path: root.to_path_buf(), reason });
    }
    let set = folder::read(root, Classes::Given(&synsets.ids))?;
    Ok(ClassificationSet { classes: synsets.classes(), ..set })
}

/// The names, with the class's id (or index, where there are no ids) in brackets where classes share one: ImageNet has two
/// cranes and two maillots. The brackets repeat where the file has the longer name too.
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
