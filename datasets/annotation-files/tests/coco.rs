//! COCO's files: what is read, what is a problem, what is refused.

use std::fs;
use std::path::PathBuf;

use annotation_files::coco::{Annotation, Error, File, FileName, Geometry, Kind, Results};
use proptest::prelude::*;
use serde_json::{Value, json};

const IMAGES: &str = r#"[{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]"#;
const CATEGORIES: &str = r#"[{"id": 3, "name": "cup"}]"#;

fn written(folder: &tempfile::TempDir, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join("f.json");
    fs::write(&path, bytes).expect("written");
    path
}

fn read_as(bytes: impl AsRef<[u8]>, geometry: Geometry) -> Result<File, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    File::read(&written(&folder, bytes), geometry)
}

fn read(bytes: impl AsRef<[u8]>) -> Result<File, Error> {
    read_as(bytes, Geometry::Boxes)
}

fn with(annotations: &str) -> File {
    let text = format!(r#"{{"images": {IMAGES}, "annotations": [{annotations}], "categories": {CATEGORIES}}}"#);
    read(text).expect("a COCO file")
}

/// The only annotation, with these fields beside image, category and box.
fn annotation(fields: &str) -> Annotation {
    let file = with(&format!(r#"{{"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]{fields}}}"#));
    assert_eq!(file.problems, [], "{fields}");
    file.annotations.into_iter().next().expect("one")
}

/// The problem of the only annotation, with these fields.
fn problem(fields: &str) -> String {
    let file = with(&format!("{{{fields}}}"));
    assert!(file.annotations.is_empty(), "{fields}");
    file.problems[0].to_string()
}

#[test]
fn numbers_are_read_whatever_type_they_are_written_as() {
    for bbox in ["[1, 2, 3, 4]", "[1.0, 2e0, 3, 4]", r#"["1", " 2 ", "3.0", 4]"#, "[true, 2, 3, 4]"] {
        let file = with(&format!(r#"{{"image_id": "1", "category_id": 3.0, "bbox": {bbox}}}"#));
        assert_eq!((file.annotations[0].bbox, file.problems.len()), (Some([1.0, 2.0, 3.0, 4.0]), 0), "{bbox}");
    }
    for (area, value) in [
        ("", None),
        (r#", "area": null"#, None),
        (r#", "area": -1"#, None),
        (r#", "area": NaN"#, None),
        (r#", "area": """#, None),
        (r#", "area": "7.5""#, Some(7.5)),
        (r#", "area": 0"#, Some(0.0)),
        (r#", "area": -2"#, Some(-2.0)),
        (r#", "area": 1, "area": 5"#, Some(5.0)),
    ] {
        assert_eq!(annotation(area).area, value, "{area}");
    }
    for (crowd, value) in [
        ("", false),
        ("null", false),
        ("false", false),
        ("0.0", false),
        (r#""0""#, false),
        (r#""False""#, false),
        ("NaN", false),
        ("true", true),
        (r#""1""#, true),
        ("1.0", true),
    ] {
        let field = if crowd.is_empty() { String::new() } else { format!(r#", "iscrowd": {crowd}"#) };
        assert_eq!(annotation(&field).crowd, value, "{crowd}");
    }
}

#[test]
fn annotation_ids_may_be_missing_or_anything() {
    for (id, shown) in [("null", None), (r#""7f3a-1""#, Some("\"7f3a-1\"")), ("-4", Some("-4")), ("true", None)] {
        let id = annotation(&format!(r#", "id": {id}"#)).id.map(|id| id.to_string());
        assert_eq!(id.as_deref(), shown);
    }
    assert_eq!(annotation("").id, None);
}

#[test]
fn a_bad_record_is_named_with_image_annotation_and_field() {
    for (bbox, words) in [
        ("[1, 2, 3]", "bbox has 3 numbers instead of 4"),
        ("[]", "bbox has 0 numbers instead of 4"),
        ("null", "bbox is null"),
        ("[1, 2, NaN, 4]", "bbox[2] is NaN"),
        ("[1, 2, 3, 1e999]", "bbox[3] is 1e999"),
        ("[1, null, 3, 4]", "bbox[1] is null"),
        (r#"[1, 2, 3, "wide"]"#, r#"bbox[3] is "wide""#),
        ("[0, 0, 1e200, 1e200]", "bbox has an area that is not finite"),
    ] {
        let problem = problem(&format!(r#""id": 7, "image_id": 1, "category_id": 3, "bbox": {bbox}"#));
        assert_eq!(problem, format!("annotation 7 (the 1st), image 1: {words}"));
    }
    for (fields, expected) in [
        (r#""id": 7, "image_id": 1, "category_id": null"#, "annotation 7 (the 1st), image 1: category_id is null"),
        (r#""id": "x", "category_id": 3"#, "annotation \"x\" (the 1st): image_id is missing"),
        (r#""image_id": 1, "category_id": true"#, "the 1st annotation, image 1: category_id is true"),
        (r#""image_id": 1, "category_id": 3"#, "the 1st annotation, image 1: bbox is missing"),
        (
            r#""image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "area": "big""#,
            "the 1st annotation, image 1: area is \"big\"",
        ),
        (
            r#""image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": "few""#,
            "the 1st annotation, image 1: iscrowd is \"few\"",
        ),
    ] {
        assert_eq!(problem(fields), expected);
    }
}

#[test]
fn one_bad_record_costs_no_other() {
    let text = r#"{"images": [7, {"file_name": "b"}, {"id": 1, "file_name": "a"}], "categories": [[], {"id": 3}],
        "annotations": [null, {"image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}, "x"]}"#;
    let file = read(text).expect("a COCO file");
    assert_eq!((file.images.len(), file.categories.len(), file.annotations.len()), (1, 1, 1));
    assert_eq!((file.images[0].index, file.annotations[0].index), (2, 1));
    assert_eq!(file.categories[0].name, "3");
    let problems: Vec<_> = file.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "the 1st image: is a number instead of an object",
            "the 2nd image: id is missing",
            "the 1st category: is a list instead of an object",
            "the 1st annotation: is null instead of an object",
            "the 3rd annotation: is text instead of an object",
        ]
    );
}

#[test]
fn images_state_their_file_and_size_in_many_ways() {
    let image = |fields: &str| {
        let text = format!(r#"{{"images": [{{"id": 1{fields}}}], "annotations": [], "categories": []}}"#);
        read(text).expect("a COCO file").images.remove(0)
    };
    for (fields, name) in [
        (r#", "file_name": "s/a.jpg""#, FileName::Stated("s/a.jpg".to_owned())),
        (
            r#", "coco_url": "http://images.cocodataset.org/train2017/000000391895.jpg""#,
            FileName::InUrl("train2017/000000391895.jpg".to_owned()),
        ),
        (r#", "file_name": "b", "coco_url": "http://x/y/z""#, FileName::Stated("b".to_owned())),
        (r#", "file_name": 5"#, FileName::Unusable("is 5".to_owned())),
        ("", FileName::Unusable("is missing".to_owned())),
    ] {
        assert_eq!(image(fields).file_name, name, "{fields}");
    }
    for (width, value) in [
        ("64", Some(64)),
        ("\"64\"", Some(64)),
        ("64.0", Some(64)),
        ("null", None),
        ("-1", None),
        ("0", None),
        ("NaN", None),
        ("\"wide\"", None),
    ] {
        assert_eq!(image(&format!(r#", "width": {width}"#)).width, value, "{width}");
    }
}

#[test]
fn a_mark_and_utf_16_are_no_part_of_the_file() {
    let text = format!("\u{feff}{{\"images\": {IMAGES}, \"annotations\": [], \"categories\": {CATEGORIES}}}");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [text.into_bytes(), wide] {
        assert_eq!(read(bytes).expect("a COCO file").images.len(), 1);
    }
}

#[test]
fn of_a_list_given_twice_the_last_counts() {
    let text = format!(r#"{{"images": [{{}}], "images": {IMAGES}, "annotations": [], "categories": []}}"#);
    let file = read(text).expect("a COCO file");
    assert_eq!((file.images.len(), file.problems.len()), (1, 0));
}

#[test]
fn files_that_are_not_coco_are_refused_with_what_they_look_like() {
    const EXPECTED: &str = "it is not a COCO annotation file, an object with images, categories and annotations";
    let results = format!("{EXPECTED}: it looks like a file of COCO results");
    for (text, expected) in [
        ("", "1:0: the JSON is cut short (EOF while parsing a value)"),
        (r#"{"images": [{"id": 1}"#, "1:21: the JSON is cut short (EOF while parsing a list)"),
        (r#"{"images": [], "annotations": []}"#, "1:33: missing field `categories`"),
        (r#"{"images": null}"#, "1:15: invalid type: null, expected a list in the field `images`"),
        ("[1, 2]", EXPECTED),
        (r#"[{"image_id": 1, "category_id": 1, "score": 1}]"#, &results),
        (
            r#"{"version": "5", "flags": {}, "shapes": []}"#,
            "1:43: missing field `images`: it looks like an annotation file of labelme, not COCO's",
        ),
    ] {
        assert_eq!(read(text).expect_err("refused").to_string(), expected, "{text}");
    }
}

#[test]
fn masks_are_read_on_request_and_need_no_box() {
    let text = |mask: &str| {
        let annotation = format!(r#"{{"id": 5, "image_id": 1, "category_id": 3{mask}}}"#);
        format!(r#"{{"images": {IMAGES}, "annotations": [{annotation}], "categories": {CATEGORIES}}}"#)
    };
    let file = read_as(text(r#", "segmentation": [[0, 0, 4, 0, 4, 3]]"#), Geometry::Masks).expect("a COCO file");
    assert!(file.annotations[0].mask.is_some() && file.annotations[0].bbox.is_none());
    let file = read_as(text(r#", "segmentation": 3"#), Geometry::Masks).expect("a COCO file");
    let expected = "annotation 5 (the 1st), image 1: segmentation is 3 instead of a list of polygons or an object with size \
                    and counts";
    assert_eq!(file.problems[0].to_string(), expected);
}

fn results(text: &str, geometry: Geometry) -> Result<Results, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let read = Results::read(&written(&folder, text), geometry).map_err(|error| error.to_string())?;
    read.map_err(|problem| problem.to_string())
}

#[test]
fn the_first_prediction_decides_between_boxes_and_masks() {
    let mask = r#""segmentation": {"size": [48, 64], "counts": [3072]}"#;
    for (fields, kind) in [
        (r#""bbox": [1, 2, 3, 4]"#.to_owned(), Kind::Boxes),
        (format!(r#""bbox": [1, 2, 3, 4], {mask}"#), Kind::Boxes),
        (format!(r#""bbox": [ ], {mask}"#), Kind::Masks),
        (mask.to_owned(), Kind::Masks),
    ] {
        let text = format!(r#"[{{"image_id": 1, "category_id": "3", "score": "0.5", {fields}}}]"#);
        let results = results(&text, Geometry::Masks).expect("results");
        assert_eq!((results.kind, results.predictions[0].score), (kind, 0.5), "{fields}");
    }
    assert_eq!(results("[]", Geometry::Boxes).map(|results| results.predictions.len()), Ok(0));
}

#[test]
fn predictions_that_cannot_be_used_are_named() {
    for (fields, expected) in [
        (r#""bbox": [1, 2, 3, 4], "score": NaN"#, "the 1st prediction, image 1: score is NaN"),
        (r#""bbox": [1, 2, 3, 4]"#, "the 1st prediction, image 1: score is missing"),
        (r#""bbox": [1, 2, 3], "score": 1"#, "the 1st prediction, image 1: bbox has 3 numbers instead of 4"),
        (r#""score": 1"#, "the 1st prediction, image 1: bbox is missing"),
        (r#""score": 1, "segmentation": []"#, "the 1st prediction, image 1: segmentation is empty"),
    ] {
        let text = format!(r#"[{{"image_id": 1, "category_id": 3, {fields}}}]"#);
        assert_eq!(results(&text, Geometry::Boxes).map(drop), Err(expected.to_owned()), "{fields}");
    }
    let refused = results(r#"{"images": []}"#, Geometry::Boxes).map(drop);
    assert_eq!(refused, Err("it is not a COCO results file, an array of predictions".to_owned()));
}

/// A value of a key that is not read.
fn other_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
        prop::collection::vec(-1e9..1e9f64, 0..4).prop_map(|list| json!({ "id": list })),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![(-1000i32..1000).prop_map(f64::from), -1e6..1e6f64]
}

proptest! {
    #[test]
    fn clean_files_are_read_as_a_plain_reader_reads_them(
        images in prop::collection::vec((any::<u32>(), "\\PC{0,12}", 1usize..5000, 1usize..5000), 0..5),
        annotations in prop::collection::vec(
            (any::<u64>(), any::<u64>(), any::<i32>(), [number(), number(), number(), number()], 0.0..1e6f64, any::<bool>()),
            0..20,
        ),
        other in other_value(),
    ) {
        let listed: Vec<Value> = images
            .iter()
            .map(|(id, name, width, height)| {
                json!({ "license": other, "id": id, "file_name": name, "width": width, "height": height })
            })
            .collect();
        let objects: Vec<Value> = annotations
            .iter()
            .map(|(id, image, category, bbox, area, crowd)| {
                json!({
                    "id": id, "image_id": image, "category_id": category, "bbox": bbox, "area": area,
                    "iscrowd": u8::from(*crowd), "keypoints": other,
                })
            })
            .collect();
        let text = json!({ "info": other, "images": listed, "annotations": objects, "categories": [] }).to_string();
        let plain: Value = serde_json::from_str(&text).expect("JSON");
        let file = read(text).expect("a COCO file");
        prop_assert_eq!(&file.problems, &[]);
        prop_assert_eq!(file.images.len(), images.len());
        for (image, plain) in file.images.iter().zip(plain["images"].as_array().expect("a list")) {
            prop_assert_eq!(image.id.number(), plain["id"].as_u64());
            prop_assert_eq!(&image.file_name, &FileName::Stated(plain["file_name"].as_str().expect("text").to_owned()));
            prop_assert_eq!(image.width, plain["width"].as_u64().map(|side| side as usize));
            prop_assert_eq!(image.height, plain["height"].as_u64().map(|side| side as usize));
        }
        prop_assert_eq!(file.annotations.len(), annotations.len());
        for (annotation, plain) in file.annotations.iter().zip(plain["annotations"].as_array().expect("a list")) {
            prop_assert_eq!(annotation.id.as_ref().and_then(|id| id.number()), plain["id"].as_u64());
            prop_assert_eq!(annotation.image_id.number(), plain["image_id"].as_u64());
            prop_assert_eq!(annotation.category_id.to_string(), plain["category_id"].to_string());
            let bits = |number: &Value| number.as_f64().map(f64::to_bits);
            let bbox: Vec<_> = annotation.bbox.iter().flatten().map(|number| Some(number.to_bits())).collect();
            prop_assert_eq!(bbox, plain["bbox"].as_array().expect("a list").iter().map(bits).collect::<Vec<_>>());
            prop_assert_eq!(annotation.area.map(f64::to_bits), bits(&plain["area"]));
            prop_assert_eq!(u64::from(annotation.crowd), plain["iscrowd"].as_u64().expect("a number"));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", tail in "[\\[\\]{}\",:0-9a-zN\\\\-]*") {
        drop(read(&text));
        let annotations = format!("{{\"images\": [], \"categories\": [], \"annotations\": [{tail}");
        drop(read(&annotations));
        drop(read(annotations + "]}"));
    }
}
