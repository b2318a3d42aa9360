//! What an archive holds according to its headers, before any content is read.

use std::{
    fs::{self, File},
    io::{self, BufReader, Cursor, Read, Seek},
    path::Path,
};

use zip::ZipArchive;

/// The sum over the entries of a zip or tar archive; none where the file is not a complete archive.
///
/// A small file can unpack to a very large size: a zip by compression, a tar by sparse files.
///
/// # Errors
/// A file that cannot be opened.
pub(super) fn unpacked_length(path: &Path) -> io::Result<Option<u64>> {
    Ok(if is_zip(path) { of_zip(path) } else { of_tar(BufReader::new(File::open(path)?)) })
}

/// Whether a file begins as a zip archive does.
pub(super) fn is_zip(path: &Path) -> bool {
    let mut start = [0; 2];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"PK"
}

/// The names in a zip archive; none where its end is missing.
pub(super) fn entry_names(path: &Path) -> Option<Vec<String>> {
    Some(zip(path)?.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect())
}

trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

fn zip(path: &Path) -> Option<ZipArchive<Box<dyn Source>>> {
    let open = |source: Box<dyn Source>| ZipArchive::new(source).ok();
    let file = File::open(path).ok()?;
    open(Box::new(BufReader::new(file)))
        .or_else(|| open(Box::new(Cursor::new(without_zip64_records(fs::read(path).ok()?)?))))
}

/// An archive of `torch.save` without the two zip64 records before its end, which it needs from 4 GB on only; none for others.
///
/// Where the name of the first entry has 30 bytes, as in a file of 21 letters before `.pth`, version 9 of `zip` takes the second
/// entry for the first and refuses the archive: the records have the length of that entry.
pub(super) fn without_zip64_records(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    const RECORDS: usize = 56 + 20;
    const END: usize = 22;
    let end = bytes.len().checked_sub(END)?;
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let directory_end = number(end + 12)?.checked_add(number(end + 16)?)?;
    let records = bytes.get(directory_end..)?.starts_with(b"PK\x06\x06") && directory_end + RECORDS == end;
    (records && bytes[end..].starts_with(b"PK\x05\x06")).then(|| {
        bytes.drain(directory_end..end);
        bytes
    })
}

fn of_zip(path: &Path) -> Option<u64> {
    let mut archive = zip(path)?;
    let mut sizes = (0..archive.len()).map(|index| Some(archive.by_index_raw(index).ok()?.size()));
    sizes.try_fold(0, |sum: u64, size| Some(sum.saturating_add(size?)))
}

fn of_tar(file: BufReader<File>) -> Option<u64> {
    let mut archive = tar::Archive::new(file);
    let mut entries = archive.entries_with_seek().ok()?;
    entries.try_fold(0, |sum: u64, entry| Some(sum.saturating_add(entry.ok()?.size())))
}
