//! Files that look like images by their names but are something else, recognised by their first bytes.

use std::path::Path;

use super::Format;

/// Why this content is not read, where it is recognised.
pub(super) fn foreign(start: &[u8], path: &Path) -> Option<String> {
    let (what, extension, remedy) = recognise(start)?;
    let own = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let named = if own.is_empty() || own == extension { String::new() } else { format!(", named .{own}") };
    Some(format!("it is {what}{named}, which is not supported; {remedy}"))
}

const CONVERT: &str = "convert it to JPEG or PNG";
const RENDER: &str = "render it as JPEG or PNG";
const EXTRACT: &str = "extract its files";
const FRAMES: &str = "extract its frames";
const DOWNLOAD: &str = "download the image again";

/// What it is, its own extension, and what to do.
fn recognise(start: &[u8]) -> Option<(&'static str, &'static str, &'static str)> {
    let brand = if start.get(4..8) == Some(b"ftyp") { start.get(8..12) } else { None };
    if let Some(brand) = brand {
        return Some(match brand {
            b"avif" | b"avis" => ("an AVIF image", "avif", CONVERT),
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" => ("a HEIC image", "heic", CONVERT),
            b"mif1" | b"msf1" if holds(start, b"avif") => ("an AVIF image", "avif", CONVERT),
            b"mif1" | b"msf1" => ("a HEIF image", "heif", CONVERT),
            b"crx " => ("a Canon raw photograph", "cr3", CONVERT),
            b"jp2 " | b"jpx " => return None,
            b"qt  " => ("a QuickTime video", "mov", FRAMES),
            _ => ("an MP4 video", "mp4", FRAMES),
        });
    }
    let known: [(&[u8], &str, &str, &str); 24] = [
        (b"\xFF\x0A", "a JPEG XL image", "jxl", CONVERT),
        (b"\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL image", "jxl", CONVERT),
        (b"8BPS", "a Photoshop document", "psd", CONVERT),
        (b"%PDF", "a PDF document", "pdf", RENDER),
        (b"%!PS", "a PostScript document", "eps", RENDER),
        (b"PK\x03\x04", "a ZIP archive", "zip", EXTRACT),
        (b"\x1F\x8B", "a gzip archive", "gz", EXTRACT),
        (b"7z\xBC\xAF\x27\x1C", "a 7z archive", "7z", EXTRACT),
        (b"Rar!\x1A\x07", "a RAR archive", "rar", EXTRACT),
        (b"\x1A\x45\xDF\xA3", "a Matroska or WebM video", "mkv", FRAMES),
        (b"\0\0\x01\xBA", "an MPEG video", "mpg", FRAMES),
        (b"\0\0\x01\xB3", "an MPEG video", "mpg", FRAMES),
        (b"FLV\x01", "a Flash video", "flv", FRAMES),
        (b"\0\0\x01\0", "an icon", "ico", CONVERT),
        (b"\x76\x2F\x31\x01", "an OpenEXR image", "exr", CONVERT),
        (b"#?RADIANCE", "a Radiance image", "hdr", CONVERT),
        (b"DDS ", "a DDS texture", "dds", CONVERT),
        (b"FUJIFILMCCD-RAW", "a Fujifilm raw photograph", "raf", CONVERT),
        (b"IIRO", "an Olympus raw photograph", "orf", CONVERT),
        (b"IIU\0", "a Panasonic raw photograph", "rw2", CONVERT),
        (b"P7\n", "a PAM image", "pam", CONVERT),
        (b"\x93NUMPY", "a NumPy array", "npy", CONVERT),
        (b"\x89HDF\r\n", "an HDF5 file", "h5", EXTRACT),
        (b"version https://git-lfs", "a Git LFS pointer", "", "fetch the images with `git lfs pull`"),
    ];
    if let Some(&(_, what, extension, remedy)) = known.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return Some((what, extension, remedy));
    }
    match start {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] => return Some(("an AVI video", "avi", FRAMES)),
        [b'I', b'I', b'*', 0, _, _, _, _, b'C', b'R', ..] => return Some(("a Canon raw photograph", "cr2", CONVERT)),
        _ if start.get(128..132) == Some(b"DICM") => return Some(("a DICOM image", "dcm", CONVERT)),
        _ if Format::of(start).is_some() => return None,
        _ => {}
    }
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    match text.get(..5)?.to_ascii_lowercase().as_slice() {
        b"<svg " => Some(("an SVG drawing", "svg", RENDER)),
        b"<?xml" | b"<!doc" | b"<!-- " if holds(text, b"<svg") => Some(("an SVG drawing", "svg", RENDER)),
        b"<!doc" | b"<html" | b"<head" | b"<body" => Some(("an HTML page", "html", DOWNLOAD)),
        b"<?xml" => Some(("an XML file", "xml", DOWNLOAD)),
        _ => None,
    }
}

fn holds(start: &[u8], word: &[u8]) -> bool {
    start.windows(word.len()).any(|place| place.eq_ignore_ascii_case(word))
}
