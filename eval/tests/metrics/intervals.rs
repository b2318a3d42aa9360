//! The interval of a metric lies around its value, which is that of the report.

use std::sync::Arc;

use eval::classification::{ClassificationEvaluator, ClassificationOptions, probabilities};
use eval::coco::{CocoEvaluator, CocoInterval, GroundTruth, read_predictions};
use eval::segmentation::{SegmentationEvaluator, SegmentationInterval, SegmentationOptions, image_iou};
use eval::{BootstrapOptions, MetricInterval};

use crate::Outcome;
use crate::golden::golden;

const FEW: BootstrapOptions = BootstrapOptions { resamples: 60, seed: 3, confidence: 0.9 };

#[track_caller]
fn assert_around(interval: &MetricInterval, value: f64) {
    assert_eq!((interval.value, interval.confidence), (Some(value), 0.9));
    let (low, high) = (interval.low.unwrap_or(f64::NAN), interval.high.unwrap_or(f64::NAN));
    assert!(low < value && value < high, "{interval:?}");
}

#[test]
fn a_detector_s() -> Outcome {
    let truth = Arc::new(GroundTruth::from_file(golden("coco_annotations.json"))?);
    let predictions = read_predictions(golden("coco_predictions.json"))?;
    let (mut evaluator, mut interval) = (CocoEvaluator::new(truth.clone())?, CocoInterval::new(truth.clone())?);
    for image in truth.images() {
        let of_image = predictions.iter().filter(|prediction| prediction.image_id == image.id);
        let detections: Vec<_> = of_image.map(|prediction| prediction.detection()).collect();
        evaluator.add(image.id, &detections)?;
        interval.add(image.id, &detections)?;
    }
    let (interval, ap) = (interval.finish(FEW)?, evaluator.finish()?.ap());
    let value = interval.value.ok_or("AP is not defined")?;
    assert!((value - ap).abs() < 1e-12, "{value} is not {ap}");
    assert_around(&interval, value);
    Ok(())
}

#[test]
fn a_classifier_s() -> Outcome {
    let mut evaluator = ClassificationEvaluator::new(["cat", "dog"], ClassificationOptions::default())?;
    for image in 0..40 {
        evaluator.add(&image.to_string(), &[1.0, 0.0], usize::from(image % 4 == 0))?;
    }
    let interval = evaluator.finish().interval(FEW)?.ok_or("top-1 is among the options")?;
    assert_around(&interval, 0.75);
    assert!(interval.low > Some(0.55) && interval.high < Some(0.95), "{interval:?}");
    let shares = probabilities(&[f32::MIN, 0.0, f32::MAX, f32::MAX]);
    assert_eq!(shares, [0.0, 0.0, 0.5, 0.5]);
    Ok(())
}

#[test]
fn a_segmenter_s() -> Outcome {
    let mut evaluator = SegmentationEvaluator::new(["sky", "road"], Some(255), SegmentationOptions::default())?;
    let mut interval = SegmentationInterval::new(2, Some(255));
    for image in 0..30u8 {
        let (predicted, truth) = ([0, 0, 1, 1, 1, 0], [0, image % 2, 1, 1, 255, image % 3 % 2]);
        evaluator.add(&image.to_string(), &predicted, &truth, [2, 3])?;
        interval.add(&predicted, &truth);
    }
    let value = evaluator.finish().mean_iou.ok_or("no IoU")?;
    assert_around(&interval.finish(FEW)?, value);
    assert_eq!(image_iou(&[0, 1, 1], &[0, 0, 255], Some(255)), Some(0.25));
    assert_eq!(image_iou(&[0], &[255], Some(255)), None);
    Ok(())
}
