//! The numbers are those of torchvision's references, mmsegmentation and DAVIS 2017, made by `tools/golden/segmentation.py`.

use std::error::Error;

use eval::segmentation::{SegmentationEvaluator, SegmentationOptions, SegmentationReport};
use serde::Deserialize;

use crate::Outcome;
use crate::golden::{assert_close, golden as file, read_json};

#[derive(Deserialize)]
struct Golden {
    images: Vec<Pair>,
    confusion: Vec<Vec<u64>>,
    ignored: u64,
    pixel_accuracy: f64,
    accuracy: Vec<Option<f64>>,
    iou: Vec<Option<f64>>,
    dice: Vec<Option<f64>>,
    mean_iou: f64,
    mean_accuracy: f64,
    mean_dice: f64,
    frequency_weighted_iou: f64,
    boundaries: Vec<Boundary>,
}

#[derive(Deserialize)]
struct Pair {
    predicted: Vec<String>,
    truth: Vec<String>,
}

#[derive(Deserialize)]
struct Boundary {
    tolerance: f64,
    per_class: Vec<Option<f64>>,
    f_score: f64,
}

fn golden() -> Result<Golden, Box<dyn Error>> {
    read_json(file("segmentation.json"))
}

fn labels(rows: &[String]) -> Vec<u8> {
    let label = |spelled| if spelled == b'.' { 255 } else { spelled - b'0' };
    rows.iter().flat_map(|row| row.bytes().map(label)).collect()
}

fn evaluate(golden: &Golden, boundary_tolerance: Option<f64>) -> Result<SegmentationReport, eval::Error> {
    let options = SegmentationOptions { boundary_tolerance, ..Default::default() };
    let names = (0..golden.iou.len()).map(|class| class.to_string());
    let mut evaluator = SegmentationEvaluator::new(names, Some(255), options)?;
    for (number, Pair { predicted, truth }) in golden.images.iter().enumerate() {
        let size = [truth.len(), truth[0].len()];
        evaluator.add(&number.to_string(), &labels(predicted), &labels(truth), size)?;
    }
    Ok(evaluator.finish())
}

#[test]
fn regions_give_the_numbers_of_the_references() -> Outcome {
    let golden = golden()?;
    let report = evaluate(&golden, None)?;
    for (truth, row) in golden.confusion.iter().enumerate() {
        for (predicted, &pixels) in row.iter().enumerate() {
            assert_eq!(report.confusion.get(truth, predicted), pixels, "{truth} taken for {predicted}");
        }
    }
    assert_eq!((report.images, report.ignored), (golden.images.len() as u64, golden.ignored));
    assert_eq!(report.pixels, golden.confusion.iter().flatten().sum::<u64>());
    assert_close("mIoU", report.mean_iou, Some(golden.mean_iou));
    assert_close("pixel accuracy", report.pixel_accuracy, Some(golden.pixel_accuracy));
    assert_close("mean accuracy", report.mean_accuracy, Some(golden.mean_accuracy));
    assert_close("mean Dice", report.mean_dice, Some(golden.mean_dice));
    assert_close("frequency weighted IoU", report.frequency_weighted_iou, Some(golden.frequency_weighted_iou));
    for (place, class) in report.per_class.iter().enumerate() {
        assert_close("IoU", class.iou, golden.iou[place]);
        assert_close("accuracy", class.accuracy, golden.accuracy[place]);
        assert_close("Dice", class.dice, golden.dice[place]);
        assert_eq!(class.boundary_f_score, None);
    }
    assert_eq!(report.boundary, None);
    Ok(())
}

#[test]
fn boundaries_give_the_f_scores_of_davis() -> Outcome {
    let golden = golden()?;
    let regions = evaluate(&golden, None)?;
    for expected in &golden.boundaries {
        let report = evaluate(&golden, Some(expected.tolerance))?;
        let boundary = report.boundary.as_ref().expect("boundaries were asked for");
        assert_eq!(boundary.tolerance, expected.tolerance);
        assert_close("boundary F", boundary.f_score, Some(expected.f_score));
        for (class, &f_score) in report.per_class.iter().zip(&expected.per_class) {
            assert_close(&format!("boundary F of class {}", class.name), class.boundary_f_score, f_score);
        }
        assert_eq!(report.mean_iou, regions.mean_iou, "regions do not depend on boundaries");
    }
    Ok(())
}
