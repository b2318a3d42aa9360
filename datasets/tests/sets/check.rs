//! The check of a complete set: every kind of finding is reported with its place, and none stops the check.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use datasets::check::{CheckFinding, Kind, Severity, check};
use datasets::segmentation::pairs::{self, PairOptions};
use datasets::voc::{self, Classes};
use datasets::{
    CheckOptions, CheckReport, Checked, Encoding, Image, Mask, Orientation, PixelOptions, Size, Split, coco, folder,
    voc_palette,
};
use png::{BitDepth, ColorType};
use tempfile::TempDir;

use crate::files::{self, png, voc_annotation, voc_object, write};

const SIZE: Size = Size { height: 40, width: 60 };

fn jpeg(level: u8) -> Vec<u8> {
    files::jpeg(SIZE, [level, 0, 9])
}

fn run(splits: &[Split]) -> CheckReport {
    check(splits, &CheckOptions { threads: 2, ..CheckOptions::default() }, &|_, _| {}).expect("valid options")
}

fn kinds(report: &CheckReport) -> BTreeMap<Kind, usize> {
    report.kinds.iter().map(|met| (met.kind, met.count)).collect()
}

/// The findings of a kind as split, file name, place and sentence.
fn findings(report: &CheckReport, kind: Kind) -> Vec<(String, String, Option<String>, String)> {
    let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fields = |finding: &CheckFinding| {
        (finding.split.clone(), name(&finding.file), finding.place.clone(), finding.sentence.clone())
    };
    report.findings.iter().filter(|finding| finding.kind == kind).map(fields).collect()
}

fn coco_split(root: &Path, name: &str, images: &str, annotations: &str) -> Split {
    let categories = r#"[{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]"#;
    let text = format!(r#"{{"images": [{images}], "annotations": [{annotations}], "categories": {categories}}}"#);
    let file = write(root, &format!("{name}.json"), text.as_bytes());
    Split::read(name, |on_error| coco::read_with(root, &file, Orientation::default(), on_error).map(Checked::Detection))
}

fn image(id: usize, name: &str) -> String {
    format!(r#"{{"id": {id}, "file_name": "{name}", "width": 60, "height": 40}}"#)
}

fn annotation(id: usize, image: usize, category: usize, bbox: &str) -> String {
    format!(r#"{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": {bbox}, "area": 50}}"#)
}

#[test]
fn a_valid_set_has_no_findings_and_its_numbers() {
    let root = tempfile::tempdir().expect("a folder");
    let mut bytes = 0;
    for level in 0..3 {
        bytes += jpeg(level * 50).len() as u64;
        write(root.path(), &format!("{level}.jpg"), &jpeg(level * 50));
    }
    let images = [0, 1, 2].map(|id| image(id, &format!("{id}.jpg"))).join(",");
    let boxes = [(1, 0, 1, 6), (2, 0, 1, 7), (3, 1, 2, 6), (4, 2, 1, 6)];
    let annotations =
        boxes.map(|(id, image, class, left)| annotation(id, image, class, &format!("[{left}, 4, 12, 10]"))).join(",");
    let report = run(&[coco_split(root.path(), "train", &images, &annotations)]);
    assert!(report.findings.is_empty() && !report.has_errors(), "{:?}", report.findings);
    let split = &report.splits[0];
    assert_eq!((split.images, split.decoded, split.bytes), (3, 3, bytes));
    let counts: Vec<_> =
        split.classes.iter().map(|class| (class.name.as_str(), class.images, class.instances)).collect();
    assert_eq!(counts, [("cat", 2, 3), ("dog", 1, 1)]);
    let boxes = split.box_sizes.as_ref().expect("boxes");
    assert_eq!((boxes.small, boxes.medium, boxes.large), (4, 0, 0));
    assert!(boxes.relative_area.iter().all(|share| (share - 0.05).abs() < 1e-7));
    let json = serde_json::to_string(&report).expect("serialisable");
    assert_eq!(serde_json::from_str::<CheckReport>(&json).expect("readable"), report);
}

#[test]
fn every_problem_of_a_detection_set_is_found_and_the_other_split_is_checked_too() {
    let root = tempfile::tempdir().expect("a folder");
    let at = root.path();
    write(at, "valid.jpg", &jpeg(10));
    write(at, "cut.jpg", &jpeg(20)[..300]);
    write(at, "cut.png", &Image::filled(SIZE, [30; 3]).encode(Encoding::Png).expect("encoded")[..60]);
    write(at, "small.jpg", &files::jpeg(Size { height: 20, width: 30 }, [1; 3]));
    write(at, "really.png", &jpeg(40));
    write(at, "copy.jpg", &jpeg(10));
    write(at, "val.jpg", &jpeg(90));
    let names = ["valid.jpg", "cut.jpg", "cut.png", "small.jpg", "really.png", "copy.jpg", "none.jpg", "../out.jpg"];
    let mut images: Vec<String> = names.iter().enumerate().map(|(id, name)| image(id, name)).collect();
    images.push(image(0, "again.jpg"));
    let annotations = [
        annotation(1, 0, 1, "[50, 30, 20, 5]"),
        annotation(2, 0, 1, "[70, 30, 20, 5]"),
        annotation(3, 0, 1, "[5, 5, 0, 5]"),
        annotation(4, 0, 7, "[5, 5, 5, 5]"),
        annotation(5, 99, 1, "[5, 5, 5, 5]"),
        annotation(1, 0, 1, "[5, 5, 5, 5]"),
        annotation(6, 0, 1, "[5, 5, 5]"),
        annotation(7, 7, 1, "[5, 5, 5, 5]"),
        annotation(8, 3, 2, "[1, 1, 9, 9]"),
    ];
    let train = coco_split(at, "train", &images.join(","), &annotations.join(","));
    let val = coco_split(
        at,
        "val",
        &[image(1, "val.jpg"), image(2, "valid.jpg")].join(","),
        &[annotation(1, 1, 1, "[1, 1, 5, 5]"), annotation(2, 2, 2, "[1, 1, 5, 5]")].join(","),
    );
    let report = run(&[train, val]);
    let expected = BTreeMap::from([
        (Kind::Annotation, 5),
        (Kind::RepeatedAnnotation, 1),
        (Kind::Missing, 1),
        (Kind::Unreadable, 2),
        (Kind::SizeMismatch, 1),
        (Kind::SharedImage, 1),
        (Kind::Copy, 1),
        (Kind::BoxBeyondFrame, 1),
        (Kind::BoxOutsideFrame, 1),
        (Kind::BoxWithoutArea, 1),
        (Kind::WrongExtension, 1),
        (Kind::ImageWithoutObjects, 5),
    ]);
    assert_eq!(kinds(&report), expected, "{:#?}", report.findings);
    assert!(report.has_errors());
    let sentences = findings(&report, Kind::Annotation).into_iter().map(|(_, _, _, words)| words).collect::<Vec<_>>();
    let ends = [
        "annotation 6 (the 7th), image 0: bbox has 3 numbers instead of 4",
        "image 0 (the 9th): id is that of an earlier image, which is another",
        "image 7 (the 8th): file_name is \"../out.jpg\", which leaves the image folder",
        "annotation 4 (the 4th), image 0: category_id is 7, which is not the id of a category in the file",
        "annotation 5 (the 5th), image 99: image_id is not the id of an image in the file",
    ];
    assert!(sentences.iter().zip(ends).all(|(words, end)| words.ends_with(end)), "{sentences:#?}");
    assert_eq!(
        findings(&report, Kind::BoxOutsideFrame),
        [(
            "train".to_owned(),
            "valid.jpg".to_owned(),
            Some("object 2 (cat)".to_owned()),
            "the box is outside the image and is left out of training: left 70, top 30, 20 wide, 5 high, in 60x40"
                .to_owned()
        )]
    );
    let files = |kind| findings(&report, kind).into_iter().map(|(split, file, ..)| (split, file)).collect::<Vec<_>>();
    let pair = |split: &str, file: &str| (split.to_owned(), file.to_owned());
    assert_eq!(files(Kind::Unreadable), [pair("train", "cut.jpg"), pair("train", "cut.png")]);
    assert_eq!(files(Kind::Missing), [pair("train", "none.jpg")]);
    assert_eq!(files(Kind::Copy), [pair("train", "copy.jpg")]);
    assert_eq!(files(Kind::SharedImage), [pair("val", "valid.jpg")]);
    assert_eq!((report.splits[0].images, report.splits[0].decoded, report.splits[1].decoded), (7, 4, 2));
}

#[test]
fn a_split_that_cannot_be_read_at_all_is_a_finding_and_the_other_is_checked() {
    let root = tempfile::tempdir().expect("a folder");
    write(root.path(), "a.jpg", &jpeg(1));
    let file = write(root.path(), "cut.json", b"{\"images\": [");
    let train = Split::read("train", |fault| {
        coco::read_with(root.path(), &file, Orientation::default(), fault).map(Checked::Detection)
    });
    let val = coco_split(root.path(), "val", &image(1, "a.jpg"), &annotation(1, 1, 1, "[1, 1, 5, 5]"));
    let report = run(&[train, val]);
    assert_eq!(kinds(&report), BTreeMap::from([(Kind::Split, 1), (Kind::ClassWithoutObjects, 1)]));
    let words = &report.findings[0].sentence;
    assert!(words.contains("cut.json:1:12: the JSON is cut short"), "{words}");
    assert_eq!((report.splits[0].images, report.splits[1].decoded), (0, 1));
}

/// A VOC devkit of four images, three of whose files are broken.
fn broken_devkit() -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let xml = voc_annotation(&voc_object("dog", ["1", "1", "9", "9"], ""));
    for (name, level) in [("a", 1), ("b", 2), ("c", 3)] {
        write(root.path(), &format!("JPEGImages/{name}.jpg"), &jpeg(level * 40));
        write(root.path(), &format!("Annotations/{name}.xml"), if name == "b" { b"" } else { xml.as_bytes() });
    }
    write(root.path(), "Annotations/d.xml", xml.as_bytes());
    write(root.path(), "JPEGImages/c.jpg", &jpeg(120)[..400]);
    write(root.path(), "ImageSets/Main/train.txt", b"a\nb\nc\nd\na\n../../x\n");
    root
}

#[test]
fn a_devkit_with_an_empty_annotation_a_missing_and_a_cut_image_is_read_to_the_end() {
    let root = broken_devkit();
    let read = |on_error: datasets::ErrorHandler<'_>| {
        voc::read_with(&voc::Layout::devkit(root.path(), "train"), Classes::Collected, Orientation::default(), on_error)
            .map(Checked::Detection)
    };
    let report = run(&[Split::read("train", read)]);
    let expected = BTreeMap::from([(Kind::Annotation, 3), (Kind::Missing, 1), (Kind::Unreadable, 1)]);
    assert_eq!(kinds(&report), expected, "{:#?}", report.findings);
    let files: Vec<_> = report.findings.iter().map(|finding| finding.file.file_name().expect("a name")).collect();
    assert_eq!(files, ["train.txt", "train.txt", "b.xml", "d", "c.jpg"]);
    assert_eq!((report.splits[0].images, report.splits[0].decoded), (2, 1));
}

#[test]
fn masks_of_another_size_with_unknown_ids_or_nothing_to_learn_are_found() {
    let root = tempfile::tempdir().expect("a folder");
    let mask = |size, class| Mask::filled(size, class).encode(&voc_palette()).expect("encoded");
    let masks = [
        ("fits", mask(SIZE, 1)),
        ("other", mask(Size { height: 40, width: 61 }, 0)),
        ("unknown", mask(SIZE, 9)),
        ("void", mask(SIZE, 255)),
        ("words", b"words".to_vec()),
    ];
    for (level, (name, mask)) in (0u8..).zip(&masks) {
        write(root.path(), &format!("images/{name}.jpg"), &jpeg(level * 30));
        write(root.path(), &format!("masks/{name}.png"), mask);
    }
    write(root.path(), "images/alone.jpg", &jpeg(200));
    let options = PairOptions { classes: ["sky", "road"].map(str::to_owned).to_vec(), ..PairOptions::default() };
    let (images, masks) = (root.path().join("images"), root.path().join("masks"));
    let split = Split::read("val", |on_error| {
        pairs::read_with(&images, &masks, None, &options, on_error).map(Checked::Segmentation)
    });
    let report = run(&[split]);
    let expected = BTreeMap::from([
        (Kind::Annotation, 1),
        (Kind::MaskSize, 1),
        (Kind::MaskId, 1),
        (Kind::MaskWithoutLabels, 1),
        (Kind::Unreadable, 1),
    ]);
    assert_eq!(kinds(&report), expected, "{:#?}", report.findings);
    let (_, file, _, words) = &findings(&report, Kind::MaskId)[0];
    assert!(file == "unknown.png" && words.contains("id 9 at pixel (0, 0)"), "{words}");
    let counts: Vec<_> = report.splits[0].classes.iter().map(|class| (class.images, class.instances)).collect();
    assert_eq!(counts, [(1, 40 * 61), (1, 40 * 60)]);
}

#[test]
fn copies_under_another_class_and_classes_of_another_order_are_errors() {
    let root = tempfile::tempdir().expect("a folder");
    for (name, level) in [("train/a/1.jpg", 1), ("train/b/2.jpg", 1), ("train/b/3.jpg", 80), ("val/b/4.jpg", 200)] {
        write(root.path(), name, &jpeg(level));
    }
    write(root.path(), "val/b/notes.txt", b"words");
    let split = |name: &str| {
        Split::read(name, |_| folder::read(&root.path().join(name), Classes::Collected).map(Checked::Classification))
    };
    let report = run(&[split("train"), split("val")]);
    let expected = BTreeMap::from([(Kind::ClassesDiffer, 1), (Kind::ContradictoryCopy, 1), (Kind::NotAnImage, 1)]);
    assert_eq!(kinds(&report), expected, "{:#?}", report.findings);
    let words = &findings(&report, Kind::ClassesDiffer)[0].3;
    assert_eq!(words, "class 0 is \"b\" (id 0) here and \"a\" (id 0) in train");
    assert_eq!(report.total(Severity::Error), 2);
}

#[test]
fn grey_deep_transparent_rotated_and_cmyk_images_are_counted() {
    let root = tempfile::tempdir().expect("a folder");
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let plain = jpeg(30);
    let turned = [&plain[..2], &[0xFF, 0xE1, 0, exif.len() as u8 + 2], exif, &plain[2..]].concat();
    let small_png = |colour, depth, bytes| png(Size { height: 2, width: 4 }, colour, depth, &vec![7; bytes]);
    let files = [
        ("a/grey.png", small_png(ColorType::Grayscale, BitDepth::Eight, 8)),
        ("a/deep.png", small_png(ColorType::Rgb, BitDepth::Sixteen, 48)),
        ("a/alpha.png", small_png(ColorType::Rgba, BitDepth::Eight, 32)),
        ("a/turned.jpg", turned),
        ("a/cmyk.jpg", include_bytes!("../golden/formats/cmyk.jpg").to_vec()),
        ("a/moving.webp", include_bytes!("../golden/formats/animated.webp").to_vec()),
    ];
    for (name, content) in &files {
        write(root.path(), name, content);
    }
    let read =
        |_: datasets::ErrorHandler<'_>| folder::read(root.path(), Classes::Collected).map(Checked::Classification);
    let pixels = PixelOptions { orientation: Orientation::Stored, ..PixelOptions::default() };
    let options = CheckOptions { pixels, ..CheckOptions::default() };
    let report = check(&[Split::read("train", read)], &options, &|_, _| {}).expect("valid options");
    let facts = report.splits[0].facts;
    let counts = [facts.grey, facts.deep, facts.alpha, facts.turned, facts.cmyk, facts.animated];
    assert_eq!(counts, [1, 1, 1, 1, 1, 1], "{:#?}", report.findings);
    for (kind, file) in [(Kind::Turned, "turned.jpg"), (Kind::Cmyk, "cmyk.jpg"), (Kind::Deep, "deep.png")] {
        let found = findings(&report, kind);
        assert_eq!((found.len(), found[0].1.as_str()), (1, file));
    }
}

#[test]
fn a_kind_is_listed_up_to_its_limit_and_then_only_counted_in_a_fixed_order() {
    let root = tempfile::tempdir().expect("a folder");
    let images: Vec<String> = (0..600).map(|id| image(id, &format!("{id}.jpg"))).collect();
    let split = coco_split(root.path(), "train", &images.join(","), "");
    let done = AtomicUsize::new(0);
    let run = |threads| {
        let options = CheckOptions { threads, findings_per_kind: 7, ..CheckOptions::default() };
        let progress = |_: usize, total: usize| {
            assert_eq!(total, 600);
            done.fetch_add(1, Ordering::SeqCst);
        };
        check(std::slice::from_ref(&split), &options, &progress).expect("valid options")
    };
    let report = run(1);
    assert_eq!(done.load(Ordering::SeqCst), 600);
    let missing = report.kinds.iter().find(|met| met.kind == Kind::Missing).expect("missing images");
    assert_eq!((missing.count, missing.listed, findings(&report, Kind::Missing).len()), (600, 7, 7));
    assert_eq!(run(4), report);
    let refused =
        check(&[], &CheckOptions { findings_per_kind: 0, ..CheckOptions::default() }, &|_, _| {}).expect_err("no room");
    assert_eq!(refused.to_string(), "findings_per_kind is 0 instead of 1 to 1000");
}
