//! Paired comparisons: what holds for every two sets of predictions, in each of the three tasks.

use eval::classification::{
    ClassificationComparison, ClassificationEvaluator, ClassificationOptions, PredictionWriter, write_truth,
};
use eval::coco::{
    self, Annotation, Category, CocoComparison, CocoEvaluator, Detection, GroundTruth, Image, IouType, Prediction,
    read_predictions, write_predictions,
};
use eval::segmentation::{SegmentationComparison, SegmentationEvaluator, SegmentationOptions};
use eval::{BootstrapOptions, Comparison, classification};
use proptest::prelude::*;

use crate::Outcome;
use crate::folder::{Folder, message};
use crate::golden::{assert_close, golden, read_json};

const FEW: BootstrapOptions = BootstrapOptions { resamples: 60, seed: 3, confidence: 0.95 };

/// A set against itself: nothing differs, in no resample.
fn assert_equal(comparison: &Comparison) {
    for metric in &comparison.metrics {
        assert_eq!(metric.a, metric.b);
        let none = metric.a.map(|_| 0.0);
        assert_eq!((metric.difference, metric.b_above_a, metric.a_above_b), (none, none, none), "{metric:?}");
        assert_eq!((metric.low, metric.high), (none, none), "{metric:?}");
    }
}

/// B against A is A against B with the sign turned, to the bit.
fn assert_mirrored(forward: &Comparison, backward: &Comparison) {
    assert_eq!(forward.metrics.len(), backward.metrics.len());
    for (metric, mirrored) in forward.metrics.iter().zip(&backward.metrics) {
        assert_eq!((metric.a, metric.b), (mirrored.b, mirrored.a));
        let turned = |value: Option<f64>| value.map(|value| -value);
        assert_eq!(metric.difference, turned(mirrored.difference));
        assert_eq!((metric.low, metric.high), (turned(mirrored.high), turned(mirrored.low)));
        assert_eq!((metric.b_above_a, metric.a_above_b), (mirrored.a_above_b, mirrored.b_above_a));
        assert_eq!(metric.resamples, mirrored.resamples);
    }
}

fn assert_ordered(comparison: &Comparison) {
    for metric in &comparison.metrics {
        if let (Some(low), Some(high)) = (metric.low, metric.high) {
            assert!(low <= high, "{metric:?}");
        }
        let shares = metric.b_above_a.unwrap_or(0.0) + metric.a_above_b.unwrap_or(0.0);
        assert!((0.0..=1.0 + 1e-12).contains(&shares), "{metric:?}");
    }
}

const IMAGES: u64 = 5;

type Boxes = Vec<(u64, [f64; 4])>;

fn boxes() -> impl Strategy<Value = Vec<Boxes>> {
    let one = (1u64..3, [0.0..60.0, 0.0..60.0, 4.0..40.0, 4.0..40.0]);
    prop::collection::vec(prop::collection::vec(one, 0..5), IMAGES as usize)
}

fn ground_truth(objects: &[Boxes]) -> Result<GroundTruth, eval::Error> {
    // Ids fall where places rise.
    let images = (0..IMAGES).map(|place| Image { id: 90 - place, width: 99, height: 99, file_name: String::new() });
    let categories = [1, 2].map(|id| Category { id, name: id.to_string() });
    let annotations = objects.iter().zip(0..).flat_map(|(objects, place)| {
        objects.iter().map(move |&(category_id, bbox)| Annotation {
            image_id: 90 - place,
            category_id,
            bbox,
            area: bbox[2] * bbox[3],
            crowd: false,
        })
    });
    GroundTruth::from_parts(images.collect(), categories.to_vec(), annotations.collect())
}

/// Shifted objects with scores that fall by place, and boxes at random.
fn detect(objects: &[Boxes], noise: &[Boxes], shift: f64) -> Vec<Vec<Detection>> {
    let scores = (0..).map(|rank| 1.0 / (f64::from(rank % 7) + 2.0 + f64::from(rank) * 1e-6));
    let mut scores = scores.into_iter();
    let both = objects.iter().zip(noise);
    both.map(|(objects, noise)| {
        let moved = objects.iter().map(|&(class, [x, y, w, h])| (class, [x + shift * w, y, w, h]));
        moved
            .chain(noise.iter().copied())
            .zip(scores.by_ref())
            .map(|((category_id, bbox), score)| Detection { category_id, bbox, score })
            .collect()
    })
    .collect()
}

fn compare_boxes(objects: &[Boxes], a: &[Vec<Detection>], b: &[Vec<Detection>]) -> Result<Comparison, eval::Error> {
    let mut comparison = CocoComparison::new(ground_truth(objects)?, FEW)?;
    for (place, (a, b)) in (0..).zip(a.iter().zip(b)) {
        comparison.add(90 - place, a, b)?;
    }
    comparison.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn detectors_are_compared_alike_from_both_sides(objects in boxes(), noise in boxes(), shift in 0.0..0.4) {
        let (a, b) = (detect(&objects, &noise, shift), detect(&objects, &[(); IMAGES as usize].map(|()| Vec::new()), 0.1));
        let forward = compare_boxes(&objects, &a, &b)?;
        assert_mirrored(&forward, &compare_boxes(&objects, &b, &a)?);
        assert_equal(&compare_boxes(&objects, &a, &a)?);
        assert_ordered(&forward);
    }

    #[test]
    fn ap_on_all_images_equals_the_evaluators(objects in boxes(), noise in boxes(), shift in 0.0..0.4) {
        let detections = detect(&objects, &noise, shift);
        let compared = compare_boxes(&objects, &detections, &detections)?;
        let mut evaluator = CocoEvaluator::new(ground_truth(&objects)?)?;
        for (place, detections) in (0..).zip(&detections) {
            evaluator.add(90 - place, detections)?;
        }
        let report = evaluator.finish()?;
        for (metric, expected) in compared.metrics.iter().zip([report.ap(), report.ap50()]) {
            let found = metric.a.unwrap_or(-1.0);
            prop_assert!((found - expected).abs() <= 1e-12, "{} is {}, the evaluator's is {}", metric.name, found, expected);
        }
    }

    #[test]
    fn classifiers_are_compared_alike_from_both_sides(
        images in prop::collection::vec((prop::array::uniform3(-2.0f32..2.0), prop::array::uniform3(-2.0f32..2.0), 0usize..3), 1..40)
    ) {
        let compare = |swap: bool, same: bool| {
            let mut comparison = ClassificationComparison::new(["a", "b", "c"], FEW)?;
            for (a, b, truth) in &images {
                let b = if same { a } else { b };
                let (a, b) = if swap { (b, a) } else { (a, b) };
                comparison.add("image", a, b, *truth)?;
            }
            comparison.finish()
        };
        let forward = compare(false, false)?;
        assert_mirrored(&forward, &compare(true, false)?);
        assert_equal(&compare(false, true)?);
        assert_ordered(&forward);
        let mut evaluator = ClassificationEvaluator::new(["a", "b", "c"], ClassificationOptions::default())?;
        for (a, _, truth) in &images {
            evaluator.add("image", a, *truth)?;
        }
        prop_assert_eq!(forward.metrics[0].a, evaluator.finish().accuracy(1));
        prop_assert_eq!(forward.images, images.len());
    }

    #[test]
    fn segmenters_are_compared_alike_from_both_sides(
        images in prop::collection::vec(prop::collection::vec((0u8..4, 0u8..4, prop_oneof![0u8..4, Just(255)]), 6), 1..12)
    ) {
        let names = ["a", "b", "c", "d"];
        let labels = |image: &[(u8, u8, u8)]| -> [Vec<u8>; 3] {
            [image.iter().map(|p| p.0).collect(), image.iter().map(|p| p.1).collect(), image.iter().map(|p| p.2).collect()]
        };
        let compare = |swap: bool, same: bool| {
            let mut comparison = SegmentationComparison::new(names, Some(255), FEW)?;
            for image in &images {
                let [a, b, truth] = labels(image);
                let b = if same { a.clone() } else { b };
                let (a, b) = if swap { (b, a) } else { (a, b) };
                comparison.add("image", &a, &b, &truth, [2, 3])?;
            }
            comparison.finish()
        };
        let forward = compare(false, false)?;
        assert_mirrored(&forward, &compare(true, false)?);
        assert_equal(&compare(false, true)?);
        assert_ordered(&forward);
        let mut evaluator = SegmentationEvaluator::new(names, Some(255), SegmentationOptions::default())?;
        for image in &images {
            let [a, _, truth] = labels(image);
            evaluator.add("image", &a, &truth, [2, 3])?;
        }
        prop_assert_eq!(forward.metrics[0].a, evaluator.finish().mean_iou);
    }
}

#[test]
fn ap_on_all_images_equals_pycocotools_with_ties_and_crowds() -> Outcome {
    for (annotations, predictions, expected, iou_type) in [
        ("coco_annotations.json", "coco_predictions.json", "coco_expected.json", IouType::Bbox),
        ("coco_segm_annotations.json", "coco_segm_predictions.json", "coco_segm_expected.json", IouType::Segm),
    ] {
        let predictions = golden(predictions);
        let compared = coco::compare_files(golden(annotations), &predictions, &predictions, iou_type, FEW)?;
        let expected: serde_json::Value = read_json(golden(expected))?;
        for (metric, statistic) in compared.metrics.iter().zip(0..) {
            assert_close(&metric.name, metric.a, Some(expected["stats"][statistic].as_f64().ok_or("no statistic")?));
        }
        assert_equal(&compared);
        assert!(compared.rule.contains(&iou_type.to_string()));
    }
    Ok(())
}

#[test]
fn a_detector_that_is_better_everywhere_is_better_in_every_resample() -> Outcome {
    let folder = Folder::new()?;
    let predictions = read_predictions(golden("coco_predictions.json"))?;
    let shifted = predictions.iter().map(|&prediction| {
        let [x, y, w, h] = prediction.bbox;
        Prediction { bbox: [x + 0.45 * w, y, w, h], ..prediction }
    });
    let worse = folder.path("worse.json");
    write_predictions(&worse, shifted)?;
    let options = BootstrapOptions { resamples: 200, ..Default::default() };
    let annotations = golden("coco_annotations.json");
    let compared = coco::compare_files(&annotations, &worse, golden("coco_predictions.json"), IouType::Bbox, options)?;
    for metric in &compared.metrics {
        let (low, difference, high) = (metric.low, metric.difference, metric.high);
        assert!(low > Some(0.0) && low < difference && difference < high, "{metric:?}");
        assert_eq!((metric.b_above_a, metric.a_above_b, metric.resamples), (Some(1.0), Some(0.0), 200));
    }
    let again = coco::compare_files(&annotations, &worse, golden("coco_predictions.json"), IouType::Bbox, options)?;
    assert_eq!(again, compared, "one seed, one result");
    let other = BootstrapOptions { seed: 1, ..options };
    let other = coco::compare_files(&annotations, &worse, golden("coco_predictions.json"), IouType::Bbox, other)?;
    assert_ne!(other.metrics[0].low, compared.metrics[0].low);
    assert_eq!(other.metrics[0].difference, compared.metrics[0].difference);
    Ok(())
}

#[test]
fn files_of_scores_are_matched_by_image_and_class() -> Outcome {
    let folder = Folder::new()?;
    let path = |name: &str| folder.path(name);
    write_truth(path("truth.csv"), [("1.jpg", "cat"), ("2.jpg", "dog"), ("3.jpg", "cat"), ("4.jpg", "dog")])?;
    let mut a = PredictionWriter::create(path("a.csv"), ["cat", "dog"])?;
    for (image, scores) in [("1.jpg", [1.0, 0.0]), ("2.jpg", [1.0, 0.0]), ("3.jpg", [0.0, 1.0]), ("4.jpg", [1.0, 0.0])]
    {
        a.add(image, &scores)?;
    }
    a.finish()?;
    let mut b = PredictionWriter::create(path("b.csv"), ["dog", "cat"])?;
    for (image, scores) in [("4.jpg", [1.0, 0.0]), ("3.jpg", [0.0, 1.0]), ("1.jpg", [0.0, 1.0]), ("2.jpg", [0.0, 1.0])]
    {
        b.add(image, &scores)?;
    }
    b.finish()?;
    let compared = classification::compare_files(path("truth.csv"), path("a.csv"), path("b.csv"), FEW)?;
    let metric = &compared.metrics[0];
    assert_eq!((metric.name.as_str(), metric.a, metric.b), ("top-1", Some(0.25), Some(0.75)));
    // B is right wherever A is: it can be no worse on any draw.
    assert_eq!((metric.a_above_b, metric.low >= Some(0.0)), (Some(0.0), true));
    let missing = classification::compare_files(path("truth.csv"), path("a.csv"), path("none.csv"), FEW);
    assert!(missing.is_err_and(|error| error.to_string().contains("none.csv")));
    Ok(())
}

#[test]
fn invalid_input_is_refused_with_the_set_and_not_added() -> Outcome {
    let at = [0.0, 0.0, 10.0, 10.0];
    let objects: Vec<Boxes> = vec![vec![(1, at)]; IMAGES as usize];
    let good = Detection { category_id: 1, bbox: at, score: 0.5 };
    let bad = Detection { score: f64::NAN, ..good };
    let mut comparison = CocoComparison::new(ground_truth(&objects)?, FEW)?;
    let expected = "prediction set B: image 90: detections[1]: score is NaN instead of a finite number";
    assert_eq!(message(comparison.add(90, &[good], &[good, bad])), expected);
    let expected = "prediction set A: image 90: detections[0]: score is NaN instead of a finite number";
    assert_eq!(message(comparison.add(90, &[bad], &[good])), expected);
    comparison.add(90, &[good], &[])?;
    assert_eq!(message(comparison.add(90, &[], &[])), "prediction set B: image 90 occurs twice");
    assert_eq!(comparison.finish()?.metrics[1].b, Some(0.0));

    let mut comparison = ClassificationComparison::new(["a", "b"], FEW)?;
    let refused = comparison.add("1.jpg", &[0.0, 1.0], &[0.0], 0);
    assert_eq!(message(refused), "prediction set B: image \"1.jpg\": 1 scores instead of 2");
    assert_eq!(comparison.finish()?.images, 0);

    let mut comparison = SegmentationComparison::new(["a", "b"], None, FEW)?;
    let refused = comparison.add("1.png", &[0, 1], &[0, 2], &[0, 0], [1, 2]);
    let expected =
        "prediction set B: image \"1.png\": the predicted label at row 0, column 1 is 2 instead of a class below 2";
    assert_eq!(message(refused), expected);
    assert_eq!(comparison.finish()?.images, 0);
    let none = BootstrapOptions { resamples: 0, ..FEW };
    assert!(SegmentationComparison::new(["a"], None, none).is_err());
    Ok(())
}
