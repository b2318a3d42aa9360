//! The layouts in which people keep their sets; docs/data.md has the table.

use std::path::{Path, PathBuf};

use datasets::recognise::{Layout, innermost, recognise};
use datasets::segmentation::pairs::{self, PairOptions};
use datasets::{Classes, DetectionSet, Error, FindingKind, Orientation, Size, flat, folder, voc, yolo};
use tempfile::TempDir;

use crate::files::{jpeg, voc_annotation as annotation, voc_object as object, write};

const IMAGE: Size = Size { height: 40, width: 60 };

fn set(files: &[(&str, &[u8])]) -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        write(root.path(), name, content);
    }
    root
}

/// What a reader without `&mut Err` stops at is collected.
fn all<T>(read: impl FnOnce(datasets::ErrorHandler<'_>) -> Result<T, Error>) -> (T, Vec<String>) {
    let mut errors = Vec::new();
    let set = read(&mut |error| {
        errors.push(error.to_string());
        Ok(())
    });
    (set.expect("a set"), errors)
}

fn stems(set: &DetectionSet) -> Vec<String> {
    let stem = |file: &PathBuf| file.file_stem().expect("a name").to_string_lossy().into_owned();
    set.records.iter().map(|record| stem(&record.file)).collect()
}

#[test]
fn voc_is_read_in_every_layout_of_folders() {
    let (image, dog) = (jpeg(IMAGE, [90; 3]), annotation(&object("dog", ["1", "1", "9", "9"], "")));
    let xml = dog.as_bytes();
    let (train, all_of_it) = (vec!["a"], vec!["a", "b"]);
    let raccoon = ["images/a.jpg", "images/b.jpg", "annotations/a.xml", "annotations/b.xml"];
    let kangaroo = ["images/a.jpg", "images/b.jpg", "annots/a.xml", "annots/b.xml"];
    let roboflow = ["train/a.jpg", "train/a.xml", "valid/b.jpg", "valid/b.xml"];
    let by_split = ["images/train/a.jpg", "annotations/train/a.xml", "images/val/b.jpg", "annotations/val/b.xml"];
    let split_first = ["train/images/a.jpg", "train/annotations/a.xml", "val/images/b.jpg", "val/annotations/b.xml"];
    let in_one = ["a.jpg", "a.xml", "b.jpg", "b.xml"];
    let nested = ["images/x/a.jpg", "annots/x/a.xml", "images/y/b.jpg", "annots/y/b.xml"];
    for (files, names, without_list) in [
        (raccoon, &all_of_it, 1),
        (kangaroo, &all_of_it, 1),
        (in_one, &all_of_it, 1),
        (nested, &all_of_it, 1),
        (roboflow, &train, 0),
        (by_split, &train, 0),
        (split_first, &train, 0),
    ] {
        let content = |name: &str| if name.ends_with(".xml") { xml } else { &image[..] };
        let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, content(name))).collect();
        let root = set(&files);
        let set =
            voc::read(root.path(), "train", Classes::Collected).unwrap_or_else(|error| panic!("{files:?}: {error}"));
        assert_eq!(&stems(&set), names, "{files:?}");
        assert_eq!(set.findings.count(FindingKind::WithoutList), without_list, "{files:?}");
        assert_eq!(set.findings.count(FindingKind::NameDiffers), 0, "{files:?}");
    }
}

#[test]
fn voc_folders_can_be_named() {
    let (image, dog) = (jpeg(IMAGE, [90; 3]), annotation(&object("dog", ["1", "1", "9", "9"], "")));
    let root = set(&[
        ("pictures/a.jpg", &image),
        ("pictures/b.jpg", &image),
        ("truth/a.xml", dog.as_bytes()),
        ("truth/b.xml", dog.as_bytes()),
        ("lists/first.txt", b"a\n"),
    ]);
    let below = |name: &str| Some(root.path().join(name));
    let layout = voc::Layout {
        folder: root.path().to_path_buf(),
        split: Some("first".to_owned()),
        images: below("pictures"),
        annotations: below("truth"),
        lists: below("lists"),
    };
    let set = voc::read_with(&layout, Classes::Collected, Orientation::default(), &mut Err).expect("a set");
    assert_eq!((stems(&set), set.findings.is_empty()), (vec!["a".to_owned()], true));
    let every = voc::Layout { split: None, lists: None, ..layout.clone() };
    assert_eq!(
        stems(&voc::read_with(&every, Classes::Collected, Orientation::default(), &mut Err).expect("a set")),
        ["a", "b"]
    );
    let other = voc::Layout { split: Some("second".to_owned()), ..layout };
    let error =
        voc::read_with(&other, Classes::Collected, Orientation::default(), &mut Err).expect_err("no list").to_string();
    assert!(error.ends_with("second.txt: the list does not exist; there are first"), "{error}");
}

#[test]
fn lists_may_have_endings_paths_columns_comments_and_any_encoding() {
    let (image, dog) = (jpeg(IMAGE, [90; 3]), annotation(&object("dog", ["1", "1", "9", "9"], "")));
    let wide: Vec<u8> = "\u{feff}a\r\nb\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lists: [(&[u8], &[&str]); 8] = [
        (b"a\nb\n", &["a", "b"]),
        (b"a.jpg\r\nb.jpg\r\n", &["a", "b"]),
        (b"a.xml\n", &["a"]),
        (b"JPEGImages/a.jpg\n", &["a"]),
        (b"/data/voc/JPEGImages/b.jpg\n", &["b"]),
        (b"# made by hand\n\n b \n", &["b"]),
        (b"a  1\nb -1\n", &["a"]),
        (&wide, &["a", "b"]),
    ];
    for (list, names) in lists {
        let root = set(&[
            ("JPEGImages/a.jpg", &image),
            ("JPEGImages/b.jpg", &image),
            ("Annotations/a.xml", dog.as_bytes()),
            ("Annotations/b.xml", dog.as_bytes()),
            ("ImageSets/Main/train.txt", list),
        ]);
        let set = voc::read(root.path(), "train", Classes::Collected);
        let set = set.unwrap_or_else(|error| panic!("{:?}: {error}", String::from_utf8_lossy(list)));
        assert_eq!(stems(&set), names, "{:?}", String::from_utf8_lossy(list));
    }
}

#[test]
fn an_object_that_cannot_be_used_does_not_cost_its_image() {
    let image = jpeg(IMAGE, [90; 3]);
    let objects = object("dog", ["1", "1", "9", "9"], "")
        + &object("spoon", ["1", "1", "9", "9"], "")
        + &object("dog", ["1", "x", "9", "9"], "");
    let root = set(&[
        ("JPEGImages/a.jpg", &image),
        ("Annotations/a.xml", annotation(&objects).as_bytes()),
        ("ImageSets/Main/train.txt", b"a"),
    ]);
    let dog = ["dog".to_owned()];
    let layout = voc::Layout::devkit(root.path(), "train");
    let (set, errors) = all(|on_error| voc::read_with(&layout, Classes::Given(&dog), Orientation::default(), on_error));
    assert_eq!((set.records.len(), set.records[0].objects.len()), (1, 1));
    assert!(errors.len() == 2 && errors[0].contains("<ymin>") && errors[1].contains("spoon"), "{errors:?}");
}

#[test]
fn fields_that_tools_write_otherwise_are_understood() {
    let image = jpeg(IMAGE, [90; 3]);
    let object = |difficult: &str| {
        let difficult = format!("<difficult>{difficult}</difficult>");
        object("dog", ["1.0", "1", "9.5", "9"], &difficult)
    };
    let objects: String = ["0", "", "Unspecified", "1", "True", "2"].map(object).concat();
    let xml = format!("<annotation><size><width>60.0</width><height>40.0</height></size>{objects}</annotation>");
    let root =
        set(&[("JPEGImages/a.jpg", &image), ("Annotations/a.xml", xml.as_bytes()), ("ImageSets/Main/train.txt", b"a")]);
    let set = voc::read(root.path(), "train", Classes::Collected).expect("a set");
    let difficult: Vec<bool> = set.records[0].objects.iter().map(|object| object.difficult).collect();
    assert_eq!(difficult, [false, false, false, true, true, false]);
    assert_eq!((set.records[0].size(), set.findings.count(FindingKind::FlagUnclear)), (IMAGE, 3));
}

#[test]
fn yolo_is_read_from_the_data_file_of_ultralytics_and_roboflow() {
    let image = jpeg(IMAGE, [90; 3]);
    let labels = b"1 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n0 0 0 0.5 0 0.5 0.25\n";
    for (images, labels_folder, data) in [
        ("images/train", "labels/train", "path: .\ntrain: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n"),
        (
            "train/images",
            "train/labels",
            "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n",
        ),
        ("a/images/train", "a/labels/train", "path: a\ntrain: [images/train]\nnames: [cat, dog]\n"),
    ] {
        let root = set(&[
            (&format!("{images}/1.jpg"), &image),
            (&format!("{images}/2.jpg"), &image),
            (&format!("{labels_folder}/1.txt"), labels),
            ("data.yaml", data.as_bytes()),
        ]);
        let file = root.path().join("data.yaml");
        let layout = yolo::DataFile::read(&file).and_then(|data| data.layout(&file, "train")).expect(data);
        let set = yolo::read(&layout, Orientation::default(), &mut Err).expect(data);
        assert_eq!(set.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["cat", "dog"]);
        assert_eq!((stems(&set), set.records[1].objects.len()), (vec!["1".to_owned(), "2".to_owned()], 0));
        let boxes: Vec<_> = set.records[0].objects.iter().map(|object| (object.class, object.bbox)).collect();
        assert_eq!(boxes, [(1, [15.0, 10.0, 30.0, 20.0]), (0, [0.0, 0.0, 30.0, 10.0])]);
    }
}

#[test]
fn yolo_is_read_from_folders_and_lists_and_wrong_lines_are_named() {
    let image = jpeg(IMAGE, [90; 3]);
    let root = set(&[
        ("obj_train_data/1.jpg", &image),
        ("obj_train_data/1.txt", b"0 0.5 0.5 0.5 0.5\n7 0.5 0.5 0.1 0.1\n0 30 20 30 20\n0 0.5 0.5\nx\n"),
        ("obj.names", b"cat\n"),
        ("train.txt", b"data/obj_train_data/1.jpg\n"),
    ]);
    for images in ["obj_train_data", "train.txt"] {
        let layout = yolo::Layout { images: vec![root.path().join(images)], ..yolo::Layout::default() };
        let (set, errors) = all(|on_error| yolo::read(&layout, Orientation::default(), on_error));
        assert_eq!((set.classes[0].name.as_str(), set.records[0].objects.len()), ("cat", 1), "{images}");
        let lines: Vec<&str> =
            errors.iter().filter_map(|error| error.split_once("1.txt:")).map(|(_, end)| end).collect();
        assert!(lines[0].starts_with("2: class 7 is not an index from 0 to 0"), "{lines:?}");
        assert!(lines[1].starts_with("3: 30 is not a number from 0 to 1"), "{lines:?}");
        assert!(lines[2].starts_with("4: 2 numbers after the class") && lines[3].starts_with("5: \"x\""), "{lines:?}");
    }
    let nameless = set(&[("images/1.jpg", &image)]);
    let layout = yolo::Layout { images: vec![nameless.path().join("images")], ..yolo::Layout::default() };
    let error = yolo::read(&layout, Orientation::default(), &mut Err).expect_err("no names").to_string();
    assert!(error.contains("names: [...]"), "{error}");
}

#[test]
fn labels_are_read_from_csv_with_and_without_names_of_columns() {
    let image = jpeg(IMAGE, [90; 3]);
    let files = [
        ("labels.csv", "filename,label\ncat/1.jpg,cat\ndog/2.jpg,dog\n"),
        ("labels.csv", "id,breed\n1,cat\n2,dog\n"),
        ("labels.csv", "cat/1.jpg,cat\ndog/2.jpg,dog\n"),
        ("labels.csv", "\u{feff}label;image\ncat;1.jpg\ndog;2.jpg\n"),
        ("labels.csv", "split,image,class\ntrain,1.jpg,cat\ntrain,\"2.jpg\",\"dog\"\n"),
        ("labels.tsv", "1.jpg\tcat\n2.jpg\tdog\n"),
        ("labels.txt", "# image label\n1.jpg cat\n2.jpg dog\n"),
        ("labels.txt", "1.jpg,cat\r\n2.jpg,dog\r\n"),
    ];
    for (name, content) in files {
        let root = set(&[
            ("images/1.jpg", &image),
            ("images/2.jpg", &image),
            ("images/cat/1.jpg", &image),
            ("images/dog/2.jpg", &image),
            (name, content.as_bytes()),
        ]);
        let set = flat::read(&root.path().join("images"), &root.path().join(name), None, &mut Err);
        let set = set.unwrap_or_else(|error| panic!("{content:?}: {error}"));
        assert_eq!(
            set.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(),
            ["cat", "dog"],
            "{content}"
        );
        assert_eq!(set.records.iter().map(|record| record.class).collect::<Vec<_>>(), [0, 1], "{content}");
    }
    let root = set(&[("images/1.jpg", &image), ("labels.csv", b"image,cat,dog\n1.jpg,1,0\n")]);
    let error = flat::read(&root.path().join("images"), &root.path().join("labels.csv"), None, &mut Err);
    assert!(error.expect_err("one column a class").to_string().contains("call them filename and label"));
}

#[test]
fn class_folders_match_whatever_their_case_and_normalisation() {
    let image = jpeg(IMAGE, [90; 3]);
    let root = set(&[
        ("cafe\u{301}/1.jpg", &image),
        ("Cup/1.jpg", &image),
        ("__MACOSX/cup/._1.jpg", b"x"),
        (".DS_Store", b"x"),
    ]);
    let names = ["caf\u{e9}", "cup"].map(str::to_owned);
    let set = folder::read(root.path(), Classes::Given(&names)).expect("a set");
    assert_eq!(set.records.iter().map(|record| record.class).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(set.findings.count(FindingKind::NameDiffers), 2);
    let collected = folder::read(root.path(), Classes::Collected).expect("a set");
    assert_eq!(collected.classes.len(), 2);
    let splits = self::set(&[("train/cup/1.jpg", &image), ("val/cup/1.jpg", &image)]);
    let above = folder::read(splits.path(), Classes::Collected).expect("a set");
    assert_eq!(above.findings.count(FindingKind::SplitsAsClasses), 2);
}

fn paired(files: &[&str], images: &str, masks: &str, options: &PairOptions) -> Vec<(String, String)> {
    let image = jpeg(IMAGE, [90; 3]);
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, &image[..])).collect();
    let root = set(&files);
    let below = |path: &Path| path.strip_prefix(root.path()).expect("inside").display().to_string();
    let set = pairs::read(&root.path().join(images), &root.path().join(masks), options).expect("pairs");
    set.records.iter().map(|record| (below(&record.image), below(record.mask.path()))).collect()
}

#[test]
fn images_and_masks_pair_in_one_folder_with_double_endings_and_in_other_cases() {
    let options = |mask_suffix: &str| PairOptions {
        classes: vec!["ground".to_owned(), "cup".to_owned()],
        mask_suffix: mask_suffix.to_owned(),
        ..PairOptions::default()
    };
    let roboflow = ["d/1_jpg.rf.7a.jpg", "d/1_jpg.rf.7a_mask.png", "d/_classes.csv"];
    let pair = |image: &str, mask: &str| vec![(image.to_owned(), mask.to_owned())];
    assert_eq!(paired(&roboflow, "d", "d", &options("_mask")), pair(roboflow[0], roboflow[1]));
    assert_eq!(paired(&["i/1.jpg", "m/1.jpg.png"], "i", "m", &options("")), pair("i/1.jpg", "m/1.jpg.png"));
    assert_eq!(paired(&["i/IMG_1.JPG", "m/img_1.PNG"], "i", "m", &options("")), pair("i/IMG_1.JPG", "m/img_1.PNG"));
}

#[test]
fn a_list_of_images_and_masks_selects_pairs() {
    let image = jpeg(IMAGE, [90; 3]);
    let root = set(&[
        ("i/1.jpg", &image),
        ("i/2.jpg", &image),
        ("m/1.png", &image),
        ("m/2.png", &image),
        ("deeplab.txt", b"/i/2.jpg /m/2.png\n"),
        ("names.txt", b"2\n"),
    ]);
    let options = PairOptions { classes: vec!["ground".to_owned()], ..PairOptions::default() };
    for list in ["deeplab.txt", "names.txt"] {
        let [images, masks, list] = ["i", "m", list].map(|name| root.path().join(name));
        let set = pairs::read_with(&images, &masks, Some(&list), &options, &mut Err).expect("pairs");
        assert_eq!(set.records.len(), 1);
        assert_eq!(set.records[0].image, images.join("2.jpg"));
        assert_eq!(set.records[0].mask.path(), masks.join("2.png"));
    }
}

#[test]
fn the_suffix_that_would_pair_masks_is_named() {
    let image = jpeg(IMAGE, [90; 3]);
    let root = set(&[("i/1.jpg", &image), ("m/1_segmentation.png", &image)]);
    let options = PairOptions { classes: vec!["ground".to_owned()], ..PairOptions::default() };
    let error = pairs::read(&root.path().join("i"), &root.path().join("m"), &options).expect_err("no pair").to_string();
    assert!(error.contains("options.mask_suffix: _segmentation pairs them"), "{error}");
}

#[test]
fn a_set_is_recognised_below_the_folder_of_its_archive() {
    let image = jpeg(IMAGE, [90; 3]);
    let dog = annotation(&object("dog", ["1", "1", "9", "9"], ""));
    let root = set(&[
        ("VOCdevkit/VOC2012/JPEGImages/a.jpg", &image),
        ("VOCdevkit/VOC2012/Annotations/a.xml", dog.as_bytes()),
        ("VOCdevkit/VOC2012/SegmentationClass/a.png", &image),
        ("VOCdevkit/VOC2012/ImageSets/Main/train.txt", b"a"),
        ("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt", b"a"),
        ("README.md", b"from somewhere"),
    ]);
    let inner = innermost(root.path()).expect("a folder");
    assert_eq!(inner, root.path().join("VOCdevkit/VOC2012"));
    assert!(
        matches!(recognise(&inner, false).expect("boxes").train, Layout::Voc { split: Some(split), .. } if split == "train")
    );
    assert!(matches!(recognise(&inner, true).expect("masks").train, Layout::VocMasks { split } if split == "train"));
    assert_eq!(innermost(&inner).expect("a folder"), inner);
}
