//! The page in a folder, with its pictures beside it.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::listing::Listing;
use super::page::{self, Kept};
use super::pictures::{Kind, Pictures, Side};
use crate::console::{self, SharedProgress};
use crate::failure::Failure;
use crate::files;

/// How much a page keeps of what training sees.
const EPOCHS: u64 = 3;
const SAMPLES: usize = 24;

/// What an address of a file has other letters for.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'?').add(b'<').add(b'>');

/// Writes thumbnails, masks and, last, the page; returns its path. An image that cannot be shown has no thumbnail; a warning names the
/// first of them.
pub(super) fn write(folder: &Path, listing: &Listing, pictures: &Pictures) -> Result<PathBuf, Failure> {
    let kinds: &[Kind] = if listing.masks { &[Kind::Image, Kind::Mask] } else { &[Kind::Image] };
    kinds.iter().try_for_each(|kind| files::create_folder(&folder.join(kind.folder())))?;
    let progress = SharedProgress::new("writing thumbnails", listing.len() as u64);
    let hidden = Mutex::new(Hidden::default());
    let write = |number: usize| -> Result<(), Failure> {
        for kind in kinds {
            match pictures.picture(listing, *kind, number, Side::Small) {
                Ok(Some(bytes)) => {
                    let path = folder.join(kind.path(number));
                    std::fs::write(&path, bytes).map_err(|error| Failure::cannot("write", &path, &error))?;
                }
                Ok(None) => {}
                Err(failure) => hidden.lock().unwrap_or_else(PoisonError::into_inner).add(number, failure),
            }
        }
        progress.advance();
        Ok(())
    };
    (0..listing.len()).into_par_iter().try_for_each(write)?;
    drop(progress);
    let hidden = hidden.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, first)) = hidden.first {
        console::warning(format!("pictures that are left out: {}; the first: {first}", hidden.count));
    }
    let samples = (0..EPOCHS).map(|epoch| pictures.augmented(0, SAMPLES, epoch, pictures.seed())).collect();
    let originals = Some(address(pictures.root()));
    let page = folder.join("index.html");
    let html = page::html(listing, pictures.seed(), &Kept { originals, epochs: Some(samples) })?;
    files::write(&page, html.as_bytes())?;
    Ok(page)
}

/// Pictures that cannot be made.
#[derive(Default)]
struct Hidden {
    count: usize,
    /// The number of the first image, and why it has none.
    first: Option<(usize, Failure)>,
}

impl Hidden {
    fn add(&mut self, number: usize, why: Failure) {
        self.count += 1;
        if self.first.as_ref().is_none_or(|(first, _)| number < *first) {
            self.first = Some((number, why));
        }
    }
}

/// The address of a folder on this machine.
fn address(folder: &Path) -> String {
    format!("file://{}", utf8_percent_encode(&folder.to_string_lossy(), UNSAFE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_folder_has_no_letters_with_a_meaning() {
        assert_eq!(address(Path::new("/data/50% \"a\"#?")), "file:///data/50%25%20%22a%22%23%3F");
    }
}
