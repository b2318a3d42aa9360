//! The unpacked size of an archive according to its headers, before any content is read.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

/// The sum over the entries of a zip or tar archive; none where the file is not a complete archive.
///
/// A small file can unpack to a very large size: a zip by compression, a tar by sparse files.
///
/// # Errors
/// A file that cannot be opened.
pub(super) fn unpacked_length(path: &Path) -> io::Result<Option<u64>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut start = [0; 2];
    let zip = file.read_exact(&mut start).is_ok() && start == *b"PK";
    file.rewind()?;
    Ok(if zip { of_zip(file) } else { of_tar(file) })
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
