//! What is known of a set before training: headers, and what annotations and masks show as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::segmentation::pairs::{self, PairOptions};
use datasets::survey::{Surveyed, survey};
use datasets::{
    Classes, DetectionDataset, DetectionSet, Encoding, Error, FindingKind, Findings, Image, Orientation, PixelOptions,
    SegmentationSet, Size, TargetOptions, coco, folder,
};
use png::{BitDepth, ColorType};
use tempfile::TempDir;

use crate::files::{jpeg, png, write};

const IMAGE: Size = Size { height: 40, width: 60 };

/// A JPEG of [`IMAGE`]'s size with this EXIF orientation.
fn turned(orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    let plain = jpeg(IMAGE, [90; 3]);
    let mut bytes = plain[..2].to_vec();
    bytes.extend_from_slice(&[0xFF, 0xE1]);
    bytes.extend_from_slice(&(exif.len() as u16 + 2).to_be_bytes());
    bytes.extend_from_slice(&exif);
    bytes.extend_from_slice(&plain[2..]);
    bytes
}

/// Surveys a set and returns the errors.
fn surveyed<S: Surveyed>(set: &mut S, orientation: Orientation) -> Vec<String> {
    let pixels = PixelOptions { orientation, ..PixelOptions::default() };
    let mut errors = Vec::new();
    let unusable = survey(
        set,
        &pixels,
        &mut |error: Error| {
            errors.push(error.to_string());
            Ok(())
        },
        &|| (),
    );
    set.leave_out(&unusable.expect("nothing stops"));
    errors
}

/// A COCO set of one image of a stated size, with these boxes.
fn boxes(root: &Path, image: &[u8], [width, height]: [usize; 2], boxes: &[[f64; 4]]) -> DetectionSet {
    write(root, "a.jpg", image);
    let annotations: Vec<String> = boxes
        .iter()
        .enumerate()
        .map(|(id, bbox)| format!(r#"{{"id": {id}, "image_id": 1, "category_id": 1, "bbox": {bbox:?}}}"#))
        .collect();
    let text = format!(
        r#"{{"images": [{{"id": 1, "file_name": "a.jpg", "width": {width}, "height": {height}}}],
            "annotations": [{}], "categories": [{{"id": 1, "name": "cup"}}, {{"id": 2, "name": "Cup"}}]}}"#,
        annotations.join(",")
    );
    let file = write(root, "a.json", text.as_bytes());
    coco::read(root, &file).expect("a set")
}

fn root() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn turned_images_are_recognised_by_the_stated_size_and_half_turns_are_said() {
    let upright_box = [[5.0, 45.0, 10.0, 10.0]];
    for (orientation, stated, policy, kind) in [
        (6, [40, 60], Orientation::Upright, None),
        (6, [60, 40], Orientation::Upright, Some(FindingKind::AnnotatedAsStored)),
        (6, [60, 40], Orientation::Stored, None),
        (3, [60, 40], Orientation::Upright, Some(FindingKind::TurnedUnseen)),
        (3, [60, 40], Orientation::Stored, None),
        (1, [60, 40], Orientation::Upright, None),
    ] {
        let root = root();
        let inside = if stated[0] == 40 { upright_box } else { [[5.0, 5.0, 10.0, 10.0]] };
        let mut set = boxes(root.path(), &turned(orientation), stated, &inside);
        let errors = surveyed(&mut set, policy);
        assert!(errors.is_empty(), "{orientation} {stated:?} {policy:?}: {errors:?}");
        for found in [FindingKind::AnnotatedAsStored, FindingKind::TurnedUnseen] {
            let count = usize::from(kind == Some(found));
            assert_eq!(set.findings.count(found), count, "{orientation} {stated:?} {policy:?}: {}", set.findings);
        }
    }
}

#[test]
fn sizes_that_contradict_the_image_are_swapped_where_the_boxes_say_so_or_refused() {
    let root = root();
    let mut set = boxes(root.path(), &jpeg(IMAGE, [9; 3]), [40, 60], &[[45.0, 5.0, 10.0, 10.0]]);
    assert_eq!(surveyed(&mut set, Orientation::Upright), [""; 0]);
    assert_eq!((set.records[0].size(), set.findings.count(FindingKind::SizeSwapped)), (IMAGE, 1));
    let mut other = boxes(root.path(), &jpeg(IMAGE, [9; 3]), [41, 60], &[[5.0, 5.0, 10.0, 10.0]]);
    let errors = surveyed(&mut other, Orientation::Upright);
    assert!(errors.len() == 1 && errors[0].contains("60x40 pixels") && errors[0].contains("41x60"), "{errors:?}");
    assert!(other.records.is_empty());
    let mut turned = boxes(root.path(), &turned(6), [41, 60], &[[5.0, 5.0, 10.0, 10.0]]);
    let errors = surveyed(&mut turned, Orientation::Stored);
    assert!(errors[0].contains("EXIF") && errors[0].contains("data.orientation"), "{errors:?}");
}

#[test]
fn missing_images_are_named_with_those_that_are_like_them() {
    let root = root();
    let mut set = boxes(root.path(), &jpeg(IMAGE, [9; 3]), [60, 40], &[[5.0, 5.0, 10.0, 10.0]]);
    std::fs::rename(root.path().join("a.jpg"), root.path().join("ab.jpg")).expect("renamed");
    let errors = surveyed(&mut set, Orientation::Upright);
    assert!(errors.len() == 1 && errors[0].starts_with("cannot find ") && errors[0].contains("ab.jpg"), "{errors:?}");
}

#[test]
fn boxes_that_are_no_pixels_no_sizes_or_given_twice_are_found() {
    let found = |kind, list: &[[f64; 4]]| {
        let root = root();
        let mut set = boxes(root.path(), &jpeg(IMAGE, [9; 3]), [60, 40], list);
        surveyed(&mut set, Orientation::Upright);
        assert_eq!(set.findings.count(FindingKind::ClassWithoutObjects), 1);
        assert_eq!(set.findings.count(FindingKind::ClassesAlike), 1);
        set.findings.count(kind)
    };
    let relative = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.2, 0.2]];
    assert_eq!(found(FindingKind::BoxesRelative, &relative), 1);
    let corners = [[30.0, 20.0, 50.0, 35.0], [20.0, 10.0, 55.0, 38.0]];
    assert_eq!(found(FindingKind::BoxesAsCorners, &corners), 1);
    let sound = [[5.0, 5.0, 20.0, 20.0], [30.0, 10.0, 20.0, 20.0], [30.0, 10.0, 20.0, 20.0]];
    assert_eq!(found(FindingKind::BoxGivenTwice, &sound), 1);
    for kind in [FindingKind::BoxesRelative, FindingKind::BoxesAsCorners, FindingKind::BoxesBelowPixel] {
        assert_eq!(found(kind, &sound), 0, "{kind:?}");
    }
}

#[test]
fn a_set_without_targets_says_why_and_crowds_can_be_kept() {
    let root = root();
    let set = |crowd: u8| {
        let mut set = boxes(root.path(), &jpeg(IMAGE, [9; 3]), [60, 40], &[[5.0, 5.0, 10.0, 10.0]]);
        set.records[0].objects[0].crowd = crowd == 1;
        set
    };
    let train = |set: DetectionSet, options| {
        DetectionDataset::for_training(set.into(), IMAGE, Default::default(), options, PixelOptions::default())
    };
    let error = train(set(1), TargetOptions::default()).expect_err("no targets").to_string();
    assert!(error.contains("crowds (iscrowd 1)") && error.contains("keep_crowds"), "{error}");
    train(set(1), TargetOptions { keep_crowds: true, ..TargetOptions::default() }).expect("a crowd to train on");
}

#[test]
fn images_of_few_bits_in_sixteen_are_found_and_depth_scales_them() {
    let root = root();
    let levels: Vec<u8> = (0..64u16).flat_map(|level| (level * 16).to_be_bytes()).collect();
    let size = Size { height: 8, width: 8 };
    write(root.path(), "cup/1.png", &png(size, ColorType::Grayscale, BitDepth::Sixteen, &levels));
    write(root.path(), "plate/1.png", &png(size, ColorType::Grayscale, BitDepth::Sixteen, &levels));
    let mut set = folder::read(root.path(), Classes::Collected).expect("a set");
    surveyed(&mut set, Orientation::Upright);
    assert_eq!(set.findings.count(FindingKind::NearlyBlack), 2);
    let pixels = PixelOptions { depth: datasets::Depth::Bits(10), ..PixelOptions::default() };
    let image = Image::read(&set.records[0].file, &pixels).expect("an image");
    assert!(image.data.iter().any(|&level| level > 240), "{:?}", image.data.iter().max());
}

fn masks(root: &Path, options: &PairOptions) -> SegmentationSet {
    let image = Image::filled(Size { height: 2, width: 2 }, [9; 3]).encode(Encoding::Png).expect("a PNG");
    write(root, "images/1.png", &image);
    pairs::read(&root.join("images"), &root.join("masks"), options).expect("pairs")
}

fn options(classes: &[&str]) -> PairOptions {
    PairOptions { classes: classes.iter().map(|name| (*name).to_owned()).collect(), ..PairOptions::default() }
}

#[test]
fn a_drawing_in_black_and_white_is_found_before_training() {
    let root = root();
    let size = Size { height: 2, width: 2 };
    write(root.path(), "masks/1.png", &png(size, ColorType::Grayscale, BitDepth::Eight, &[0, 0, 0, 255]));
    let mut set = masks(root.path(), &options(&["ground", "cup"]));
    surveyed(&mut set, Orientation::Upright);
    let said = set.findings.to_string();
    assert_eq!(set.findings.count(FindingKind::PixelsIgnored), 1, "{said}");
    assert!(said.contains("25 % of the pixels of 1 masks are 255") && said.contains("(cup)"), "{said}");
    let ids = BTreeMap::from([(0, 0), (255, 1)]);
    let mut set = masks(root.path(), &PairOptions { ids, ignore: 254, ..options(&["ground", "cup"]) });
    surveyed(&mut set, Orientation::Upright);
    assert_eq!(set.findings, Findings::default());
    assert_eq!(set.mask(0, Orientation::Upright).expect("a mask").data, [0, 0, 0, 1]);
    assert_eq!(set.ignoring_as(255).mask(0, Orientation::Upright).expect("a mask").data, [0, 0, 0, 1]);
}

#[test]
fn colours_of_masks_are_classes_by_the_configuration_a_label_map_or_voc() {
    let size = Size { height: 2, width: 2 };
    let coloured = |colours: [[u8; 3]; 4]| png(size, ColorType::Rgb, BitDepth::Eight, &colours.concat());
    let read =
        |root: &Path, options: &PairOptions| masks(root, options).mask(0, Orientation::Upright).map(|mask| mask.data);
    let [black, red, voc_red] = [[0; 3], [200, 10, 10], [128, 0, 0]];

    let given = root();
    write(given.path(), "masks/1.png", &coloured([black, red, red, black]));
    let colors = BTreeMap::from([("ground".to_owned(), black), ("cup".to_owned(), red)]);
    let with_colors = PairOptions { colors, ..options(&["ground", "cup"]) };
    assert_eq!(read(given.path(), &with_colors).expect("classes"), [0, 1, 1, 0]);
    let error = read(given.path(), &options(&["ground", "cup"])).expect_err("no colours").to_string();
    assert!(error.contains("200, 10, 10 at pixel (1, 0)") && error.contains("options.colors"), "{error}");

    write(given.path(), "labelmap.txt", b"# label:color_rgb:parts:actions\nbackground:0,0,0::\ncup:200,10,10::\n");
    assert_eq!(read(given.path(), &options(&["ground", "cup"])).expect("a label map"), [0, 1, 1, 0]);
    write(given.path(), "labelmap.txt", b"cup\n");
    let error = pairs::read(&given.path().join("images"), &given.path().join("masks"), &options(&["a", "b"]));
    assert!(error.expect_err("no colour").to_string().contains("labelmap.txt:1: \"cup\" is not a name and a colour"));

    let voc = root();
    write(voc.path(), "masks/1.png", &coloured([black, voc_red, [224, 224, 192], black]));
    assert_eq!(read(voc.path(), &options(&["ground", "cup"])).expect("VOC's colours"), [0, 1, 255, 0]);
    let equal = root();
    write(equal.path(), "masks/1.png", &coloured([[0; 3], [1; 3], [1; 3], [0; 3]]));
    assert_eq!(read(equal.path(), &options(&["ground", "cup"])).expect("grey"), [0, 1, 1, 0]);
}
