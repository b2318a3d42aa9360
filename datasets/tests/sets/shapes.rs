//! The synthetic set: read by the readers, the same for the same seed, complete or absent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use datasets::shapes::{self, Outcome, ShapesOptions};
use datasets::voc::{self, Classes};
use datasets::{Error, Image, Orientation, PixelOptions, coco, folder, segmentation};

fn small(seed: u64) -> ShapesOptions {
    ShapesOptions { seed, train: 6, val: 3, classify_train: 1, classify_val: 1, ..ShapesOptions::default() }
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).expect("inside").to_path_buf(), fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, seed| {
        let root = folder.path().join(name);
        assert_eq!(shapes::write(&root, &small(seed)).expect("written"), Outcome::Written);
        files(&root)
    };
    let (first, again, other) = (write("a/first", 3), write("again", 3), write("other", 4));
    assert_eq!(first, again);
    assert_eq!(first.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    assert_ne!(first[Path::new("JPEGImages/000001.jpg")], other[Path::new("JPEGImages/000001.jpg")]);
    assert_ne!(first[Path::new("JPEGImages/000001.jpg")], first[Path::new("JPEGImages/000002.jpg")]);
}

#[test]
fn coco_and_voc_readers_agree_on_it_without_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("set");
    shapes::write(&root, &small(0)).expect("written");
    for (split, count) in [("train", 6), ("val", 3)] {
        let json = root.join(format!("coco/instances_{split}.json"));
        let from_coco = coco::read(&root.join("JPEGImages"), &json).expect("valid JSON");
        let from_voc = voc::read(&root, split, Classes::Given(&shapes::classes())).expect("a valid devkit");
        assert_eq!(from_coco.classes, from_voc.classes);
        assert_eq!(from_coco.records.len(), count);
        assert!(from_coco.findings.is_empty() && from_voc.findings.is_empty());
        for (one, other) in from_coco.records.iter().zip(&from_voc.records) {
            assert_eq!((&one.file, one.size()), (&other.file, other.size()));
            assert_eq!(Image::measure(&one.file, Orientation::default()).expect("a complete file"), one.size());
            assert!((1..=4).contains(&one.objects.len()));
            for (a, b) in one.objects.iter().zip(&other.objects) {
                assert_eq!((a.class, a.bbox), (b.class, b.bbox));
                assert!(a.area > 0.25 * a.bbox[2] * a.bbox[3] && a.area <= a.bbox[2] * a.bbox[3]);
                assert!(a.bbox[2].min(a.bbox[3]) >= 0.1 * one.height.min(one.width) as f64, "{:?}", a.bbox);
            }
        }
    }
}

#[test]
fn masks_hold_classes_inside_the_boxes_and_void_on_outlines() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("set");
    shapes::write(&root, &small(1)).expect("written");
    let set = coco::read(&root.join("JPEGImages"), &root.join("coco/instances_train.json")).expect("valid JSON");
    for record in &set.records {
        let name = record.file.file_stem().expect("a name");
        let file = fs::File::open(root.join("SegmentationClass").join(name).with_extension("png")).expect("a mask");
        let mut decoder = png::Decoder::new(std::io::BufReader::new(file));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().expect("a PNG");
        assert_eq!(reader.info().color_type, png::ColorType::Indexed);
        assert_eq!(&reader.info().palette.as_ref().expect("a palette")[..9], [0, 0, 0, 128, 0, 0, 0, 128, 0]);
        let mut labels = vec![0; record.width * record.height];
        reader.next_frame(&mut labels).expect("pixels");
        for (place, &label) in labels.iter().enumerate() {
            let (x, y) = ((place % record.width) as f64, (place / record.width) as f64);
            let holds = |margin: f64, class: Option<usize>| {
                record.objects.iter().any(|object| {
                    let [left, top, width, height] = object.bbox;
                    let inside = x >= left - margin
                        && x < left + width + margin
                        && y >= top - margin
                        && y < top + height + margin;
                    inside && class.is_none_or(|class| class == object.class)
                })
            };
            match label {
                0 => {}
                255 => assert!(holds(3.0, None), "void at {x}, {y}"),
                label => assert!(holds(0.0, Some(usize::from(label) - 1)), "label {label} at {x}, {y}"),
            }
        }
        for object in &record.objects {
            let count = labels.iter().filter(|&&label| usize::from(label) == object.class + 1).count();
            assert!(count as f64 > 0.3 * object.area, "class {} has {count} pixels of {}", object.class, object.area);
        }
    }
}

#[test]
fn class_folders_have_one_image_of_each_class() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("set");
    shapes::write(&root, &small(1)).expect("written");
    for split in ["train", "val"] {
        for class in shapes::classes() {
            let path = root.join("classify").join(split).join(class).join("0000.jpg");
            let size = Image::read(&path, &PixelOptions::default()).expect("a complete file").size();
            assert!((280..=360).contains(&size.width) && (210..=270).contains(&size.height), "{size}");
        }
    }
}

#[test]
fn segmentation_and_classification_readers_read_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("set");
    shapes::write(&root, &small(2)).expect("written");
    let classes = shapes::classes();
    for (split, count) in [("train", 6), ("val", 3)] {
        let set = segmentation::voc::read(&root, split, Some(&classes)).expect("a valid devkit");
        assert_eq!((set.records.len(), set.classes.len(), set.classes[0].name.as_str()), (count, 6, "background"));
        for (index, record) in set.records.iter().enumerate() {
            let mask = set.mask(index, Orientation::default()).expect("ids of the class list");
            assert_eq!(mask.size(), Image::measure(&record.image, Orientation::default()).expect("a complete file"));
            assert!(mask.data.contains(&0) && mask.data.contains(&255));
            assert!(mask.data.iter().any(|class| (1..=5).contains(class)));
        }
        let pictures = folder::read(&root.join("classify").join(split), Classes::Given(&classes));
        let pictures = pictures.expect("valid folders");
        assert_eq!(pictures.records.iter().map(|record| record.class).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(pictures.findings.is_empty());
    }
}

#[test]
fn a_complete_set_is_kept_and_other_content_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("set");
    fs::create_dir(&root).expect("an empty folder");
    assert_eq!(shapes::write(&root, &small(0)).expect("written"), Outcome::Written);
    assert_eq!(shapes::write(&root, &small(0)).expect("present"), Outcome::Present);
    let error = shapes::write(&root, &small(9)).expect_err("other options").to_string();
    assert!(error.ends_with("set: it already exists and contains a set with other options"), "{error}");
    let other = folder.path().join("other");
    fs::create_dir(&other).expect("a folder");
    fs::write(other.join("thesis.tex"), "years of work").expect("written");
    assert!(matches!(shapes::write(&other, &small(0)), Err(Error::Occupied { .. })));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "something was left aside");
}

#[test]
fn an_interrupted_write_is_not_taken_for_a_complete_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("set");
    shapes::write(&root, &small(0)).expect("written");
    fs::remove_file(root.join("shapes.json")).expect("removed");
    assert!(matches!(shapes::write(&root, &small(0)), Err(Error::Occupied { .. })));
}

#[test]
fn options_out_of_range_are_refused() {
    let refused = |options: ShapesOptions| {
        shapes::write(Path::new("/nonexistent/set"), &options).expect_err("out of range").to_string()
    };
    assert_eq!(refused(ShapesOptions { train: 0, ..small(0) }), "train is 0 instead of 1 image or more");
    assert!(refused(ShapesOptions { diameter: [0.01, 0.5], ..small(0) }).starts_with("diameter is [0.01, 0.5]"));
    assert!(refused(ShapesOptions { objects: [3, 2], ..small(0) }).starts_with("objects is [3, 2]"));
    assert!(refused(ShapesOptions { width: 5, ..small(0) }).starts_with("width is 5"));
}
