//! The numbers are those of the development kit's rules on a small problem made by `tools/golden/voc.py`.

use eval::voc::{Detection, GroundTruth, Object, VocEvaluator, VocOptions, VocReport};
use serde::Deserialize;

use crate::Outcome;
use crate::folder::message;
use crate::golden::assert_close;
use crate::voc_case;

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
        assert_close("mAP of 2007", report.voc_2007.map, expected.map_2007);
        assert_close("mAP of 2010", report.voc_2010.map, expected.map_2010);
        for (class, expected) in report.per_class.iter().zip(&expected.per_class) {
            let counts = (class.objects, class.right, class.wrong);
            assert_eq!(counts, (expected.objects, expected.right, expected.wrong), "{}", class.name);
            assert_close(&class.name, class.ap_2007, expected.ap_2007);
            assert_close(&class.name, class.ap_2010, expected.ap_2010);
        }
        assert_eq!((report.images, report.detections), (24, case.detections.len() as u64));
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
fn detections_of_difficult_objects_are_ignored() -> Outcome {
    let far = [50.0, 50.0, 60.0, 60.0];
    let objects = vec![object("1", BBOX), Object { difficult: true, ..object("1", far) }];
    let report = score(objects, &[detection(far, 0.9), detection(far, 0.8), detection(BBOX, 0.7)])?;
    assert_eq!((report.voc_2007.map, report.voc_2010.map), (Some(1.0), Some(1.0)));
    let dog = &report.per_class[0];
    assert_eq!((dog.objects, dog.difficult, dog.right, dog.wrong), (1, 1, 1, 0));
    Ok(())
}

#[test]
fn the_report_names_the_rule_of_each_number() -> Outcome {
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
fn invalid_input_is_refused_and_not_added() -> Outcome {
    let parts = |images: &[&str], objects| {
        let images = images.iter().map(|&image| image.to_owned()).collect();
        message(GroundTruth::from_parts(images, ["dog"], objects).map(drop))
    };
    assert_eq!(parts(&["1", "1"], Vec::new()), "image \"1\" occurs twice");
    assert_eq!(parts(&["1"], vec![object("3", BBOX)]), "objects[0]: image \"3\" is not in the ground truth");
    let outside = vec![Object { class: 1, ..object("1", BBOX) }];
    assert_eq!(parts(&["1"], outside), "objects[0]: the class is 1 instead of an index below 1");
    let nan = [0.0, f64::NAN, 1.0, 1.0];
    assert_eq!(parts(&["1"], vec![object("1", nan)]), "objects[0]: bbox is NaN instead of a finite number");
    let options = VocEvaluator::new(small(Vec::new())?, VocOptions { iou: 0.0 }).map(drop);
    assert_eq!(message(options), "iou is 0 instead of a number above 0 and up to 1");

    let mut evaluator = VocEvaluator::new(small(vec![object("1", BBOX)])?, VocOptions::default())?;
    let good = detection(BBOX, 0.5);
    assert_eq!(message(evaluator.add("3", &[good])), "image \"3\" is not in the ground truth");
    let outside = evaluator.add("1", &[good, Detection { class: 2, ..good }]);
    assert_eq!(message(outside), "image \"1\": detections[1]: the class is 2 instead of an index below 2");
    let score = evaluator.add("1", &[detection(BBOX, f64::INFINITY)]);
    assert_eq!(message(score), "image \"1\": detections[0]: score is inf instead of a finite number");
    let bbox = evaluator.add("1", &[good, detection(nan, 0.5)]);
    assert_eq!(message(bbox), "image \"1\": detections[1]: bbox is NaN instead of a finite number");
    evaluator.add("1", &[good])?;
    assert_eq!(message(evaluator.add("1", &[])), "image \"1\" occurs twice");
    let other = evaluator.clone();
    assert_eq!(message(evaluator.merge(&other)), "image \"1\" occurs twice");
    let unlike = VocEvaluator::new(small(Vec::new())?, VocOptions::default())?;
    assert_eq!(message(evaluator.merge(&unlike)), "two evaluations with different ground truth cannot be merged");
    let report = evaluator.finish();
    assert_eq!((report.voc_2010.map, report.detections), (Some(1.0), 1));
    Ok(())
}
