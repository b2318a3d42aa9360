//! The text of a file: decoded once, by its byte-order mark, its declaration or, where it has neither, its bytes.
//!
//! | first bytes or declaration | encoding |
//! |---|---|
//! | a byte-order mark | UTF-8, UTF-16 of either byte order |
//! | `<?xml ... encoding="..."?>` | the declared one, as the Encoding Standard names them: `ISO-8859-1` is read as `windows-1252` |
//! | neither, and valid | UTF-8 |
//! | neither, with a zero in one of the first two bytes | UTF-16 |
//! | neither, and not valid UTF-8 | what the bytes suggest (GB18030, Shift_JIS, windows-1252, ...): a guess |

use std::fs;
use std::io;
use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

/// How far a declaration is looked for.
const DECLARATION: usize = 256;

/// The text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Without a byte-order mark.
    pub content: String,
    /// The encoding's name where the file neither has a mark nor declares one, and is not UTF-8.
    pub guessed: Option<&'static str>,
}

/// Reads a text file.
///
/// # Errors
/// Where the file cannot be read, or is not text in the encoding that it declares ([`io::ErrorKind::InvalidData`]).
pub fn read(path: &Path) -> io::Result<Text> {
    decode(fs::read(path)?)
}

/// The text of these bytes.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] where they are not text in the encoding that they declare.
pub fn decode(bytes: Vec<u8>) -> io::Result<Text> {
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
        return decoded(&bytes[mark..], encoding, "as its byte-order mark says").map(stated);
    }
    if let Some(encoding) = declared(&bytes) {
        return decoded(&bytes, encoding, "as it declares").map(stated);
    }
    if let Some(encoding) = wide(&bytes) {
        return decoded(&bytes, encoding, "as its first bytes suggest").map(stated);
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(content) => return Ok(stated(content)),
        Err(error) => error.into_bytes(),
    };
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes, true);
    let guess = match detector.guess(None, Utf8Detection::Deny) {
        // The standard decodes both alike; GB18030 is the name of the complete character set.
        encoding if encoding == GBK => GB18030,
        encoding => encoding,
    };
    Ok(Text { content: decoded(&bytes, guess, "as its bytes suggest")?, guessed: Some(guess.name()) })
}

fn stated(content: String) -> Text {
    Text { content, guessed: None }
}

fn decoded(bytes: &[u8], encoding: &'static Encoding, why: &str) -> io::Result<String> {
    let content = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    let refused = || {
        let reason = format!("its text is not {}, {why}", encoding.name());
        io::Error::new(io::ErrorKind::InvalidData, reason)
    };
    content.map(|content| content.into_owned()).ok_or_else(refused)
}

/// The encoding of an XML declaration. One of UTF-16 in bytes of ASCII is that of a program that saved the file anew.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = bytes.get(..bytes.len().min(DECLARATION))?;
    let start = start.strip_prefix(b"<?xml")?;
    let end = start.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(&start[..end]).ok()?;
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let label = value[1..].split(quote).next()?;
    Encoding::for_label(label.as_bytes()).filter(|encoding| ![UTF_8, UTF_16LE, UTF_16BE].contains(encoding))
}

/// UTF-16 without a mark: what these files begin with is ASCII.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, low, ..] if *low != 0 => Some(UTF_16BE),
        [low, 0, ..] if *low != 0 => Some(UTF_16LE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wide(text: &str, unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn a_mark_decides_and_is_not_part_of_the_text() {
        for bytes in [
            "\u{feff}[\"猫\"]".as_bytes().to_vec(),
            wide("\u{feff}[\"猫\"]", u16::to_le_bytes),
            wide("\u{feff}[\"猫\"]", u16::to_be_bytes),
        ] {
            assert_eq!(decode(bytes).expect("text"), stated("[\"猫\"]".to_owned()));
        }
    }

    #[test]
    fn utf_16_without_a_mark_is_known_by_the_zeros() {
        assert_eq!(decode(wide("<a>é</a>", u16::to_le_bytes)).expect("text"), stated("<a>é</a>".to_owned()));
        assert_eq!(decode(wide("[1]", u16::to_be_bytes)).expect("text"), stated("[1]".to_owned()));
    }

    #[test]
    fn the_declaration_of_xml_is_obeyed() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>t\xe2che</a>".to_vec();
        assert!(decode(latin).expect("text").content.ends_with("<a>tâche</a>"));
        let mut chinese = br#"<?xml version="1.0" encoding="GB2312"?><a>"#.to_vec();
        chinese.extend_from_slice(&[0xc3, 0xa8]);
        assert_eq!(decode(chinese).expect("text").content.split_once("<a>").expect("a tag").1, "猫");
    }

    #[test]
    fn text_that_contradicts_its_declaration_is_refused_with_the_encoding() {
        let bytes = b"<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><a>\xff\xff</a>".to_vec();
        let error = decode(bytes).expect_err("not Shift_JIS").to_string();
        assert_eq!(error, "its text is not Shift_JIS, as it declares");
    }

    #[test]
    fn undeclared_text_is_guessed_and_the_guess_is_named() {
        let mut chinese = Vec::new();
        for _ in 0..8 {
            chinese.extend_from_slice(&GB18030.encode("图片中的猫和狗，训练集\n").0);
        }
        let text = decode(chinese).expect("text");
        assert_eq!(text.guessed, Some("gb18030"));
        assert!(text.content.starts_with("图片中的猫和狗"));
        let latin = decode(b"caf\xe9 1\nth\xe9 2\n".to_vec()).expect("text");
        assert_eq!((latin.content.as_str(), latin.guessed), ("café 1\nthé 2\n", Some("windows-1252")));
    }

    proptest! {
        #[test]
        fn utf_8_without_zeros_is_read_as_it_is(text in "[^\u{feff}\u{0}]*") {
            prop_assume!(!text.starts_with("<?xml"));
            prop_assert_eq!(decode(text.clone().into_bytes()).expect("text"), stated(text));
        }

        #[test]
        fn any_bytes_are_text_or_an_error(bytes: Vec<u8>) {
            drop(decode(bytes));
        }
    }
}
