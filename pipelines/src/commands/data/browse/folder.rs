//! The page in a folder, with its pictures beside it.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

use super::listing::Listing;
use super::page::{self, Kept};
use super::pictures::{Kind, Pictures, Side};
use crate::console::SharedProgress;
use crate::failure::Failure;
use crate::files;

/// How much a page keeps of what training sees.
const EPOCHS: u64 = 3;
const SAMPLES: usize = 24;

/// What an address of a file has other letters for.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'?').add(b'<').add(b'>');

/// Writes thumbnails, masks and, last, the page; returns its path. An image that cannot be shown has no thumbnail.
pub(super) fn write(folder: &Path, listing: &Listing, pictures: &Pictures) -> Result<PathBuf, Failure> {
    let small = Side::Small;
    let kinds: &[Kind] = if listing.masks { &[Kind::Image, Kind::Mask] } else { &[Kind::Image] };
    kinds.iter().try_for_each(|kind| files::create_folder(&folder.join(kind.folder(small))))?;
    let progress = SharedProgress::new("writing thumbnails", listing.len() as u64);
    let write = |number: usize| -> Result<(), Failure> {
        for kind in kinds {
            if let Ok(Some(bytes)) = pictures.picture(listing, *kind, number, small) {
                let path = folder.join(kind.path(number, small));
                std::fs::write(&path, bytes).map_err(|error| Failure::cannot("write", &path, &error))?;
            }
        }
        progress.advance();
        Ok(())
    };
    (0..listing.len()).into_par_iter().try_for_each(write)?;
    drop(progress);
    let samples = (0..EPOCHS).map(|epoch| pictures.augmented(0, SAMPLES, epoch, pictures.seed())).collect();
    let originals = Some(address(pictures.root()));
    let page = folder.join("index.html");
    let html = page::html(listing, pictures.seed(), &Kept { originals, epochs: Some(samples) })?;
    files::write(&page, html.as_bytes())?;
    Ok(page)
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
