//! COCO's JSON: what is read, what is found, what is refused.

use std::fs;
use std::path::Path;

use datasets::{DetectionSet, Error, FindingKind, coco};

const CATEGORIES: &str =
    r#"[{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person", "supercategory": "person"}]"#;
const IMAGES: &str = r#"[{"id": 9, "file_name": "b.jpg", "width": 100, "height": 50, "license": 3},
                         {"id": 4, "file_name": "sub/a.jpg", "width": 640, "height": 480}]"#;

fn read(text: &str) -> Result<DetectionSet, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("instances.json");
    fs::write(&path, text).expect("written");
    coco::read(Path::new("images"), &path)
}

fn file(annotations: &str) -> String {
    format!(
        r#"{{"info": {{"year": 2017}}, "images": {IMAGES}, "annotations": {annotations}, "categories": {CATEGORIES}}}"#
    )
}

fn problem(text: &str) -> String {
    let error = read(text).expect_err("a broken file").to_string();
    error.split_once("instances.json").expect("the file is named").1.to_owned()
}

#[test]
fn images_classes_and_objects_are_read_with_gaps_in_category_ids() {
    let set = read(&file(
        r#"[{"id": 2, "image_id": 9, "category_id": 90, "bbox": [1, 2.5, 30, 4e1], "area": 7.5, "iscrowd": 0,
             "segmentation": [[1.0, 2.0, 3.0, 4.0]]},
            {"id": 1, "image_id": 4, "category_id": 1, "bbox": [0, 0, 10, 10], "iscrowd": 1,
             "segmentation": {"size": [480, 640], "counts": "abc"}}]"#,
    ))
    .expect("a valid file");
    let classes: Vec<_> = set.classes.iter().map(|class| (class.id, class.name.as_str())).collect();
    assert_eq!(classes, [(1, "person"), (90, "toothbrush")]);
    assert_eq!(set.records.iter().map(|record| record.image_id).collect::<Vec<_>>(), [4, 9]);
    let (first, second) = (&set.records[0], &set.records[1]);
    assert_eq!((first.file.as_path(), first.width, first.height), (Path::new("images/sub/a.jpg"), 640, 480));
    assert_eq!((first.objects[0].class, first.objects[0].crowd, first.objects[0].area), (0, true, 100.0));
    assert_eq!((second.objects[0].class, second.objects[0].bbox), (1, [1.0, 2.5, 30.0, 40.0]));
    assert_eq!(second.objects[0].area, 7.5);
    assert_eq!(set.findings.count(FindingKind::Crowd), 1);
}

#[test]
fn findings_are_reported_once_per_kind_and_change_nothing() {
    let set = read(&file(
        r#"[{"id": 1, "image_id": 9, "category_id": 1, "bbox": [10, 10, 0, 5], "area": 0},
            {"id": 2, "image_id": 9, "category_id": 1, "bbox": [90, 10, 30, 5], "area": 1},
            {"id": 3, "image_id": 9, "category_id": 1, "bbox": [400, 10, 30, 5], "area": 1}]"#,
    ))
    .expect("a valid file");
    assert_eq!(set.records[1].objects.len(), 3);
    assert_eq!(
        set.findings.to_string(),
        "1 box without area, left out of training (b.jpg)\n\
         1 box beyond the frame, clipped for training (b.jpg)\n\
         1 box outside the frame, left out of training (b.jpg)\n\
         1 image without objects, left out of training by default (a.jpg)"
    );
}

#[test]
fn a_file_cut_short_is_an_error_with_line_and_column() {
    let complete = file("[]");
    let problem = problem(&complete[..complete.find("annotations").expect("the key")]);
    assert!(problem.starts_with(":2:") && problem.contains("the JSON is cut short"), "{problem}");
}

#[test]
fn a_file_of_another_kind_is_an_error_with_line_and_column() {
    assert_eq!(problem("[1, 2]"), ":1:2: invalid type: integer `1`, expected a sequence");
    assert!(problem(r#"{"images": []}"#).contains("missing field `annotations`"));
}

#[test]
fn boxes_that_are_not_four_finite_numbers_are_refused_with_the_annotation() {
    let with_box = |bbox: &str| problem(&file(&format!(r#"[{{"id": 7, "image_id": 9, "category_id": 1{bbox}}}]"#)));
    assert_eq!(with_box(r#", "bbox": [1, 2, 3]"#), ": annotation 7 has a bbox of 3 numbers instead of 4");
    assert_eq!(with_box(r#", "bbox": [1, 2, 3, 4, 5]"#), ": annotation 7 has a bbox of 5 numbers instead of 4");
    assert_eq!(with_box(""), ": annotation 7 has no bbox");
    assert!(with_box(r#", "bbox": [1, 2, 3, 1e999]"#).contains("number out of range"));
    assert!(with_box(r#", "bbox": [1, 2, null, 3]"#).contains("invalid type: null"));
    assert!(with_box(r#", "bbox": [1, 2, NaN, 3]"#).contains("expected value"));
    assert!(with_box(r#", "bbox": [1, 2, 3, 4], "iscrowd": 2"#).ends_with("has iscrowd 2 instead of 0 or 1"));
}

#[test]
fn ids_that_are_unknown_or_given_twice_are_refused() {
    let annotation = |id: u64, image: u64, category: u64| {
        format!(r#"{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": [1, 2, 3, 4]}}"#)
    };
    let with = |annotations: &[String]| problem(&file(&format!("[{}]", annotations.join(","))));
    assert_eq!(with(&[annotation(1, 5, 1)]), ": annotation 1 is on unknown image 5");
    assert_eq!(with(&[annotation(1, 9, 2)]), ": annotation 1 has unknown category 2");
    assert_eq!(with(&[annotation(1, 9, 1), annotation(1, 4, 1)]), ": annotation 1 is given twice");
    let twice = file("[]").replace(r#""id": 4"#, r#""id": 9"#);
    assert_eq!(problem(&twice), ": image 9 is given twice");
    let twice = file("[]").replace(r#""id": 90"#, r#""id": 1"#);
    assert_eq!(problem(&twice), ": category 1 is given twice");
}

#[test]
fn file_names_that_leave_the_image_folder_are_refused() {
    for name in ["../b.jpg", "/etc/passwd", "sub/../../b.jpg", ""] {
        let problem = problem(&file("[]").replace("b.jpg", name));
        assert_eq!(problem, format!(": image 9 has file name {name:?}, which leaves the image folder"));
    }
}

#[test]
fn a_file_without_images_or_categories_and_a_missing_file_are_errors() {
    assert_eq!(
        problem(r#"{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}"#),
        " contains no images"
    );
    assert_eq!(problem(&file("[]").replace(CATEGORIES, "[]")), " contains no categories");
    let error = coco::read(Path::new("."), Path::new("no/such.json")).expect_err("no file");
    assert!(error.to_string().starts_with("cannot read no/such.json: "));
}

#[test]
fn a_size_that_is_not_stated_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = datasets::Image::filled(datasets::Size { height: 3, width: 5 }, [1, 2, 3]);
    fs::write(folder.path().join("a.png"), image.encode(datasets::Encoding::Png).expect("encoded")).expect("written");
    let json = folder.path().join("a.json");
    let text =
        r#"{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}"#;
    fs::write(&json, text).expect("written");
    let set = coco::read(folder.path(), &json).expect("a valid file");
    assert_eq!((set.records[0].width, set.records[0].height), (5, 3));
    assert_eq!(set.findings.count(FindingKind::SizeNotStated), 1);
}
