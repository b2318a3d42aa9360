//! Reading image files: their pixels, and that every damaged file is an error.

use std::fs;
use std::path::Path;

use datasets::{Encoding, Error, Image, Orientation, PixelOptions, Size};
use png::{BitDepth, ColorType};

use crate::files::png;

/// A gradient with a little texture, so that no two regions look alike.
fn picture(size: Size) -> Image {
    let mut image = Image::filled(size, [0; 3]);
    for (place, pixel) in image.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = (place % size.width, place / size.width);
        pixel.copy_from_slice(&[(x * 255 / size.width) as u8, (y * 255 / size.height) as u8, ((x * y) % 64) as u8]);
    }
    image
}

const SIZE: Size = Size { height: 48, width: 64 };

fn decode(bytes: &[u8]) -> Result<Image, Error> {
    Image::decode(bytes.to_vec(), Path::new("somewhere/a.jpg"), &PixelOptions::default())
}

#[test]
fn png_keeps_every_pixel_and_its_channel_order() {
    let image = picture(SIZE);
    let bytes = image.encode(Encoding::Png).expect("a valid image");
    assert_eq!(decode(&bytes).expect("a complete file"), image);
}

#[test]
fn jpeg_keeps_pixels_nearly_and_their_channel_order() {
    let image = Image::filled(SIZE, [200, 40, 10]);
    let decoded = decode(&image.encode(Encoding::Jpeg(95)).expect("a valid image")).expect("a complete file");
    assert_eq!(decoded.size(), SIZE);
    for pixel in decoded.data.chunks_exact(3) {
        assert!(pixel.iter().zip([200, 40, 10]).all(|(level, expected)| level.abs_diff(expected) <= 4), "{pixel:?}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_that_names_it() {
    for encoding in [Encoding::Jpeg(90), Encoding::Png] {
        let bytes = picture(SIZE).encode(encoding).expect("a valid image");
        assert!(decode(&bytes).is_ok());
        for length in 0..bytes.len() {
            let Err(error) = decode(&bytes[..length]) else { panic!("{length} of {} bytes pass", bytes.len()) };
            assert!(error.to_string().starts_with("cannot read somewhere/a.jpg: "), "{length}: {error}");
        }
    }
}

#[test]
fn a_cut_jpeg_with_a_thumbnail_or_trailing_bytes_is_detected() {
    let thumbnail = picture(Size { height: 8, width: 8 }).encode(Encoding::Jpeg(50)).expect("a valid image");
    let bytes = with_segment(&picture(SIZE).encode(Encoding::Jpeg(90)).expect("a valid image"), 0xE1, &thumbnail);
    assert_eq!(decode(&bytes).expect("a complete file").size(), SIZE);
    assert_eq!(decode(&[&bytes[..], &[0, 1, 2]].concat()).expect("a complete file").size(), SIZE);
    assert!(decode(&bytes[..bytes.len() - 40]).is_err());
    assert!(decode(&[&bytes[..bytes.len() - 40], &[0, 1, 2]].concat()).is_err());
}

#[test]
fn files_that_are_not_images_are_errors() {
    for bytes in [&b""[..], b"GIF89a", b"<html>", &[0xFF, 0xD8, 0xFF, 0xD9], &[0xFF, 0xD8, 0xFF, 0xE0, 0, 1]] {
        assert!(matches!(decode(bytes), Err(Error::Decode { .. })), "{bytes:?}");
    }
    let error = Image::read(Path::new("no/such.jpg"), &PixelOptions::default()).expect_err("no file");
    assert!(error.to_string().starts_with("cannot read no/such.jpg: "), "{error}");
}

#[test]
fn a_header_that_states_a_huge_size_is_refused_before_memory_is_taken() {
    let mut bytes = picture(SIZE).encode(Encoding::Jpeg(90)).expect("a valid image");
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a frame header");
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    let error = decode(&bytes).expect_err("65535x65535 pixels");
    assert!(error.to_string().contains("65535x65535 pixels are more than the limit"), "{error}");
}

#[test]
fn exif_orientation_is_applied_unless_the_stored_pixels_are_asked_for() {
    // Little-endian TIFF, one entry: tag 0x0112 (orientation), type 3 (short), count 1, value 6 (a quarter turn).
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let bytes = with_segment(&picture(SIZE).encode(Encoding::Jpeg(90)).expect("a valid image"), 0xE1, exif);
    let upright = decode(&bytes).expect("a complete file");
    let options = PixelOptions { orientation: Orientation::Stored, ..PixelOptions::default() };
    let stored = Image::decode(bytes, Path::new("a.jpg"), &options).expect("a complete file");
    assert_eq!((stored.size(), upright.size()), (SIZE, Size { height: SIZE.width, width: SIZE.height }));
    assert_eq!(upright.data[..3], stored.data[(SIZE.height - 1) * SIZE.width * 3..][..3]);
}

#[test]
fn size_is_measured_without_decoding_and_for_every_format() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, encoding) in [("a.jpg", Encoding::Jpeg(80)), ("a.png", Encoding::Png)] {
        let path = folder.path().join(name);
        fs::write(&path, picture(SIZE).encode(encoding).expect("a valid image")).expect("written");
        assert_eq!(Image::measure(&path, Orientation::default()).expect("a complete file"), SIZE);
    }
    let path = folder.path().join("a.ppm");
    fs::write(&path, [b"P6 4 2 255\n".as_slice(), &[7; 24]].concat()).expect("written");
    assert_eq!(Image::measure(&path, Orientation::default()).expect("a complete file"), Size { height: 2, width: 4 });
}

#[test]
fn grey_alpha_sixteen_bit_and_palette_pngs_become_rgb() {
    let encode = |colour, depth, data: &[u8]| {
        decode(&png(Size { height: 1, width: 2 }, colour, depth, data)).expect("a complete file").data
    };
    assert_eq!(encode(ColorType::Grayscale, BitDepth::Eight, &[7, 200]), [7, 7, 7, 200, 200, 200]);
    assert_eq!(encode(ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 0, 9, 255]), [7, 7, 7, 9, 9, 9]);
    assert_eq!(encode(ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 0, 4, 5, 6, 9]), [1, 2, 3, 4, 5, 6]);
    let sixteen = [0x12, 0xFF, 0x34, 0, 0x56, 0, 0x78, 0, 0x9A, 0, 0xBC, 0];
    assert_eq!(encode(ColorType::Rgb, BitDepth::Sixteen, &sixteen), [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC]);
    assert_eq!(encode(ColorType::Indexed, BitDepth::Eight, &[11, 4]), [192, 128, 0, 0, 0, 128]);
}

#[test]
fn resizing_interpolates_between_pixel_centres() {
    let image = Image::new(Size { height: 1, width: 2 }, 3, vec![0, 0, 0, 100, 200, 40]);
    let resized = image.resize(Size { height: 1, width: 4 }).expect("sizes with pixels");
    assert_eq!(resized.data, [0, 0, 0, 25, 50, 10, 75, 150, 30, 100, 200, 40]);
}

#[test]
fn a_buffer_that_does_not_fit_its_size_is_an_error() {
    let image = Image::new(Size { height: 2, width: 2 }, 3, vec![0; 5]);
    assert!(matches!(image.resize(SIZE), Err(Error::Pixels { .. })));
    assert!(matches!(image.encode(Encoding::Png), Err(Error::Pixels { .. })));
    assert!(matches!(picture(SIZE).resize(Size { height: 0, width: 4 }), Err(Error::Pixels { .. })));
}

/// The JPEG with an application segment after its first marker.
fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("a short segment").to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, content, &jpeg[2..]].concat()
}
