//! Masks: the numbers of pycocotools 2.0.11, and the place of what is no mask.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use eval::coco::{
    Annotation, Category, CocoEvaluator, CocoReport, GroundTruth, Image, IouType, Mask, MaskDetection,
    read_mask_predictions, score_files,
};
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(path: &Path) -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

#[track_caller]
fn assert_statistics(report: &CocoReport, expected: &Value) {
    let expected = expected.as_array().expect("an array of statistics");
    assert_eq!(expected.len(), 12);
    for (row, expected) in report.rows().zip(expected) {
        let expected = expected.as_f64().expect("a number");
        assert!((row.value - expected).abs() <= 1e-12, "{} is {}, pycocotools says {expected}", row.name, row.value);
    }
}

fn golden_report() -> Result<CocoReport, eval::Error> {
    score_files(golden("coco_segm_annotations.json"), golden("coco_segm_predictions.json"), IouType::Segm)
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn coco_fake_masks_give_the_twelve_statistics_of_pycocotools() -> Outcome {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/coco_eval"));
    if !folder.is_dir() {
        eprintln!("skipped: {} is not here", folder.display());
        return Ok(());
    }
    let expected = &read(&folder.join("expected.json"))?["segm"];
    let file = |key: &str| folder.join(expected[key].as_str().unwrap_or_default());
    let report = score_files(file("gt"), file("dt"), IouType::Segm)?;
    assert_statistics(&report, &expected["stats"]);
    assert_eq!((report.images, report.detections, report.findings.len()), (100, 734, 0));
    Ok(())
}

#[test]
fn polygons_crowds_and_holes_give_the_twelve_statistics_of_pycocotools() -> Outcome {
    let report = golden_report()?;
    let expected = read(&golden("coco_segm_expected.json"))?;
    assert_statistics(&report, &expected["stats"]);
    for class in &report.per_class {
        match (class.ap, expected["ap"][class.id.to_string()].as_f64()) {
            (None, None) => (),
            (Some(ours), Some(theirs)) if (ours - theirs).abs() <= 1e-12 => (),
            (ours, theirs) => panic!("AP of {} is {ours:?}, pycocotools says {theirs:?}", class.name),
        }
    }
    Ok(())
}

#[test]
fn the_report_says_what_overlaps_are_of() -> Outcome {
    let segm = golden_report()?;
    assert_eq!(segm.rule, "COCO segm, IoU .50:.05:.95, 101 recall points, as pycocotools 2.0.11");
    assert_eq!(serde_json::to_value(&segm)?["iou_type"], "segm");
    let bbox = score_files(golden("coco_annotations.json"), golden("coco_predictions.json"), IouType::Bbox)?;
    assert_eq!(serde_json::to_value(&bbox)?["iou_type"], "bbox");
    assert_eq!([IouType::Bbox, IouType::Segm].map(|kind| kind.to_string()), ["bbox", "segm"]);
    Ok(())
}

#[test]
fn masks_in_memory_score_as_those_of_the_files() -> Outcome {
    let folder = tempfile::tempdir()?;
    let whole = GroundTruth::from_file_with_masks(golden("coco_segm_annotations.json"))?;
    let masks = whole.masks().ok_or("no masks")?.to_vec();
    let parts: Vec<_> = whole.annotations().iter().copied().zip(masks).rev().collect();
    let ground_truth = GroundTruth::from_parts_with_masks(whole.images().to_vec(), whole.categories().to_vec(), parts)?;
    ground_truth.write(folder.path().join("annotations.json"))?;
    let written =
        score_files(folder.path().join("annotations.json"), golden("coco_segm_predictions.json"), IouType::Segm)?;

    let predictions = read_mask_predictions(golden("coco_segm_predictions.json"))?;
    let mut evaluator = CocoEvaluator::with_masks(ground_truth)?;
    for image in whole.images() {
        let of_image = predictions.iter().filter(|prediction| prediction.image_id == image.id);
        let detections: Vec<MaskDetection> = of_image.map(|prediction| prediction.clone().detection()).collect();
        evaluator.add(image.id, &detections)?;
    }
    let in_memory = evaluator.finish()?;
    assert_eq!(in_memory, written);
    assert_eq!(in_memory.stats, golden_report()?.stats);
    Ok(())
}

/// A detection's area is its mask's, also where its box says otherwise: detectron2 drops the box before pycocotools sees it.
#[test]
fn a_box_beside_a_mask_is_passed_over() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut predictions = read(&golden("coco_segm_predictions.json"))?;
    for prediction in predictions.as_array_mut().ok_or("no array")? {
        prediction["bbox"] = json!([0.0, 0.0, 1.0, 1.0]);
    }
    let path = folder.path().join("predictions.json");
    fs::write(&path, predictions.to_string())?;
    assert_eq!(score_files(golden("coco_segm_annotations.json"), path, IouType::Segm)?, golden_report()?);
    Ok(())
}

fn image(width: usize, height: usize) -> Image {
    Image { id: 5, width, height, file_name: String::new() }
}

const OBJECT: Annotation =
    Annotation { image_id: 5, category_id: 1, bbox: [0.0, 0.0, 4.0, 3.0], area: 12.0, crowd: false };

fn truth(image: Image, mask: Mask) -> Result<GroundTruth, eval::Error> {
    GroundTruth::from_parts_with_masks(vec![image], vec![Category { id: 1, name: "leaf".into() }], vec![(OBJECT, mask)])
}

fn square() -> Mask {
    Mask::polygons(vec![vec![0.0, 0.0, 4.0, 0.0, 4.0, 3.0, 0.0, 3.0]])
}

#[test]
fn the_spellings_of_a_mask_are_one() -> Outcome {
    // 3 x 4 pixels of an image of 6 x 8, down the columns.
    let runs = Mask::runs([6, 8], vec![0, 3, 3, 3, 3, 3, 3, 3, 27]);
    let string = Mask::compressed([6, 8], "03300000h0".to_owned());
    for mask in [square(), runs, string] {
        let mut evaluator = CocoEvaluator::with_masks(truth(image(8, 6), square())?)?;
        evaluator.add(5, &[MaskDetection { category_id: 1, mask: mask.clone(), score: 0.5 }])?;
        let report = evaluator.finish()?;
        assert!((report.ap() - 1.0).abs() < 1e-12, "{mask:?} has AP {}", report.ap());
        assert_eq!((report.ar_small(), report.ar_large()), (1.0, -1.0));
    }
    Ok(())
}

#[test]
fn what_is_no_mask_of_its_image_is_refused_and_leaves_no_trace() -> Outcome {
    let mut evaluator = CocoEvaluator::with_masks(truth(image(8, 6), square())?)?;
    let sides = [0.0, 0.0, 4.0, 0.0, 4.0, 3.0];
    let cases = [
        (Mask::polygons(Vec::new()), "has no mask"),
        (
            Mask::polygons(vec![sides.to_vec(), sides[..4].to_vec()]),
            "has a mask that cannot be evaluated: polygon [1] has 4 numbers, not x and y of 3 or more points",
        ),
        (
            Mask::polygons(vec![[&sides[..], &[1.0]].concat()]),
            "has a mask that cannot be evaluated: polygon [0] has 7 numbers, not x and y of 3 or more points",
        ),
        (
            Mask::polygons(vec![vec![0.0, 0.0, f64::INFINITY, 0.0, 4.0, 3.0]]),
            "has segmentation inf, which is not a finite number",
        ),
        (
            Mask::runs([8, 6], vec![48]),
            "has a mask that cannot be evaluated: it is of 8 x 6 pixels (height x width), its image of 6 x 8",
        ),
        (Mask::runs([6, 8], vec![7, 7]), "has a mask that cannot be evaluated: its runs end after 14 of 48 pixels"),
        (
            Mask::compressed([6, 8], "0330".to_owned()),
            "has a mask that cannot be evaluated: its runs end after 9 of 48 pixels",
        ),
        (Mask::runs([6, 8], vec![u32::MAX; 3]), "has a mask that cannot be evaluated: invalid RLE"),
        (Mask::compressed([6, 8], "~~~~~~~~~~~~~~~~".to_owned()), "has a mask that cannot be evaluated: invalid RLE"),
        (Mask::compressed([6, 8], "\u{e9}\n".to_owned()), "has a mask that cannot be evaluated: invalid RLE"),
    ];
    for (mask, expected) in cases {
        let refused = evaluator.add(5, &[MaskDetection { category_id: 1, mask: mask.clone(), score: 0.5 }]);
        let words = refused.err().map_or_else(|| "no error".to_owned(), |error| error.to_string());
        let start = format!("detection [0] of image 5 {expected}");
        assert!(words.starts_with(&start), "{mask:?} is refused with {words:?}, not {start:?}");
        let words = truth(image(8, 6), mask).err().map_or_else(|| "no error".to_owned(), |error| error.to_string());
        assert!(words.starts_with(&format!("annotations[0] {expected}")), "{words:?}");
    }
    let no_score = evaluator.add(5, &[MaskDetection { category_id: 1, mask: square(), score: f64::NAN }]);
    assert_eq!(
        no_score.err().map(|error| error.to_string()).as_deref(),
        Some("detection [0] of image 5 has score NaN, which is not a finite number")
    );
    evaluator.add(5, &[MaskDetection { category_id: 1, mask: square(), score: 0.5 }])?;
    assert_eq!(evaluator.finish()?.detections, 1);
    Ok(())
}

#[test]
fn an_image_without_a_size_has_no_masks() {
    let words = |image| truth(image, square()).err().map(|error| error.to_string());
    let expected = "image 5 is of 0 x 8 pixels (height x width), and no mask can be";
    assert_eq!(words(image(8, 0)).as_deref(), Some(expected));
    let expected = "image 5 is of 65536 x 65536 pixels (height x width), and no mask can be";
    assert_eq!(words(image(1 << 16, 1 << 16)).as_deref(), Some(expected));
}

#[test]
fn polygons_far_outside_the_image_cost_no_more_than_it() -> Outcome {
    let far = Mask::polygons(vec![vec![-1e300, -1e300, 1e300, -1e300, 0.0, 1e300]]);
    let mut evaluator = CocoEvaluator::with_masks(truth(image(8, 6), square())?)?;
    evaluator.add(5, &[MaskDetection { category_id: 1, mask: far, score: 0.5 }])?;
    assert_eq!(evaluator.finish()?.ap(), 0.0);
    Ok(())
}

#[test]
fn ground_truth_of_boxes_is_not_scored_by_masks() -> Outcome {
    let boxes = GroundTruth::from_file(golden("coco_segm_annotations.json"))?;
    assert!(boxes.masks().is_none());
    assert_eq!(
        CocoEvaluator::with_masks(boxes).err().map(|error| error.to_string()).as_deref(),
        Some("the ground truth was read without its masks, which the evaluation of masks needs")
    );
    Ok(())
}

#[test]
fn files_with_what_is_no_mask_are_named_with_the_place() -> Outcome {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| -> std::io::Result<PathBuf> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    let words = |result: Result<CocoReport, eval::Error>| {
        let text = result.err().map_or_else(|| "no error".to_owned(), |error| error.to_string());
        text.replace(&format!("{}/", folder.path().display()), "")
    };
    let annotations = |masks: &str| {
        format!(
            r#"{{"images":[{{"id":5,"width":8,"height":6}}],"categories":[{{"id":1,"name":"leaf"}}],"annotations":[
            {{"id":1,"image_id":9,"category_id":1,"bbox":[0,0,4,3],"segmentation":[[1,2]]}},
            {{"id":2,"image_id":5,"category_id":1,"bbox":[0,0,4,3],"area":12{masks}}}]}}"#
        )
    };
    let good = write("good.json", &annotations(r#","segmentation":[[0,0,4,0,4,3,0,3]]"#))?;
    let none = write("none.json", "[]")?;
    assert_eq!(words(score_files(&good, &none, IouType::Segm)), "no error");
    let cases = [
        ("", "f.json: annotations[1] has no mask"),
        (r#","segmentation":null"#, "f.json: annotations[1] has no mask"),
        (r#","segmentation":[]"#, "f.json: annotations[1] has no mask"),
        (
            r#","segmentation":{"size":[6,9],"counts":[54]}"#,
            "f.json: annotations[1] has a mask that cannot be evaluated: it is of 6 x 9 pixels (height x width), its \
             image of 6 x 8",
        ),
    ];
    for (masks, expected) in cases {
        let path = write("f.json", &annotations(masks))?;
        assert_eq!(words(score_files(&path, &none, IouType::Segm)), expected, "{masks}");
        assert_eq!(words(score_files(&path, &none, IouType::Bbox)), "no error", "{masks}");
    }

    let prediction = |mask: &str| format!("[{{\"image_id\":5,\"category_id\":1,\"score\":0.5{mask}}}]");
    let cases = [
        ("", "p.json:1:43: missing field `segmentation`"),
        (",\"segmentation\":3", "p.json:1:59: invalid type: integer `3`, expected a list of polygons or an RLE object"),
        (
            ",\"segmentation\":{\"size\":[6,8],\"counts\":\"",
            "p.json was cut short: its JSON ends in the middle of a value",
        ),
        (
            ",\"segmentation\":{\"size\":[6,8],\"counts\":\"0330\"}",
            "p.json: predictions[0] has a mask that cannot be evaluated: its runs end after 9 of 48 pixels",
        ),
    ];
    for (mask, expected) in cases {
        let text = prediction(mask);
        let text = if expected.contains("cut short") { text.trim_end_matches("}]") } else { &text };
        let refused = words(score_files(&good, write("p.json", text)?, IouType::Segm));
        assert!(refused.starts_with(expected), "{refused:?} is not {expected:?}");
    }
    Ok(())
}
