//! The analysis agrees with pycocotools' matching and ultralytics' confusion matrix on the small problem that
//! `tools/golden/coco_eval.py` makes, and names each kind of error.

use std::error::Error;

use eval::coco::{
    AnalysisOptions, AnalysisReport, Annotation, Category, CocoAnalysis, Detection, GroundTruth, Image, IouType,
    OperatingPoint, analyze_files, score_files,
};
use serde_json::Value;

use crate::Outcome;
use crate::folder::message;
use crate::golden::{assert_close, golden, read_json};

fn expected() -> Result<Value, Box<dyn Error>> {
    read_json(golden("coco_expected.json"))
}

fn golden_report() -> Result<AnalysisReport, eval::Error> {
    analyze_files(golden("coco_annotations.json"), golden("coco_predictions.json"), AnalysisOptions::default())
}

#[test]
fn the_best_threshold_is_the_one_that_trying_each_finds() -> Outcome {
    let report = golden_report()?;
    let expected = &expected()?["per_class"];
    let mut defined = 0;
    for class in &report.per_class {
        let expected = &expected[class.id.to_string()];
        assert_eq!(Some(class.objects), expected["objects"].as_u64());
        let Some(OperatingPoint { threshold, precision, recall, f1 }) = class.best else {
            assert_eq!(expected["best50"], Value::Null, "{}", class.name);
            continue;
        };
        defined += 1;
        for (key, value) in [("threshold", threshold), ("precision", precision), ("recall", recall), ("f1", f1)] {
            assert_close(&format!("{key} of {}", class.name), value, expected["best50"][key].as_f64());
        }
    }
    assert_eq!(defined, 3);
    let pooled = report.best.ok_or("no operating point for all classes")?;
    let bests = report.per_class.iter().filter_map(|class| class.best).map(|best| best.f1);
    assert!(pooled.f1 > 0.0 && pooled.f1 <= bests.fold(0.0, f64::max));
    Ok(())
}

#[test]
fn curves_are_those_of_pycocotools_and_their_mean_is_ap50() -> Outcome {
    let report = golden_report()?;
    let scored = score_files(golden("coco_annotations.json"), golden("coco_predictions.json"), IouType::Bbox)?;
    let expected = &expected()?["per_class"];
    for (class, scored) in report.per_class.iter().zip(&scored.per_class) {
        let theirs = expected[class.id.to_string()]["precision50"].as_array().ok_or("no curve")?;
        assert_eq!((class.precision.len(), class.score.len()), (theirs.len(), theirs.len()), "{}", class.name);
        for (&ours, theirs) in class.precision.iter().zip(theirs) {
            assert_close("precision", ours, theirs.as_f64());
        }
        assert!(class.score.is_sorted_by(|a, b| a >= b));
        let mean = (!theirs.is_empty()).then(|| class.precision.iter().sum::<f64>() / 101.0);
        assert_eq!(mean.is_some(), scored.ap50.is_some());
        if let Some(mean) = mean {
            assert_close("AP50", mean, scored.ap50);
        }
    }
    assert_close("AP50", report.tide.ap50, Some(scored.ap50()));
    Ok(())
}

#[test]
fn confusions_with_background_are_those_of_ultralytics() -> Outcome {
    let report = golden_report()?;
    let expected = expected()?;
    let rows = expected["confusion"].as_array().ok_or("no matrix")?;
    assert_eq!(report.confusion.classes, ["heap", "never seen", "washer", "bolt", "gear", "background"]);
    assert_eq!(rows.len(), 6);
    for (truth, row) in rows.iter().enumerate() {
        for predicted in 0..rows.len() {
            let count = Some(report.confusion.matrix.get(truth, predicted));
            assert_eq!(count, row[predicted].as_u64(), "{truth} taken for {predicted}");
        }
    }
    let first = &report.confusion.most_confused[0];
    assert_eq!((first.truth.as_str(), first.predicted.as_str()), ("background", "bolt"));
    Ok(())
}

const IMAGE: u64 = 5;

fn analyze(annotations: &[(u64, [f64; 4])], detections: &[(u64, [f64; 4])]) -> Result<AnalysisReport, eval::Error> {
    let image = |id| Image { id, width: 640, height: 480, file_name: String::new() };
    let category = |id: u64| Category { id, name: format!("class {id}") };
    let annotation = |&(category_id, bbox): &(u64, [f64; 4])| Annotation {
        image_id: IMAGE,
        category_id,
        bbox,
        area: bbox[2] * bbox[3],
        crowd: false,
    };
    let annotations = annotations.iter().map(annotation).collect();
    let ground_truth =
        GroundTruth::from_parts(vec![image(IMAGE), image(6)], vec![category(1), category(2)], annotations)?;
    let mut analysis = CocoAnalysis::new(ground_truth, AnalysisOptions::default())?;
    let ranked = detections.iter().zip(1..);
    let detection = |(&(category_id, bbox), rank): (&(u64, [f64; 4]), i32)| Detection {
        category_id,
        bbox,
        score: 1.0 - f64::from(rank) / 100.0,
    };
    analysis.add(IMAGE, &ranked.map(detection).collect::<Vec<_>>())?;
    analysis.finish()
}

#[test]
fn each_kind_of_error_is_recognised() -> Outcome {
    let at = |x: f64| [x, 0.0, 10.0, 10.0];
    let found = (1, at(0.0));
    let objects = [found, (1, at(100.0)), (2, at(200.0))];
    let cases = [
        ("Cls", vec![found, (2, at(100.0)), (2, at(200.0))]),
        ("Loc", vec![found, (1, at(105.0)), (2, at(200.0))]),
        ("Both", vec![found, (1, at(100.0)), (2, at(200.0)), (2, at(105.0))]),
        ("Dupe", vec![found, found, (1, at(100.0)), (2, at(200.0))]),
        ("Bkg", vec![found, (1, at(100.0)), (2, at(200.0)), (1, at(400.0))]),
        ("Miss", vec![found, (2, at(200.0))]),
    ];
    for (kind, detections) in cases {
        let tide = analyze(&objects, &detections)?.tide;
        for error in &tide.errors {
            assert_eq!(error.count, u64::from(error.name == kind), "{} where there is one {kind}", error.name);
        }
    }
    let miss = analyze(&objects, &[found, (2, at(200.0))])?.tide;
    let (delta, base) = (miss.errors[5].delta_ap, miss.ap50);
    assert!(delta > 0.2 && (base + delta - 1.0).abs() < 1e-12, "{delta} corrected on {base}");
    assert_close("false negatives", miss.false_negatives, delta);
    Ok(())
}

#[test]
fn scores_and_overlaps_at_the_limit_are_left_out_of_the_confusions() -> Outcome {
    let at = [0.0, 0.0, 10.0, 10.0];
    let half = [0.0, 0.0, 10.0, 5.0];
    let count = |options, score, bbox| -> Result<_, eval::Error> {
        let image = Image { id: IMAGE, width: 640, height: 480, file_name: String::new() };
        let annotation = Annotation { image_id: IMAGE, category_id: 1, bbox: at, area: 100.0, crowd: false };
        let category = Category { id: 1, name: "gear".to_owned() };
        let ground_truth = GroundTruth::from_parts(vec![image], vec![category], vec![annotation])?;
        let mut analysis = CocoAnalysis::new(ground_truth, options)?;
        analysis.add(IMAGE, &[Detection { category_id: 1, bbox, score }])?;
        Ok(analysis.finish()?.confusion.matrix.cells().collect::<Vec<_>>())
    };
    let options = AnalysisOptions { iou: 0.5, ..Default::default() };
    assert_eq!(count(options, 0.26, at)?, [(0, 0, 1)]);
    assert_eq!(count(options, 0.25, at)?, [(0, 1, 1)], "the score must be above");
    assert_eq!(count(options, 0.26, half)?, [(0, 1, 1), (1, 0, 1)], "the overlap must be above");
    Ok(())
}

#[test]
fn nothing_to_find_and_nothing_found_have_no_operating_point() -> Outcome {
    let at = [0.0, 0.0, 10.0, 10.0];
    let nothing_found = analyze(&[(1, at)], &[])?;
    assert_eq!((nothing_found.best, nothing_found.per_class[0].best), (None, None));
    assert_eq!(nothing_found.per_class[0].precision, vec![0.0; 101]);
    assert_eq!(nothing_found.confusion.matrix.cells().collect::<Vec<_>>(), [(0, 2, 1)]);
    let nothing_to_find = analyze(&[], &[(1, at)])?;
    assert_eq!((nothing_to_find.best, nothing_to_find.per_class[0].precision.len()), (None, 0));
    assert_eq!(nothing_to_find.confusion.matrix.cells().collect::<Vec<_>>(), [(2, 0, 1)]);
    Ok(())
}

#[test]
fn invalid_input_is_refused() -> Outcome {
    let ground_truth = GroundTruth::from_file(golden("coco_annotations.json"))?;
    let image_id = ground_truth.images()[0].id;
    let with = |options| message(CocoAnalysis::new(ground_truth.clone(), options).map(drop));
    let options = AnalysisOptions { confidence: f64::NAN, ..Default::default() };
    assert_eq!(with(options), "confidence is NaN instead of a finite number");
    assert_eq!(
        with(AnalysisOptions { iou: 1.0, ..Default::default() }),
        "iou is 1 instead of a number from 0 and below 1"
    );

    let mut analysis = CocoAnalysis::new(ground_truth.clone(), AnalysisOptions::default())?;
    let unlisted = analysis.add(1, &[]);
    assert_eq!(message(unlisted), "image 1 is not in the ground truth");
    let unknown = analysis.add(image_id, &[Detection { category_id: 2, bbox: [0.0; 4], score: 0.5 }]);
    let expected = format!("image {image_id}: detections[0]: category 2 is not in the ground truth");
    assert_eq!(message(unknown), expected);
    analysis.add(image_id, &[])?;
    assert_eq!(message(analysis.add(image_id, &[])), format!("image {image_id} occurs twice"));
    Ok(())
}
