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
    assert_eq!(set.findings.count(FindingKind::AreaNotStated), 1);
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
fn a_file_of_another_kind_is_an_error_with_what_it_looks_like() {
    let words = ": it is not a COCO annotation file, an object with images, categories and annotations";
    assert_eq!(problem("[1, 2]"), words);
    assert!(problem(r#"{"images": []}"#).contains("missing field `annotations`"));
    let labelme = problem(r#"{"version": "5", "flags": {}, "shapes": []}"#);
    assert!(
        labelme.ends_with("missing field `images`: it looks like an annotation file of labelme, not COCO's"),
        "{labelme}"
    );
}

#[test]
fn boxes_that_are_not_four_finite_numbers_are_refused_with_the_annotation() {
    let with_box = |bbox: &str| problem(&file(&format!(r#"[{{"id": 7, "image_id": 9, "category_id": 1{bbox}}}]"#)));
    for (bbox, words) in [
        (r#", "bbox": [1, 2, 3]"#, "bbox has 3 numbers instead of 4"),
        (r#", "bbox": [1, 2, 3, 4, 5]"#, "bbox has 5 numbers instead of 4"),
        ("", "bbox is missing"),
        (r#", "bbox": [1, 2, 3, 1e999]"#, "bbox[3] is 1e999"),
        (r#", "bbox": [1, 2, null, 3]"#, "bbox[2] is null"),
        (r#", "bbox": [1, 2, NaN, 3]"#, "bbox[2] is NaN"),
    ] {
        assert_eq!(with_box(bbox), format!(": annotation 7 (the 1st), image 9: {words}"));
    }
}

#[test]
fn every_bad_record_is_left_out_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("instances.json");
    let text = file(
        r#"[{"image_id": 9, "category_id": "2", "bbox": [1, 2, 3, 4]}, {"image_id": 9, "category_id": null},
            {"id": 0, "image_id": 9, "category_id": "1", "bbox": [1, 2, 3, 4], "iscrowd": false}, 7,
            {"id": 0, "image_id": 9, "category_id": 1, "bbox": [NaN, 2, 3, 4]}]"#,
    );
    fs::write(&path, text).expect("written");
    let mut problems = Vec::new();
    let set = coco::read_with(Path::new("images"), &path, datasets::Orientation::default(), &mut |error| {
        let error = error.to_string();
        problems.push(error.rsplit_once("instances.json: ").expect("the file is named").1.to_owned());
        Ok(())
    });
    let set = set.expect("a valid file");
    assert_eq!((set.records.len(), set.records[1].objects.len()), (2, 1));
    problems.sort();
    assert_eq!(
        problems,
        [
            "annotation 0 (the 5th), image 9: bbox[0] is NaN",
            "the 1st annotation, image 9: category_id is \"2\", which is not the id of a category in the file",
            "the 2nd annotation, image 9: category_id is null",
            "the 4th annotation: is a number instead of an object",
        ]
    );
}

#[test]
fn references_to_nothing_and_ids_of_two_records_are_refused() {
    let annotation = |id: u64, image: u64, category: u64| {
        format!(r#"{{"id": {id}, "image_id": {image}, "category_id": {category}, "bbox": [1, 2, 3, 4]}}"#)
    };
    let with = |annotations: &[String]| problem(&file(&format!("[{}]", annotations.join(","))));
    let unknown = ": annotation 1 (the 1st), image 5: image_id is not the id of an image in the file";
    assert_eq!(with(&[annotation(1, 5, 1)]), unknown);
    let unknown = ": annotation 1 (the 1st), image 9: category_id is 2, which is not the id of a category in the file";
    assert_eq!(with(&[annotation(1, 9, 2)]), unknown);
    let twice = file("[]").replace(r#""id": 4"#, r#""id": 9"#);
    assert_eq!(problem(&twice), ": image 9 (the 2nd): id is that of an earlier image, which is another");
    let twice = file("[]").replace(r#""id": 90"#, r#""id": 1"#);
    assert_eq!(problem(&twice), ": category 1 (the 2nd): id is that of an earlier category, which is another");
}

#[test]
fn what_is_given_twice_without_a_contradiction_is_a_finding() {
    let set = read(
        r#"{"images": [{"id": 9, "file_name": "b.jpg", "width": 100, "height": 50},
                       {"id": 9, "file_name": "b.jpg", "width": 100, "height": 50}],
            "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}],
            "annotations": [{"id": 0, "image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 0},
                            {"id": 0, "image_id": 9, "category_id": 2, "bbox": [1, 2, 3, 4], "area": null}]}"#,
    )
    .expect("a valid file");
    assert_eq!((set.classes.len(), set.records.len(), set.records[0].objects.len()), (2, 1, 2));
    assert_eq!(
        set.findings.to_string(),
        "1 object without an area, taken as width x height of the box (b.jpg)\n\
         1 object of area 0, counted as small by the metric (b.jpg)\n\
         1 annotation with the id of another, kept (b.jpg)\n\
         1 image listed twice, read once, with the annotations of both (b.jpg)\n\
         1 category with the name of another, kept as its own class (a)"
    );
}

#[test]
fn ids_that_are_no_numbers_are_numbered_and_kept_as_they_are_written() {
    let set = read(
        r#"{"images": [{"id": "f2", "file_name": "b.jpg", "width": 9, "height": 9},
                       {"id": "f1", "file_name": "a.jpg", "width": 9, "height": 9}],
            "categories": [{"id": -1, "name": "b"}, {"id": -2, "name": "a"}],
            "annotations": [{"id": "x", "image_id": "f2", "category_id": "-1", "bbox": [1, 2, 3, 4], "area": 12}]}"#,
    )
    .expect("a valid file");
    assert_eq!(set.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(set.records.iter().map(|record| record.image_id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((set.ids.images.id(2).text(), set.ids.categories.id(1).text()), ("f2".to_owned(), "-2".to_owned()));
    assert_eq!((set.records[1].objects.len(), set.records[1].objects[0].class), (1, 1));
}

#[test]
fn file_names_that_leave_the_image_folder_are_refused() {
    for name in ["../b.jpg", "/etc/passwd", "sub/../../b.jpg", ""] {
        let problem = problem(&file("[]").replace("b.jpg", name));
        let expected = format!(": image 9 (the 1st): file_name is {name:?}, which leaves the image folder");
        assert_eq!(problem, expected);
    }
}

#[test]
fn the_url_of_lvis_names_the_split_where_the_folder_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lvis.json");
    let text = r#"{"images": [{"id": 1, "coco_url": "http://images.cocodataset.org/train2017/000000391895.jpg",
        "width": 9, "height": 9}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}"#;
    fs::write(&path, text).expect("written");
    let file = || coco::read(folder.path(), &path).expect("a valid file").records[0].file.clone();
    assert_eq!(file(), folder.path().join("000000391895.jpg"));
    fs::create_dir(folder.path().join("train2017")).expect("made");
    assert_eq!(file(), folder.path().join("train2017/000000391895.jpg"));
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
