//! What an archive holds according to its headers, before any content is read.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

/// The sum over the entries of a zip or tar archive; none where the file is not a complete archive.
///
/// A small file can unpack to a very large size: a zip by compression, a tar by sparse files.
///
/// # Errors
/// A file that cannot be opened.
pub(super) fn unpacked_length(path: &Path) -> io::Result<Option<u64>> {
    let file = BufReader::new(File::open(path)?);
    Ok(if is_zip(path) { of_zip(file) } else { of_tar(file) })
}

/// Whether a file begins as a zip archive does.
pub(super) fn is_zip(path: &Path) -> bool {
    let mut start = [0; 2];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"PK"
}

/// The names in a zip archive; none where its end is missing.
pub(super) fn entry_names(path: &Path) -> Option<Vec<String>> {
    let archive = zip::ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    Some(archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect())
}

fn of_zip(file: BufReader<File>) -> Option<u64> {
    let mut archive = zip::ZipArchive::new(file).ok()?;
    let mut sizes = (0..archive.len()).map(|index| Some(archive.by_index_raw(index).ok()?.size()));
    sizes.try_fold(0, |sum: u64, size| Some(sum.saturating_add(size?)))
}

fn of_tar(file: BufReader<File>) -> Option<u64> {
    let mut archive = tar::Archive::new(file);
    let mut entries = archive.entries_with_seek().ok()?;
    entries.try_fold(0, |sum: u64, entry| Some(sum.saturating_add(entry.ok()?.size())))
}
