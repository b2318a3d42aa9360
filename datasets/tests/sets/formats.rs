//! Every format, depth, colour type and orientation, against Pillow (`tools/golden/image_formats.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use datasets::{Depth, Error, Header, Image, Mask, MaskPixels, Orientation, PixelOptions, Size};
use png::{BitDepth, ColorType};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::files::png;

#[derive(Deserialize)]
struct Golden {
    files: BTreeMap<String, Fact>,
}

/// What Pillow says of a file.
#[derive(Deserialize)]
struct Fact {
    width: usize,
    height: usize,
    orientation: u8,
    bits: u8,
    significant_bits: u8,
    channels: usize,
    grey: bool,
    cmyk: bool,
    alpha: bool,
    animated: bool,
    /// Decoders may differ by a level.
    near: bool,
    /// Of the upright pixels in red, green and blue the hash, or with `near` their bytes, in hexadecimal digits.
    pixels: String,
    /// The same in grey.
    luma: String,
    /// The same in all channels, where they are other than grey or red, green and blue.
    stored: Option<String>,
}

impl Fact {
    /// How far pixels are from those that are `expected`.
    fn distance(&self, found: &Image, expected: &str) -> u8 {
        match self.near {
            false if hexadecimal(&Sha256::digest(&found.data)) == expected => 0,
            false => 255,
            true => {
                let digits = expected.as_bytes().chunks_exact(2).map(|digits| str::from_utf8(digits).expect("text"));
                let expected = digits.map(|digits| u8::from_str_radix(digits, 16).expect("a number"));
                found.data.iter().zip(expected).map(|(level, expected)| level.abs_diff(expected)).max().unwrap_or(255)
            }
        }
    }
}

/// The files whose pixels, read in so many channels, are not the expected ones.
fn differing(channels: impl Fn(&Fact) -> Option<(usize, &str)>) -> (usize, Vec<String>) {
    let (folder, files) = golden();
    let (mut read, mut differing) = (0, Vec::new());
    for (name, fact) in &files {
        let Some((channels, expected)) = channels(fact) else { continue };
        let path = folder.join(name);
        read += 1;
        match Image::read(&path, &PixelOptions { channels, ..PixelOptions::default() }) {
            Ok(image) => {
                assert_eq!(Some(image.size()), Image::measure(&path, Orientation::Upright).ok(), "{name}");
                assert_eq!(image.channels(), channels, "{name}");
                assert_eq!(image.data.len(), image.size().pixels() * channels, "{name}");
                let distance = fact.distance(&image, expected);
                if distance > 2 {
                    differing.push(format!("{name}: by {distance}"));
                }
            }
            Err(error) => differing.push(error.to_string()),
        }
    }
    (read, differing)
}

fn golden() -> (PathBuf, BTreeMap<String, Fact>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let golden: Golden =
        serde_json::from_slice(&fs::read(folder.join("facts.json")).expect("the golden file")).expect("its fields");
    (folder, golden.files)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn headers_are_what_pillow_says_in_every_format() {
    let (folder, files) = golden();
    for (name, fact) in files {
        let path = folder.join(&name);
        let header = Header::read(&path).expect("a complete file");
        let stored = Size { height: fact.height, width: fact.width };
        assert_eq!((header.stored, header.orientation), (stored, fact.orientation), "{name}");
        assert_eq!((header.bits, header.significant_bits), (fact.bits, fact.significant_bits), "{name}");
        assert_eq!(header.channels, fact.channels, "{name}");
        let says = [header.grey, header.cmyk, header.alpha, header.animated];
        assert_eq!(says, [fact.grey, fact.cmyk, fact.alpha, fact.animated], "{name}: grey, cmyk, alpha, animated");
        let extension = name.rsplit('.').next().expect("an extension").to_lowercase();
        assert!(header.format.extensions().contains(&extension.as_str()), "{name}");
        assert!(Image::EXTENSIONS.contains(&extension.as_str()), "{name}");
        assert_eq!(Header::of(&fs::read(&path).expect("read"), &path).expect("a complete file"), header, "{name}");
    }
}

#[test]
fn pixels_are_those_of_pillow_in_every_format() {
    let (read, differing) = differing(|fact| Some((3, &fact.pixels)));
    assert!(differing.is_empty(), "{} of {read}: {differing:#?}", differing.len());
}

#[test]
fn grey_is_that_of_pillow_in_every_format() {
    let (read, differing) = differing(|fact| Some((1, &fact.luma)));
    assert!(differing.is_empty(), "{} of {read}: {differing:#?}", differing.len());
}

#[test]
fn all_channels_are_read_as_they_are_stored() {
    let (read, differing) = differing(|fact| Some((fact.channels, fact.stored.as_deref()?)));
    assert!(differing.is_empty(), "{} of {read}: {differing:#?}", differing.len());
    assert_eq!(read, 30);
}

#[test]
fn a_file_of_other_channels_is_refused_by_its_header_and_by_its_pixels() {
    let (folder, files) = golden();
    for (name, fact) in &files {
        let path = folder.join(name);
        let header = Header::read(&path).expect("a header");
        for channels in (1..=17).filter(|&channels| fact.stored.is_none() || channels != fact.channels) {
            let options = PixelOptions { channels, ..PixelOptions::default() };
            let (by_header, by_pixels) = (header.check_channels(channels, &path), Image::read(&path, &options));
            if matches!(channels, 1 | 3) {
                assert!(by_header.is_ok() && by_pixels.is_ok(), "{name}");
                continue;
            }
            let error = by_header.expect_err(name).to_string();
            assert_eq!(error, by_pixels.expect_err(name).to_string());
            let reason = match fact.channels {
                1 => format!("it has 1 channel, but the network takes {channels}"),
                own if own != channels => format!("it has {own} channels, but the network takes {channels}"),
                _ => format!(
                    "it is a {} file, but {channels} channels are read from TIFF, PNG and WebP only",
                    header.format
                ),
            };
            assert_eq!(error, format!("cannot read {}: {reason}", path.display()));
        }
    }
}

#[test]
fn the_depth_applies_to_every_channel() {
    let (folder, _) = golden();
    let read = |depth| {
        let options = PixelOptions { channels: 12, depth, ..PixelOptions::default() };
        Image::read(&folder.join("bands_12_low.tif"), &options).expect("an image").data
    };
    let (twelve, sixteen) = (read(Depth::Bits(12)), read(Depth::Bits(16)));
    assert_eq!(twelve, read(Depth::Auto));
    assert!(twelve.iter().zip(&sixteen).all(|(level, cut)| level >> 4 == *cut));
}

#[test]
fn stored_pixels_turned_are_the_upright_ones() {
    let (folder, files) = golden();
    let stored = PixelOptions { orientation: Orientation::Stored, ..PixelOptions::default() };
    for (name, fact) in files {
        let path = folder.join(&name);
        let image = Image::read(&path, &stored).expect("a complete file");
        assert_eq!(image.size(), Size { height: fact.height, width: fact.width }, "{name}");
        let upright = Image::read(&path, &PixelOptions::default()).expect("a complete file");
        assert_eq!(upright == image, fact.orientation == 1, "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_in_every_format() {
    let (folder, files) = golden();
    for name in files.keys().filter(|name| !name.starts_with("turned")) {
        let bytes = fs::read(folder.join(name)).expect("read");
        for length in (0..bytes.len().saturating_sub(40)).step_by(17) {
            if let Ok(image) = Image::decode(bytes[..length].to_vec(), Path::new(name), &PixelOptions::default()) {
                let whole = Image::decode(bytes.clone(), Path::new(name), &PixelOptions::default());
                // What follows the first image may be missing.
                assert_eq!(Some(image), whole.ok(), "{name}: {length} of {} bytes pass", bytes.len());
            }
        }
    }
}

#[test]
fn masks_are_numbers_in_every_format_without_loss() {
    let (folder, _) = golden();
    let read = |name: &str| Mask::read(&folder.join(name)).expect("a mask").data;
    let numbers = |number: fn(usize, usize) -> usize| -> Vec<u8> {
        (0..11).flat_map(|y| (0..19).map(move |x| number(x, y) as u8)).collect()
    };
    for name in ["png", "tiff", "bmp", "gif"].map(|extension| format!("palette.{extension}")) {
        assert_eq!(read(&name), numbers(|x, y| (x + 2 * y) % 8), "{name}");
        let pixels = MaskPixels::read(&folder.join(&name), Orientation::Upright).expect("a mask");
        let MaskPixels::Numbers { palette: Some(palette), .. } = pixels else { panic!("{name}: {pixels:?}") };
        assert_eq!(palette[..3], [[5, 90, 200], [250, 1, 2], [3, 240, 30]], "{name}");
    }
    for name in ["palette_4.bmp", "runs_8.bmp", "os2_palette.bmp", "transparent.gif", "local.gif"] {
        assert_eq!(read(name), numbers(|x, y| (x + 2 * y) % 8), "{name}");
    }
    for name in ["grey.png", "grey.tif", "grey.pgm", "grey.bmp"] {
        assert_eq!(read(name), numbers(|x, y| (x * 11 + y * 5) % 256), "{name}");
    }
    for name in ["grey_4.png", "grey_4.tif"] {
        assert_eq!(read(name), numbers(|x, y| (x + y) % 16), "{name}");
    }
    for name in ["rgb.png", "rgb.tif", "rgb.bmp", "rgb.ppm", "lossless.webp", "alpha.png"] {
        let pixels = MaskPixels::read(&folder.join(name), Orientation::Upright).expect("colours");
        let image = Image::read(&folder.join(name), &PixelOptions::default()).expect("an image");
        assert_eq!(pixels, MaskPixels::Colours(image), "{name}");
    }
    for name in ["rgb.jpg", "lossy.webp", "jpeg.tif", "lossless.jp2"] {
        let error = MaskPixels::read(&folder.join(name), Orientation::Upright).expect_err(name).to_string();
        assert!(error.contains("which changes the numbers of its pixels; save it as PNG"), "{error}");
    }
}

#[test]
fn equal_channels_and_full_alpha_are_one_number() {
    let numbers = |colour, data: &[u8]| -> Result<Vec<u8>, Error> {
        let file = png(Size { height: 1, width: 2 }, colour, BitDepth::Eight, data);
        Mask::decode(file, Path::new("m.png")).map(|mask| mask.data)
    };
    assert_eq!(numbers(ColorType::Rgb, &[1, 1, 1, 7, 7, 7]).expect("numbers"), [1, 7]);
    assert_eq!(numbers(ColorType::Rgba, &[1, 1, 1, 255, 7, 7, 7, 255]).expect("numbers"), [1, 7]);
    assert_eq!(numbers(ColorType::GrayscaleAlpha, &[1, 255, 7, 255]).expect("numbers"), [1, 7]);
    let error = numbers(ColorType::GrayscaleAlpha, &[1, 255, 7, 3]).expect_err("transparent").to_string();
    assert!(error.contains("partly transparent"), "{error}");
    assert!(numbers(ColorType::Rgb, &[1, 1, 1, 7, 7, 8]).expect_err("colours").to_string().contains("are colours"));
}

#[test]
fn a_mask_is_turned_by_its_own_orientation() {
    let (folder, _) = golden();
    let size = |orientation| MaskPixels::read(&folder.join("turned_6.tif"), orientation).expect("a mask").size();
    assert_eq!(size(Orientation::Stored), Size { height: 11, width: 19 });
    assert_eq!(size(Orientation::Upright), Size { height: 19, width: 11 });
}

#[test]
fn the_depth_may_be_given_instead_of_what_the_file_says() {
    let twelve: Vec<u8> = [0u16, 16, 4095, 5000].iter().flat_map(|level| level.to_be_bytes()).collect();
    let file = png(Size { height: 1, width: 4 }, ColorType::Grayscale, BitDepth::Sixteen, &twelve);
    let levels = |depth| {
        let options = PixelOptions { depth, ..PixelOptions::default() };
        let image = Image::decode(file.clone(), Path::new("a.png"), &options).expect("an image");
        image.data.iter().step_by(3).copied().collect::<Vec<u8>>()
    };
    assert_eq!(levels(Depth::Auto), [0, 0, 15, 19]);
    assert_eq!(levels(Depth::Bits(12)), [0, 1, 255, 255]);
    assert_eq!(levels(Depth::Bits(16)), levels(Depth::Auto));
    let read = |text: &str| serde_json::from_str::<PixelOptions>(text);
    let options = read(r#"{"depth": 12, "orientation": "stored"}"#).expect("options");
    assert_eq!(options, PixelOptions { depth: Depth::Bits(12), orientation: Orientation::Stored, channels: 3 });
    assert_eq!(read(r#"{"depth": "auto"}"#).expect("options"), PixelOptions::default());
    assert!(read(r#"{"depth": 17}"#).expect("a number").validate().is_err());
}

#[test]
fn a_header_beyond_the_first_bytes_is_read() {
    let (folder, _) = golden();
    let jpeg = fs::read(folder.join("turned_6.jpg")).expect("read");
    let segment = [&[0xFF, 0xE2, 0xFF, 0xFF][..], &[7; 0xFFFD]].concat();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), [&jpeg[..2], &segment, &segment, &segment, &jpeg[2..]].concat()).expect("written");
    let header = Header::read(file.path()).expect("a header");
    assert_eq!((header.stored, header.orientation), (Size { height: 11, width: 19 }, 6));
}
