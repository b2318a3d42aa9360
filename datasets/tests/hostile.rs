//! Files made to do harm: no panic, no memory beyond a bound, no path outside of the set's folder.

use std::fs;
use std::path::{Path, PathBuf};

use datasets::imagenet::Synsets;
use datasets::voc::{self, Classes};
use datasets::{Error, Image, Mask, PixelOptions, coco};
use proptest::prelude::*;

#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/memory.rs"]
mod memory;
#[path = "hostile/mutation.rs"]
mod mutation;
#[path = "../../fuzz/src/data_set.rs"]
mod promises;

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats")
}

#[test]
fn the_corpus_is_read_as_promised() {
    assert_eq!(corpus::refused("coco", promises::coco), ["faults.json"]);
    assert_eq!(corpus::refused("voc", promises::voc), ["entity.xml"]);
    assert_eq!(corpus::refused("lists", promises::lists), [""; 0]);
    assert_eq!(corpus::refused("mask", promises::mask), ["deep.png", "grey_16_beyond.png", "rgb.png"]);
    assert_eq!(corpus::refused("image", promises::image), [""; 0]);
}

/// Holds a reader to its promise with damaged files of its corpus.
fn survives(target: &str, promise: fn(&Path, &[u8]) -> bool) {
    const RUNS: usize = 1500;
    let files = corpus::files(target);
    let folder = tempfile::tempdir().expect("a folder");
    let damaged = (0..RUNS).map(|seed| mutation::mutated(&files[seed % files.len()].1, seed as u64));
    let accepted = damaged.filter(|bytes| promise(folder.path(), bytes)).count();
    assert!((1..RUNS).contains(&accepted), "{accepted} of {RUNS} damaged files were accepted");
}

#[test]
fn damaged_coco_files_are_read_as_promised() {
    survives("coco", promises::coco);
}

#[test]
fn damaged_voc_annotations_are_read_as_promised() {
    survives("voc", promises::voc);
}

#[test]
fn damaged_lists_are_read_as_promised() {
    survives("lists", promises::lists);
}

#[test]
fn damaged_masks_are_read_as_promised() {
    survives("mask", promises::mask);
}

#[test]
fn damaged_images_are_read_as_promised() {
    survives("image", promises::image);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in 0usize..8) {
        let magics: [&[u8]; 8] =
            [b"", b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1A\n", b"RIFF\x10\0\0\0WEBPVP8X", b"BM", b"II*\0\x08\0\0\0", b"P6 ", b"{"];
        let bytes = [magics[magic], &bytes].concat();
        for channels in [1, 3, 4, 5] {
            let options = PixelOptions { channels, ..PixelOptions::default() };
            drop(Image::decode(bytes.clone(), Path::new("a"), &options));
        }
        drop(Mask::decode(bytes, Path::new("a")));
    }
}

#[test]
fn names_outside_of_the_folder_are_refused_with_their_place() {
    let outer = tempfile::tempdir().expect("a folder");
    fs::write(outer.path().join("a.xml"), "<annotation/>").expect("a file where a name leads");
    let folder = tempfile::tempdir_in(outer.path()).expect("a folder");
    fs::create_dir_all(folder.path().join("Annotations")).expect("made");
    let file = folder.path().join("instances.json");
    for name in ["../a.jpg", "/etc/passwd", "a/../../b.jpg", "..", ""] {
        let text = format!(
            r#"{{"images": [{{"id": 7, "file_name": "{name}"}}], "annotations": [], "categories": [{{"id": 1, "name": "x"}}]}}"#
        );
        fs::write(&file, text).expect("written");
        let error = coco::read(folder.path(), &file).expect_err("outside").to_string();
        let end = format!("instances.json: image 7 (the 1st): file_name is {name:?}, which leaves the image folder");
        assert!(error.ends_with(&end), "{error}");
        if name.is_empty() {
            continue;
        }

        let list = folder.path().join("ImageSets/Main/x.txt");
        fs::create_dir_all(list.parent().expect("a folder")).expect("made");
        fs::write(&list, format!("\n{name}\n")).expect("written");
        let error = voc::read(folder.path(), "x", Classes::Collected).expect_err("outside").to_string();
        assert!(error.contains("x.txt:2: cannot find"), "{error}");
    }
}

/// A devkit of one image with this annotation.
fn voc_error(xml: &[u8]) -> Error {
    let root = tempfile::tempdir().expect("a folder");
    for folder in ["JPEGImages", "Annotations", "ImageSets/Main"] {
        fs::create_dir_all(root.path().join(folder)).expect("made");
    }
    fs::copy(formats().join("rgb.jpg"), root.path().join("JPEGImages/a.jpg")).expect("copied");
    fs::write(root.path().join("Annotations/a.xml"), xml).expect("written");
    fs::write(root.path().join("ImageSets/Main/x.txt"), "a").expect("written");
    voc::read(root.path(), "x", Classes::Collected).expect_err("hostile")
}

#[test]
fn boxes_whose_area_is_not_finite_are_refused_with_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("instances.json");
    for bbox in ["[0, 0, 1e200, 1e200]", "[-1e308, 0, 1e308, -1e308]"] {
        let text = format!(
            r#"{{"images": [{{"id": 7, "file_name": "a", "width": 1, "height": 1}}], "categories": [{{"id": 1, "name": "x"}}],
            "annotations": [{{"id": 3, "image_id": 7, "category_id": 1, "bbox": {bbox}}}]}}"#
        );
        fs::write(&file, text).expect("written");
        let error = coco::read(folder.path(), &file).expect_err("not finite").to_string();
        assert!(error.ends_with("annotation 3 (the 1st), image 7: bbox has an area that is not finite"), "{error}");
    }
    for [left, right, bottom] in [["-1e308", "1e308", "2"], ["-1e308", "1e308", "0"], ["0", "1e200", "1e200"]] {
        let corners = format!("<xmin>{left}</xmin><ymin>1</ymin>\n<xmax>{right}</xmax><ymax>{bottom}</ymax>");
        let xml = format!("<a>\n<object><name>x</name><bndbox>{corners}</bndbox></object></a>");
        let error = voc_error(xml.as_bytes()).to_string();
        assert!(error.ends_with("a.xml:2: the area of the box is not finite"), "{error}");
    }
}

#[test]
fn classes_keep_apart_whatever_their_names_look_like() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("names.txt");
    for (text, names) in [
        ("a\na\na (0)\n", ["a (0) (0)", "a (1)", "a (0)"]),
        ("a (1)\na\na\n", ["a (1)", "a (1) (1)", "a (2)"]),
        (
            "n00000002 a\nn00000001 a\nn00000003 a (n00000001)\n",
            ["a (n00000001) (n00000001)", "a (n00000002)", "a (n00000001)"],
        ),
    ] {
        fs::write(&file, text).expect("written");
        assert_eq!(Synsets::from_names(&file).expect("names").names, names);
    }
}

#[test]
fn entities_are_not_expanded() {
    let mut bomb = "<!DOCTYPE a [<!ENTITY b0 \"0123456789\">".to_owned();
    for level in 1..12 {
        bomb += &format!("<!ENTITY b{level} \"{}\">", format!("&b{};", level - 1).repeat(10));
    }
    bomb += "]><annotation><object><name>&b11;</name></object></annotation>";
    assert!(voc_error(bomb.as_bytes()).to_string().contains("DTD"));
    let outside = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><annotation><name>&b;</name></annotation>";
    assert!(voc_error(outside.as_bytes()).to_string().contains("DTD"));
}

#[test]
fn nesting_without_end_is_an_error_and_not_a_stack_overflow() {
    let deep = [b"<a>".repeat(200_000), b"</a>".repeat(200_000)].concat();
    let error = voc_error(&[b"<annotation>", &deep[..], b"</annotation>"].concat()).to_string();
    assert!(error.contains("a.xml") || error.contains("x.txt"), "{error}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("deep.json");
    // In a field that is read, and in one that is passed over.
    for (field, open, close, words) in [
        ("images", "[", "]", "missing field `annotations`"),
        ("images", "{\"a\":", "}", "in the field `images`"),
        ("info", "[", "]", "missing field `images`"),
        ("info", "{\"a\":", "}", "missing field `images`"),
    ] {
        let text = format!("{{\"{field}\": {}1{}}}", open.repeat(200_000), close.repeat(200_000));
        fs::write(&file, text).expect("written");
        let error = coco::read(folder.path(), &file).expect_err("deep").to_string();
        assert!(error.contains("deep.json:1:") && error.contains(words), "{error}");
    }
}

/// Four bytes, the lowest first.
fn little(number: u32) -> [u8; 4] {
    number.to_le_bytes()
}

#[test]
fn sizes_beyond_the_limit_are_refused_before_memory_is_asked_for() {
    let read = |name: &str| fs::read(formats().join(name)).expect("a file");
    let put = |mut bytes: Vec<u8>, at: usize, content: &[u8]| {
        bytes[at..at + content.len()].copy_from_slice(content);
        bytes
    };
    let mut png = put(put(read("rgb.png"), 16, &65535u32.to_be_bytes()), 20, &65535u32.to_be_bytes());
    let check = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&check.to_be_bytes());
    // Run-length coded, so that the file need not be as long as its pixels.
    let bmp = put(put(put(read("rgb.bmp"), 18, &little(60_000)), 22, &little(60_000)), 30, &little(1));
    let tiff = [b"II*\0\x08\0\0\0\x02\0".to_vec(), entry(256, 60_000), entry(257, 60_000), vec![0; 4]].concat();
    let webp = put(read("alpha.webp"), 24, &[0xFF; 6]);
    for (name, bytes) in
        [("png", png), ("bmp", bmp), ("tiff", tiff), ("webp", webp), ("ppm", b"P6 60000 60000 255\n".to_vec())]
    {
        let error = Image::decode(bytes, Path::new("bomb"), &PixelOptions::default()).expect_err(name).to_string();
        assert!(error.contains("pixels are more than the limit of 178956970"), "{name}: {error}");
    }
}

fn entry(tag: u16, value: u32) -> Vec<u8> {
    [&tag.to_le_bytes()[..], &4u16.to_le_bytes(), &little(1), &little(value)].concat()
}

/// PNG's, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

#[test]
fn formats_that_are_not_understood_are_refused_whatever_opencv_was_built_with() {
    let vrt = b"<VRTDataset rasterXSize=\"2\" rasterYSize=\"2\"><VRTRasterBand/></VRTDataset>";
    let convert = |what: &str| format!("it is {what}, named .jpg, which is not supported; convert it to JPEG or PNG");
    for (bytes, reason) in [
        (&b"\x76\x2F\x31\x01exr"[..], convert("an OpenEXR image")),
        (b"#?RADIANCE\n", convert("a Radiance image")),
        (b"\0\0\0\x20ftypavif\0\0\0\0mif1", convert("an AVIF image")),
        (b"8BPS\0\x01", convert("a Photoshop document")),
        (vrt, "it is not an image in a supported format".to_owned()),
    ] {
        let error = Image::decode(bytes.to_vec(), Path::new("a.jpg"), &PixelOptions::default()).expect_err("refused");
        assert_eq!(error.to_string(), format!("cannot read a.jpg: {reason}"));
    }
}
