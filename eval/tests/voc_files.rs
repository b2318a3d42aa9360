//! VOC's rules on results files: the numbers are those of the boxes in memory, and what cannot be scored is named with its
//! place.

mod voc_case;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eval::voc::{FileIds, GroundTruth, Object, VocEvaluator, VocOptions, VocReport, inclusive, score_files};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tempfile::TempDir;
use voc_case::Bbox;

type Outcome = Result<(), Box<dyn Error>>;

const IMAGES: [&str; 2] = ["2007_000027", "2007_000032"];

struct Folder(TempDir);

impl Folder {
    fn new() -> std::io::Result<Folder> {
        Ok(Folder(tempfile::tempdir()?))
    }

    fn file(&self, text: impl AsRef<[u8]>) -> std::io::Result<PathBuf> {
        let path = self.0.path().join("f.json");
        fs::write(&path, text)?;
        Ok(path)
    }

    /// An error's words, without the folder that the test runs in.
    fn words<T>(&self, result: Result<T, eval::Error>) -> String {
        let text = result.err().map_or_else(|| "no error".to_owned(), |error| error.to_string());
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// The box of pixels 11 to 30 and 21 to 60, from 1 and inclusive; the same as COCO writes it.
const INCLUSIVE: [f64; 4] = [11.0, 21.0, 30.0, 60.0];
const COCO: [f64; 4] = [10.0, 20.0, 20.0, 40.0];

fn truth() -> Result<Arc<GroundTruth>, eval::Error> {
    let object = |image: &str, class| Object { image: image.to_owned(), class, bbox: INCLUSIVE, difficult: false };
    let objects = vec![object(IMAGES[0], 0), object(IMAGES[1], 1)];
    Ok(Arc::new(GroundTruth::from_parts(IMAGES.map(String::from).to_vec(), ["dog", "person"], objects)?))
}

fn score(folder: &Folder, text: impl AsRef<[u8]>) -> Result<VocReport, Box<dyn Error>> {
    let truth = truth()?;
    let ids = FileIds::from_one(&truth);
    Ok(score_files(truth, &ids, folder.file(text)?, VocOptions::default())?)
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
    let report = score_files(truth, &ids, folder.file(text)?, VocOptions::default())?;
    assert_eq!((report.per_class[0].right, report.per_class[1].right), (0, 1));
    Ok(())
}

#[test]
fn a_file_scores_as_the_boxes_in_memory() -> Outcome {
    let (case, _) = voc_case::read::<IgnoredAny>()?;
    // Whole pixels, which the way to COCO's boxes and back leaves as they are.
    let whole = |bbox: [f64; 4]| bbox.map(f64::round);
    let truth = case.truth()?;
    let mut evaluator = VocEvaluator::new(truth.clone(), VocOptions::default())?;
    for image in &case.images {
        evaluator.add(image, &case.detected(image, whole))?;
    }
    let prediction = |d: &Bbox| {
        let [left, top, right, bottom] = whole(d.bbox);
        let bbox = [left - 1.0, top - 1.0, right - left + 1.0, bottom - top + 1.0];
        json!({"image_id": d.image, "category_id": d.class + 1, "bbox": bbox, "score": d.score})
    };
    let folder = Folder::new()?;
    let text = Value::from(case.detections.iter().map(prediction).collect::<Vec<_>>()).to_string();
    let scored = score_files(truth.clone(), &FileIds::from_one(&truth), folder.file(text)?, VocOptions::default())?;
    assert_eq!(scored, evaluator.finish());
    assert!(scored.voc_2010.map.is_some_and(|map| map > 0.1 && map < 0.9), "{:?}", scored.voc_2010);
    Ok(())
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn the_case_of_the_review_has_its_numbers_from_a_file() -> Outcome {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/coco_eval"));
    if !folder.is_dir() {
        eprintln!("skipped: {} is not here", folder.display());
        return Ok(());
    }
    let expected: Value = serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let expected = &expected["voc_ap_case"];
    let images: Vec<String> = (1..=7).map(|number| format!("{number:05}")).collect();
    let (mut objects, mut predictions) = (Vec::new(), Vec::new());
    for image in &images {
        let lines = |kind: &str| fs::read_to_string(folder.join("voc_ap_case").join(kind).join(format!("{image}.txt")));
        let numbers = |line: &str| line.split_whitespace().skip(1).map(str::parse).collect::<Result<Vec<f64>, _>>();
        for line in lines("gts")?.lines() {
            let [x, y, w, h] = numbers(line)?[..] else { return Err(line.into()) };
            objects.push(Object { image: image.clone(), class: 0, bbox: [x, y, x + w, y + h], difficult: false });
        }
        for line in lines("dets")?.lines() {
            let [score, x, y, w, h] = numbers(line)?[..] else { return Err(line.into()) };
            // The case's last pixel is x + w.
            let bbox = [x - 1.0, y - 1.0, w + 1.0, h + 1.0];
            predictions.push(json!({"image_id": image, "category_id": 1, "bbox": bbox, "score": score}));
        }
    }
    assert_eq!((objects.len(), predictions.len()), (15, 24));
    let truth = Arc::new(GroundTruth::from_parts(images, ["object"], objects)?);
    let place = Folder::new()?;
    let file = place.file(Value::from(predictions).to_string())?;
    let eleven = expected["ap_by_iou_11point"].as_object().ok_or("no numbers")?;
    assert_eq!(eleven.len(), 4);
    for (iou, eleven) in eleven {
        let report = score_files(truth.clone(), &FileIds::from_one(&truth), &file, VocOptions { iou: iou.parse()? })?;
        let every = expected["ap_by_iou_every_point"][iou].as_f64();
        for (ours, theirs) in [(report.voc_2007.map, eleven.as_f64()), (report.voc_2010.map, every)] {
            let (ours, theirs) = (ours.ok_or("not defined")?, theirs.ok_or("no number")?);
            // The file gives ten digits, the rest cut off.
            assert!((ours - theirs).abs() <= 1e-10, "at {iou}: {ours} is not {theirs}");
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_scored_is_named_with_its_place() -> Outcome {
    let folder = Folder::new()?;
    let good = r#"{"image_id":1,"category_id":1,"bbox":[1,2,3,4],"score":0.5}"#;
    let bad = |from: &str, to: &str| format!("[{good},{}]", good.replace(from, to));
    let cases = [
        (
            bad("\"image_id\":1", "\"image_id\":3"),
            "f.json: predictions[1] names image 3, which the ground truth does not list",
        ),
        (
            bad("\"image_id\":1", "\"image_id\":\"2007_000033\""),
            "f.json: predictions[1] names image \"2007_000033\", which the ground truth does not list",
        ),
        (
            bad("\"image_id\":1", "\"image_id\":\"1\""),
            "f.json: predictions[1] names image \"1\", which the ground truth does not list",
        ),
        (
            bad("\"category_id\":1", "\"category_id\":0"),
            "f.json: predictions[1] names category 0, which the ground truth does not list",
        ),
        (
            bad("[1,2,3,4]", "[1.7e308,2,1.7e308,4]"),
            "f.json: predictions[1] has bbox inf, which is not a finite number",
        ),
        (bad("[1,2,3,4]", "[1,2,1e999,4]"), "f.json:1:108: number out of range"),
        (bad("0.5", "NaN"), "f.json:1:117: expected value"),
        (bad(",\"bbox\":[1,2,3,4]", ""), "f.json:1:103: missing field `bbox`"),
        (bad("[1,2,3,4]", "[1,2,3]"), "f.json:1:105: invalid length 3, expected an array of length 4"),
        (bad("\"image_id\":1", "\"image_id\":-1"), "f.json:1:75: image_id must be a number from 0 or an image's name"),
        ("{}".to_owned(), "f.json is not a COCO results file, an array of predictions"),
        (String::new(), "f.json was cut short: its JSON ends in the middle of a value, after 0 bytes"),
        (format!("[{good},"), "f.json was cut short: its JSON ends in the middle of a value, after 61 bytes"),
    ];
    let truth = truth()?;
    let ids = FileIds::from_one(&truth);
    let score = |path: PathBuf, ids: &FileIds| score_files(truth.clone(), ids, path, VocOptions::default());
    let mut other = Vec::new();
    for (text, expected) in cases {
        let words = folder.words(score(folder.file(&text)?, &ids));
        if words != expected {
            other.push((text, words));
        }
    }
    assert_eq!(other, []);
    let absent = folder.words(score(folder.0.path().join("absent.json"), &ids));
    assert_eq!(absent, "cannot read absent.json: No such file or directory (os error 2)");

    let whole = folder.file("[]")?;
    let few = FileIds { images: vec![1], ..ids.clone() };
    assert_eq!(folder.words(score(whole.clone(), &few)), "1 ids were given for 2 images");
    let twice = FileIds { images: vec![4, 4], ..ids.clone() };
    assert_eq!(folder.words(score(whole.clone(), &twice)), "two images have the id 4");
    let twice = FileIds { classes: vec![4, 4], ..ids };
    assert_eq!(folder.words(score(whole, &twice)), "two categories have the id 4");
    Ok(())
}
