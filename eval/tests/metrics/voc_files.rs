//! VOC's rules on results files: the numbers are those of the boxes in memory, and invalid predictions are named with their
//! place.

use std::path::PathBuf;
use std::sync::Arc;

use eval::voc::{FileIds, GroundTruth, Object, VocEvaluator, VocOptions, VocReport, inclusive, score_files};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::Outcome;
use crate::folder::Folder;
use crate::voc_case::{self, Bbox};

const IMAGES: [&str; 2] = ["2007_000027", "2007_000032"];

/// The box of pixels 11 to 30 and 21 to 60, from 1 and inclusive; and the same box in COCO's format.
const INCLUSIVE: [f64; 4] = [11.0, 21.0, 30.0, 60.0];
const COCO: [f64; 4] = [10.0, 20.0, 20.0, 40.0];

fn truth() -> Result<Arc<GroundTruth>, eval::Error> {
    let object = |image: &str, class| Object { image: image.to_owned(), class, bbox: INCLUSIVE, difficult: false };
    let objects = vec![object(IMAGES[0], 0), object(IMAGES[1], 1)];
    Ok(Arc::new(GroundTruth::from_parts(IMAGES.map(String::from).to_vec(), ["dog", "person"], objects)?))
}

fn score(folder: &Folder, text: impl AsRef<[u8]>) -> Result<VocReport, Box<dyn std::error::Error>> {
    let truth = truth()?;
    let ids = FileIds::from_one(&truth);
    Ok(score_files(truth, &ids, folder.file("f.json", text)?, VocOptions::default())?)
}

#[test]
fn images_are_named_by_number_or_by_name_and_boxes_are_cocos() -> Outcome {
    let folder = Folder::new()?;
    assert_eq!(inclusive(COCO), INCLUSIVE);
    let first = |image: Value| json!({"image_id": image, "category_id": 1, "bbox": COCO, "score": 0.9, "extra": null});
    let second = json!({"image_id": 2, "category_id": 2, "bbox": COCO, "score": 0.5});
    let by_name = score(&folder, json!([first(json!("2007_000027")), second]).to_string())?;
    let by_number = score(&folder, json!([second, first(json!(1))]).to_string())?;
    assert_eq!(by_name, by_number);
    assert_eq!((by_name.voc_2007.map, by_name.voc_2010.map, by_name.detections), (Some(1.0), Some(1.0), 2));
    let none = score(&folder, "[]")?;
    assert_eq!((none.voc_2010.map, none.images, none.detections), (Some(0.0), 2, 0));

    let truth = truth()?;
    let ids = FileIds { images: vec![30, 7], classes: vec![90, 3] };
    let text = json!([{"image_id": 7, "category_id": 3, "bbox": COCO, "score": 0.9}]).to_string();
    let report = score_files(truth, &ids, folder.file("f.json", text)?, VocOptions::default())?;
    assert_eq!((report.per_class[0].right, report.per_class[1].right), (0, 1));
    Ok(())
}

#[test]
fn a_file_scores_as_the_boxes_in_memory() -> Outcome {
    let (case, _) = voc_case::read::<IgnoredAny>()?;
    // Integer coordinates are exact in COCO's boxes and back.
    let rounded = |bbox: [f64; 4]| bbox.map(f64::round);
    let truth = case.truth()?;
    let mut evaluator = VocEvaluator::new(truth.clone(), VocOptions::default())?;
    for image in &case.images {
        evaluator.add(image, &case.detected(image, rounded))?;
    }
    let prediction = |d: &Bbox| {
        let [left, top, right, bottom] = rounded(d.bbox);
        let bbox = [left - 1.0, top - 1.0, right - left + 1.0, bottom - top + 1.0];
        json!({"image_id": d.image, "category_id": d.class + 1, "bbox": bbox, "score": d.score})
    };
    let folder = Folder::new()?;
    let text = Value::from(case.detections.iter().map(prediction).collect::<Vec<_>>()).to_string();
    let scored =
        score_files(truth.clone(), &FileIds::from_one(&truth), folder.file("f.json", text)?, VocOptions::default())?;
    assert_eq!(scored, evaluator.finish());
    assert!(scored.voc_2010.map.is_some_and(|map| map > 0.1 && map < 0.9), "{:?}", scored.voc_2010);
    Ok(())
}

#[test]
fn invalid_predictions_are_named_with_their_place() -> Outcome {
    let folder = Folder::new()?;
    let good = r#"{"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.5}"#;
    let bad = |from: &str, to: &str| format!("[{good},{}]", good.replace(from, to));
    let cases = [
        (bad("\"image_id\":1", "\"image_id\":3"), "f.json: predictions[1]: image 3 is not in the ground truth"),
        (
            bad("\"image_id\":1", "\"image_id\":\"2007_000033\""),
            "f.json: predictions[1]: image \"2007_000033\" is not in the ground truth",
        ),
        (bad("\"image_id\":1", "\"image_id\":\"1\""), "f.json: predictions[1]: image \"1\" is not in the ground truth"),
        (
            bad("\"category_id\":1", "\"category_id\":0"),
            "f.json: predictions[1]: category 0 is not in the ground truth",
        ),
        (bad("[1,2,3,4]", "[1.7e308,2,1.7e308,4]"), "f.json: predictions[1]: bbox is inf instead of a finite number"),
        (bad("[1,2,3,4]", "[1,2,1e999,4]"), "cannot read f.json: the 2nd prediction, image 1: bbox[2] is 1e999"),
        (bad("0.5", "NaN"), "cannot read f.json: the 2nd prediction, image 1: score is NaN"),
        (bad(",\"bbox\":[1,2,3,4]", ""), "cannot read f.json: the 2nd prediction, image 1: bbox is missing"),
        (
            bad("[1,2,3,4]", "[1,2,3]"),
            "cannot read f.json: the 2nd prediction, image 1: bbox has 3 numbers instead of 4",
        ),
        (bad("\"image_id\":1", "\"image_id\":-1"), "f.json: predictions[1]: image -1 is not in the ground truth"),
        ("{}".to_owned(), "cannot read f.json: it is not a COCO results file, an array of predictions"),
        (String::new(), "cannot read f.json:1:0: the JSON is cut short (EOF while parsing a value)"),
        (format!("[{good},"), "cannot read f.json:1:61: the JSON is cut short (EOF while parsing a value)"),
    ];
    let truth = truth()?;
    let ids = FileIds::from_one(&truth);
    let score = |path: PathBuf, ids: &FileIds| score_files(truth.clone(), ids, path, VocOptions::default());
    let mut other = Vec::new();
    for (text, expected) in cases {
        let text_of_error = folder.message(score(folder.file("f.json", &text)?, &ids));
        if text_of_error != expected {
            other.push((text, text_of_error));
        }
    }
    assert_eq!(other, []);
    let absent = folder.message(score(folder.path("absent.json"), &ids));
    assert_eq!(absent, "cannot read absent.json: No such file or directory (os error 2)");

    let valid = folder.file("f.json", "[]")?;
    let few = FileIds { images: vec![1], ..ids.clone() };
    assert_eq!(folder.message(score(valid.clone(), &few)), "1 image ids instead of 2");
    let twice = FileIds { images: vec![4, 4], ..ids.clone() };
    assert_eq!(folder.message(score(valid.clone(), &twice)), "image 4 occurs twice");
    let twice = FileIds { classes: vec![4, 4], ..ids };
    assert_eq!(folder.message(score(valid, &twice)), "category 4 occurs twice");
    Ok(())
}
