//! The numbers are those of the development kit's rules: on the review's case where it is at hand, and on a small problem
//! made by `tools/golden/voc.py`.

mod voc_case;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use eval::voc::{Detection, GroundTruth, Object, VocEvaluator, VocOptions, VocReport};
use serde::Deserialize;

type Outcome = Result<(), Box<dyn Error>>;

#[derive(Deserialize)]
struct Expected {
    iou: f64,
    map_2007: f64,
    map_2010: f64,
    per_class: Vec<ExpectedClass>,
}

#[derive(Deserialize)]
struct ExpectedClass {
    objects: u64,
    right: u64,
    wrong: u64,
    ap_2007: Option<f64>,
    ap_2010: Option<f64>,
}

#[track_caller]
fn assert_close(what: &str, ours: Option<f64>, theirs: Option<f64>, tolerance: f64) {
    match (ours, theirs) {
        (None, None) => (),
        (Some(ours), Some(theirs)) if (ours - theirs).abs() <= tolerance => (),
        _ => panic!("{what} is {ours:?}, the reference says {theirs:?}"),
    }
}

#[test]
fn ties_difficult_objects_and_duplicates_score_as_in_the_development_kit() -> Outcome {
    let (case, expected) = voc_case::read::<Expected>()?;
    let ground_truth = case.truth()?;
    for expected in &expected {
        let mut evaluator = VocEvaluator::new(ground_truth.clone(), VocOptions { iou: expected.iou })?;
        for image in case.images.iter().rev() {
            evaluator.add(image, &case.detected(image, |bbox| bbox))?;
        }
        let report = evaluator.finish();
        assert_close("mAP of 2007", report.voc_2007.map, Some(expected.map_2007), 1e-12);
        assert_close("mAP of 2010", report.voc_2010.map, Some(expected.map_2010), 1e-12);
        for (class, expected) in report.per_class.iter().zip(&expected.per_class) {
            let counts = (class.objects, class.right, class.wrong);
            assert_eq!(counts, (expected.objects, expected.right, expected.wrong), "{}", class.name);
            assert_close(&class.name, class.ap_2007, expected.ap_2007, 1e-12);
            assert_close(&class.name, class.ap_2010, expected.ap_2010, 1e-12);
        }
        assert_eq!((report.images, report.detections), (24, case.detections.len() as u64));
    }
    Ok(())
}

/// A score, 0 for an object, and a box.
type Scored = (f64, [f64; 4]);

/// Lines of numbers after a class name, x y w h last; the last pixel of a box is x + w.
fn boxes(path: &Path) -> Result<Vec<Scored>, Box<dyn Error>> {
    let line = |line: &str| -> Result<_, Box<dyn Error>> {
        let numbers: Vec<f64> = line.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
        let [score, x, y, w, h] = <[f64; 5]>::try_from([vec![0.0; 5 - numbers.len()], numbers].concat())
            .map_err(|numbers| format!("{} numbers", numbers.len()))?;
        Ok((score, [x, y, x + w, y + h]))
    };
    fs::read_to_string(path)?.lines().filter(|text| !text.trim().is_empty()).map(line).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn the_case_of_the_review_of_detection_metrics_has_its_numbers() -> Outcome {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/coco_eval"));
    if !folder.is_dir() {
        eprintln!("skipped: {} is not here", folder.display());
        return Ok(());
    }
    #[derive(Deserialize)]
    struct File {
        voc_ap_case: Case,
    }
    #[derive(Deserialize)]
    struct Case {
        ap_by_iou_11point: BTreeMap<String, f64>,
        ap_by_iou_every_point: BTreeMap<String, f64>,
    }
    let File { voc_ap_case: expected } = serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let case = folder.join("voc_ap_case");
    let images: Vec<String> = (1..=7).map(|number| format!("{number:05}")).collect();
    let mut objects = Vec::new();
    for image in &images {
        let of_image = boxes(&case.join("gts").join(format!("{image}.txt")))?;
        objects.extend(of_image.into_iter().map(|(_, bbox)| Object {
            image: image.clone(),
            class: 0,
            bbox,
            difficult: false,
        }));
    }
    assert_eq!(objects.len(), 15);
    let ground_truth = Arc::new(GroundTruth::from_parts(images.clone(), ["object"], objects)?);
    assert_eq!(expected.ap_by_iou_11point.len(), 4);
    for (iou, &eleven_point) in &expected.ap_by_iou_11point {
        let mut evaluator = VocEvaluator::new(ground_truth.clone(), VocOptions { iou: iou.parse()? })?;
        for image in &images {
            let found = boxes(&case.join("dets").join(format!("{image}.txt")))?;
            let detection = |(score, bbox)| Detection { class: 0, bbox, score };
            evaluator.add(image, &found.into_iter().map(detection).collect::<Vec<_>>())?;
        }
        let report = evaluator.finish();
        // The file gives ten digits, the rest cut off.
        assert_close(&format!("eleven points at {iou}"), report.voc_2007.map, Some(eleven_point), 1e-10);
        let every_point = expected.ap_by_iou_every_point.get(iou).copied();
        assert_close(&format!("every point at {iou}"), report.voc_2010.map, every_point, 1e-10);
        assert_eq!(report.detections, 24);
    }
    Ok(())
}

const BBOX: [f64; 4] = [0.0, 0.0, 9.0, 9.0];

fn object(image: &str, bbox: [f64; 4]) -> Object {
    Object { image: image.to_owned(), class: 0, bbox, difficult: false }
}

fn detection(bbox: [f64; 4], score: f64) -> Detection {
    Detection { class: 0, bbox, score }
}

fn small(objects: Vec<Object>) -> Result<GroundTruth, eval::Error> {
    GroundTruth::from_parts(vec!["1".to_owned(), "2".to_owned()], ["dog", "cat"], objects)
}

fn score(objects: Vec<Object>, detections: &[Detection]) -> Result<VocReport, eval::Error> {
    let mut evaluator = VocEvaluator::new(small(objects)?, VocOptions::default())?;
    evaluator.add("1", detections)?;
    Ok(evaluator.finish())
}

#[test]
fn an_overlap_of_exactly_half_is_enough_and_the_last_pixel_counts() -> Outcome {
    let half = [0.0, 0.0, 9.0, 4.0];
    assert_eq!(score(vec![object("1", BBOX)], &[detection(half, 0.5)])?.voc_2010.map, Some(1.0));
    let less = [0.0, 0.0, 9.0, 3.9];
    assert_eq!(score(vec![object("1", BBOX)], &[detection(less, 0.5)])?.voc_2010.map, Some(0.0));
    let point = [3.0, 3.0, 3.0, 3.0];
    assert_eq!(
        score(vec![object("1", point)], &[detection(point, 0.5)])?.voc_2010.map,
        Some(1.0),
        "a box of one pixel"
    );
    Ok(())
}

#[test]
fn a_second_detection_of_an_object_is_wrong_even_where_another_object_is_free() -> Outcome {
    let beside = [2.0, 0.0, 11.0, 9.0];
    let objects = vec![object("1", BBOX), object("1", beside)];
    let report = score(objects, &[detection(BBOX, 0.9), detection([0.5, 0.0, 9.5, 9.0], 0.8)])?;
    assert_eq!((report.per_class[0].right, report.per_class[0].wrong), (1, 1));
    Ok(())
}

#[test]
fn what_overlaps_a_difficult_object_counts_neither_way() -> Outcome {
    let far = [50.0, 50.0, 60.0, 60.0];
    let objects = vec![object("1", BBOX), Object { difficult: true, ..object("1", far) }];
    let report = score(objects, &[detection(far, 0.9), detection(far, 0.8), detection(BBOX, 0.7)])?;
    assert_eq!((report.voc_2007.map, report.voc_2010.map), (Some(1.0), Some(1.0)));
    let dog = &report.per_class[0];
    assert_eq!((dog.objects, dog.difficult, dog.right, dog.wrong), (1, 1, 1, 0));
    Ok(())
}

#[test]
fn the_rule_stands_beside_the_number() -> Outcome {
    let report = serde_json::to_value(score(vec![object("1", BBOX)], &[])?)?;
    let rest = "IoU from 0.5, inclusive pixels, difficult objects ignored";
    assert_eq!(report["voc_2007"]["rule"], format!("VOC2007 AP at eleven points of recall, {rest}"));
    assert_eq!(report["voc_2010"]["rule"], format!("VOC2010 AP at every point of recall, {rest}"));
    assert_eq!(
        (&report["voc_2007"]["map"], &report["per_class"][1]["ap_2010"]),
        (&0.0.into(), &serde_json::Value::Null)
    );
    let nothing = score(Vec::new(), &[detection(BBOX, 0.5)])?;
    assert_eq!((nothing.voc_2007.map, nothing.voc_2010.map), (None, None));
    Ok(())
}

#[test]
fn what_cannot_be_evaluated_is_refused_and_leaves_no_trace() -> Outcome {
    let words = |result: Result<(), eval::Error>| result.err().map_or_else(String::new, |error| error.to_string());
    let parts = |images: &[&str], objects| {
        let images = images.iter().map(|&image| image.to_owned()).collect();
        words(GroundTruth::from_parts(images, ["dog"], objects).map(drop))
    };
    assert_eq!(parts(&["1", "1"], Vec::new()), "image \"1\": the ground truth lists it twice");
    assert_eq!(parts(&["1"], vec![object("3", BBOX)]), "image \"3\": the ground truth does not list it");
    let outside = vec![Object { class: 1, ..object("1", BBOX) }];
    assert_eq!(parts(&["1"], outside), "objects[0] is of class 1, but there are 1 classes, from 0");
    let nan = [0.0, f64::NAN, 1.0, 1.0];
    assert_eq!(parts(&["1"], vec![object("1", nan)]), "objects[0] has bbox NaN, which is not a finite number");
    let options = VocEvaluator::new(small(Vec::new())?, VocOptions { iou: 0.0 }).map(drop);
    assert_eq!(words(options), "iou is 0 instead of a number above 0 and up to 1");

    let mut evaluator = VocEvaluator::new(small(vec![object("1", BBOX)])?, VocOptions::default())?;
    let good = detection(BBOX, 0.5);
    assert_eq!(words(evaluator.add("3", &[good])), "image \"3\": the ground truth does not list it");
    let outside = evaluator.add("1", &[good, Detection { class: 2, ..good }]);
    assert_eq!(words(outside), "image \"1\": detection [1] is of class 2, but there are 2 classes, from 0");
    let score = evaluator.add("1", &[detection(BBOX, f64::INFINITY)]);
    assert_eq!(words(score), "image \"1\": detection [0] has score inf, which is not a finite number");
    let bbox = evaluator.add("1", &[good, detection(nan, 0.5)]);
    assert_eq!(words(bbox), "image \"1\": detection [1] has bbox NaN, which is not a finite number");
    evaluator.add("1", &[good])?;
    assert_eq!(words(evaluator.add("1", &[])), "image \"1\": it was added twice");
    let other = evaluator.clone();
    assert_eq!(words(evaluator.merge(&other)), "image \"1\": it was added twice");
    let unlike = VocEvaluator::new(small(Vec::new())?, VocOptions::default())?;
    assert_eq!(words(evaluator.merge(&unlike)), "two evaluations with different ground truth cannot be merged");
    let report = evaluator.finish();
    assert_eq!((report.voc_2010.map, report.detections), (Some(1.0), 1));
    Ok(())
}
