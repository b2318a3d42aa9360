//! Text files with one entry per line, in any encoding; blank lines and lines that begin with `#` are ignored.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use annotation_files::text;

use crate::findings::{FindingKind, Findings};
use crate::folder::has_extension;
use crate::image::Image;
use crate::voc::entries;
use crate::{Error, ErrorHandler};

/// The text of a list.
pub(crate) fn read(list: &Path, findings: &mut Findings) -> Result<String, Error> {
    let text = text::read(list).map_err(Error::io("read", list))?;
    if let Some(encoding) = text.guessed {
        let name = list.file_name().unwrap_or(list.as_os_str()).to_string_lossy();
        findings.note_text(FindingKind::EncodingGuessed, format!("{name} as {encoding}"));
    }
    Ok(text.content)
}

/// The lines that are entries, without surrounding white space, with their numbers from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Checks that an image comes once; `seen` collects the names.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_once<'a>(name: &'a str, seen: &mut HashSet<&'a str>) -> Result<(), String> {
    if seen.insert(name) { Ok(()) } else { Err(format!("image {name:?} is listed twice")) }
}

/// A line split after the first word that ends like an image, or else before its last word: names may have blanks.
pub(crate) fn image_and_rest(line: &str) -> Option<(&str, &str)> {
    let blanks = || line.match_indices(char::is_whitespace).map(|(place, _)| place);
    let after_image = blanks().find(|&place| has_extension(Path::new(&line[..place]), &Image::EXTENSIONS));
    let (name, rest) = line.split_at(after_image.or_else(|| blanks().next_back())?);
    Some((name.trim_end(), rest.trim_start()))
}

/// A name without the ending of an image or an annotation.
pub(crate) fn without_ending(name: &str) -> &str {
    let path = Path::new(name);
    let known = has_extension(path, &Image::EXTENSIONS) || has_extension(path, &["xml", "txt"]);
    match path.extension().filter(|_| known) {
        Some(ending) => &name[..name.len() - ending.len() - 1],
        None => name,
    }
}

/// Some images of a set, which a list names by their paths below the folder of images.
pub(crate) struct Selection<'a> {
    list: &'a Path,
    /// The line of each image that no record has taken yet.
    lines: HashMap<PathBuf, usize>,
}

impl Selection<'_> {
    pub(crate) fn read<'a>(
        images: &Path,
        list: &'a Path,
        findings: &mut Findings,
        on_error: ErrorHandler<'_>,
    ) -> Result<Selection<'a>, Error> {
        let entries = entries(list, findings, on_error)?;
        let lines = entries.into_iter().map(|entry| (images.join(entry.name), entry.line)).collect();
        Ok(Selection { list, lines })
    }

    pub(crate) fn takes(&mut self, image: &Path) -> bool {
        self.lines.remove(image).is_some()
    }

    /// Reports the images that the set does not have.
    pub(crate) fn finish(self, on_error: ErrorHandler<'_>) -> Result<(), Error> {
        let mut missing: Vec<(usize, PathBuf)> = self.lines.into_iter().map(|(file, line)| (line, file)).collect();
        missing.sort_unstable();
        for (line, file) in missing {
            let reason = format!("{} is not in the set", file.display());
            on_error(Error::ImageList { path: self.list.to_path_buf(), line, reason })?;
        }
        Ok(())
    }
}
