//! A VOC devkit: what is read, what is found, what is refused.

use std::fs;
use std::path::Path;

use datasets::voc::{self, Classes};
use datasets::{DetectionSet, Error, FindingKind, Size};
use tempfile::TempDir;

use crate::files::{jpeg, voc_annotation as annotation, voc_object as object, write};

const IMAGE: Size = Size { height: 40, width: 60 };

/// A devkit of one image, `a`, with this list and annotation.
fn devkit(list: &str, xml: &str) -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    write(root.path(), "JPEGImages/a.jpg", &jpeg(IMAGE, [90; 3]));
    write(root.path(), "Annotations/a.xml", xml.as_bytes());
    write(root.path(), "ImageSets/Main/train.txt", list.as_bytes());
    root
}

fn read(list: &str, xml: &str) -> Result<DetectionSet, Error> {
    voc::read(devkit(list, xml).path(), "train", Classes::Collected)
}

fn problem(list: &str, xml: &str) -> String {
    let error = read(list, xml).expect_err("a broken devkit").to_string();
    let folders = ["Annotations/", "ImageSets/Main/"];
    let place = folders.iter().find_map(|folder| error.find(folder).map(|at| at + folder.len()));
    error[place.expect("the file is named")..].to_owned()
}

#[test]
fn boxes_are_counted_from_zero_with_the_last_pixel_inside() {
    let objects = object("dog", ["1", "1", "60", "40"], "") + &object("cat", ["10.5", "5", "20.5", "9"], "");
    let set = read("a\n", &annotation(&objects)).expect("a valid devkit");
    let record = &set.records[0];
    assert_eq!((record.image_id, record.size()), (1, IMAGE));
    assert_eq!(record.objects[0].bbox, [0.0, 0.0, 60.0, 40.0]);
    assert_eq!(record.objects[1].bbox, [9.5, 4.0, 11.0, 5.0]);
    assert_eq!(record.objects[1].area, 55.0);
    assert!(set.findings.is_empty(), "{}", set.findings);
}

#[test]
fn annotations_that_state_the_size_need_no_images() {
    let objects = object("dog", ["1", "1", "60", "40"], "");
    let root = devkit("a\nb.2\n", &annotation(&objects));
    write(root.path(), "Annotations/b.2.xml", annotation(&objects).as_bytes());
    fs::remove_dir_all(root.path().join("JPEGImages")).expect("removed");
    let error = voc::read(root.path(), "train", Classes::Collected).expect_err("no images").to_string();
    assert!(error.starts_with("cannot find "), "{error}");
    let set = voc::read_annotations(root.path(), "train", Classes::Collected).expect("sizes are stated");
    let stems: Vec<_> = set.records.iter().map(|record| record.file.file_stem().expect("a name")).collect();
    assert_eq!(stems, ["a", "b.2"]);
    assert!(set.records.iter().all(|record| record.size() == IMAGE && record.objects.len() == 1));
    for size in ["", "<size></size>", "<size><width>60</width><height>0</height></size>"] {
        let text = format!("<annotation>{size}{objects}</annotation>");
        write(root.path(), "Annotations/b.2.xml", text.as_bytes());
        let error = voc::read_annotations(root.path(), "train", Classes::Collected).expect_err(size).to_string();
        assert!(error.starts_with("cannot find ") && error.contains("b.2"), "{error}");
    }
}

#[test]
fn annotations_with_images_are_read_as_for_training() {
    let root = devkit("a", &annotation(&object("dog", ["1", "1", "9", "9"], "")));
    let both = [voc::read, voc::read_annotations]
        .map(|read| read(root.path(), "train", Classes::Collected).expect("a devkit"));
    assert_eq!(both[0].records, both[1].records);
    let text = format!("<annotation>{}</annotation>", object("dog", ["1", "1", "9", "9"], ""));
    write(root.path(), "Annotations/a.xml", text.as_bytes());
    let measured = voc::read_annotations(root.path(), "train", Classes::Collected).expect("the image has a size");
    assert_eq!(measured.records[0].size(), IMAGE);
}

#[test]
fn classes_are_collected_sorted_or_taken_as_given() {
    let objects = object("dog", ["1", "1", "9", "9"], "") + &object("cat", ["1", "1", "9", "9"], "");
    let root = devkit("a", &annotation(&objects));
    let names = |set: &DetectionSet| set.classes.iter().map(|class| (class.id, class.name.clone())).collect::<Vec<_>>();
    let collected = voc::read(root.path(), "train", Classes::Collected).expect("a valid devkit");
    assert_eq!(names(&collected), [(1, "cat".to_owned()), (2, "dog".to_owned())]);
    assert_eq!(collected.records[0].objects.iter().map(|object| object.class).collect::<Vec<_>>(), [1, 0]);
    let given = ["dog", "bird", "cat"].map(str::to_owned);
    let set = voc::read(root.path(), "train", Classes::Given(&given)).expect("a valid devkit");
    assert_eq!(set.records[0].objects.iter().map(|object| object.class).collect::<Vec<_>>(), [0, 2]);
    let error = voc::read(root.path(), "train", Classes::Given(&given[..2])).expect_err("no cat");
    assert!(error.to_string().ends_with("a.xml:4: class \"cat\" is not among the set's classes"), "{error}");
}

#[test]
fn difficult_objects_parts_and_coinciding_corners_are_read() {
    let part = "<difficult>1</difficult><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>";
    let objects =
        object("dog", ["1", "1", "9", "9"], part) + &object("dog", ["5", "7", "5", "7"], "<difficult>0</difficult>");
    let set = read("\u{feff}a\n\n", &annotation(&objects)).expect("a valid devkit");
    assert_eq!(set.records[0].objects.iter().map(|object| object.difficult).collect::<Vec<_>>(), [true, false]);
    assert_eq!(set.records[0].objects[1].bbox, [4.0, 6.0, 0.0, 0.0]);
    assert_eq!((set.findings.count(FindingKind::BoxWithoutArea), set.findings.count(FindingKind::Difficult)), (1, 1));
}

#[test]
fn a_size_that_is_missing_or_zero_is_measured() {
    let dog = object("dog", ["1", "1", "9", "9"], "");
    for size in ["", "<size/>", "<size><width>0</width><height>0</height></size>"] {
        let set = read("a", &format!("<annotation>{size}{dog}</annotation>")).expect("a valid devkit");
        assert_eq!(set.records[0].size(), IMAGE);
        assert_eq!(set.findings.count(FindingKind::SizeNotStated), 1);
    }
}

#[test]
fn wrong_fields_are_refused_with_file_and_line() {
    let with = |object: &str| problem("a", &annotation(object));
    assert_eq!(with(&object("dog", ["1", "x", "9", "9"], "")), "a.xml:3: <ymin> is \"x\", which is not a number");
    assert_eq!(with(&object("dog", ["1", "NaN", "9", "9"], "")), "a.xml:3: <ymin> is not finite");
    assert_eq!(with(&object("dog", ["1", "", "9", "9"], "")), "a.xml:3: <ymin> is empty");
    assert_eq!(with("<object><name>dog</name></object>"), "a.xml:3: the object has no <bndbox>");
    assert_eq!(with("\n<object><bndbox/></object>"), "a.xml:4: <object> has no <name>");
    assert_eq!(with("<object><name>dog</name><bndbox/></object>"), "a.xml:3: <bndbox> has no <xmin>");
}

#[test]
fn malformed_xml_and_declared_entities_are_refused() {
    let error = problem("a", "<annotation>\n<size></annotation>");
    assert!(error.starts_with("a.xml:2: expected 'size' tag, not 'annotation'"), "{error}");
    let bomb = "<!DOCTYPE a [<!ENTITY b \"b\">]>\n<annotation>&b;</annotation>";
    assert!(problem("a", bomb).contains("DTD"), "{}", problem("a", bomb));
}

#[test]
fn lists_that_are_empty_repeat_or_leave_the_folder_are_refused() {
    let xml = annotation(&object("dog", ["1", "1", "9", "9"], ""));
    assert_eq!(problem("a\nb\na\n", &xml), "train.txt:3: image \"a\" is listed twice");
    assert_eq!(problem("\n \n", &xml), "train.txt contains no images");
    assert_eq!(problem("a", &annotation("")), "train.txt contains no classes");
    let error = read("a\n../a\n", &xml).expect_err("outside").to_string();
    assert!(error.ends_with("train.txt:2: image \"../a\" is listed twice"), "{error}");
}

#[test]
fn missing_files_are_named() {
    let root = devkit("a", &annotation(&object("dog", ["1", "1", "9", "9"], "")));
    fs::remove_file(root.path().join("JPEGImages/a.jpg")).expect("removed");
    let error = voc::read(root.path(), "train", Classes::Collected).expect_err("no image").to_string();
    assert!(
        error.starts_with("cannot find ")
            && error.contains("JPEGImages/a: ")
            && error.ends_with("no file of a similar name"),
        "{error}"
    );
    let error = voc::read(root.path(), "test", Classes::Collected).expect_err("no split").to_string();
    assert!(error.contains("ImageSets/Main/test.txt"), "{error}");
    fs::remove_file(root.path().join("Annotations/a.xml")).expect("removed");
    let error = voc::read(root.path(), "train", Classes::Collected).expect_err("no annotation").to_string();
    assert!(error.contains("Annotations/a.xml"), "{error}");
    assert!(voc::read(Path::new("no/such"), "train", Classes::Collected).is_err());
}
