//! Text files with one entry per line.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::annotations::stays_inside;
use crate::{Error, ErrorHandler};

/// The text of a list.
pub(crate) fn read(list: &Path) -> Result<String, Error> {
    fs::read_to_string(list).map_err(Error::io("read", list))
}

/// The lines that are not blank, without surrounding white space, with their numbers from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty())
}

/// Checks the name of an image in a list; `seen` collects the names.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_image<'a>(name: &'a str, seen: &mut HashSet<&'a str>) -> Result<(), String> {
    if !stays_inside(name) {
        Err(format!("image {name:?} leaves the image folder"))
    } else if !seen.insert(name) {
        Err(format!("image {name:?} is listed twice"))
    } else {
        Ok(())
    }
}

/// The names in an image list, without those that `on_error` leaves out.
pub(crate) fn image_ids(list: &Path, on_error: ErrorHandler<'_>) -> Result<Vec<String>, Error> {
    let text = read(list)?;
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    for (line, id) in lines(&text) {
        match check_image(id, &mut seen) {
            Ok(()) => ids.push(id.to_owned()),
            Err(reason) => on_error(Error::ImageList { path: list.to_path_buf(), line, reason })?,
        }
    }
    if ids.is_empty() { Err(Error::Empty { path: list.to_path_buf(), what: "images" }) } else { Ok(ids) }
}
