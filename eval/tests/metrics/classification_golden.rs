//! The numbers are those of numpy, torch, Guo et al.'s calibration error and timm's ReaL evaluator, made by
//! `tools/golden/classification.py`.

use std::error::Error;

use eval::classification::{
    ClassificationEvaluator, ClassificationOptions, ClassificationReport, RealLabels, ScoreKind,
};
use serde::Deserialize;

use crate::Outcome;
use crate::golden::{assert_close, golden as file, read_json};

#[derive(Deserialize)]
struct Golden {
    classes: Vec<String>,
    images: Vec<String>,
    truth: Vec<usize>,
    real: Vec<Vec<usize>>,
    k: Vec<usize>,
    logits: Case,
    ties: Case,
    probabilities: Case,
}

#[derive(Deserialize)]
struct Case {
    scores: Vec<Vec<f32>>,
    top_k: Vec<f64>,
    confusion: Vec<Vec<u64>>,
    mean_class_accuracy: f64,
    accuracy: Vec<Option<f64>>,
    precision: Vec<Option<f64>>,
    expected_calibration_error: f64,
    negative_log_likelihood: f64,
    real: Option<Real>,
}

#[derive(Deserialize)]
struct Real {
    images: u64,
    correct: u64,
}

fn golden() -> Result<Golden, Box<dyn Error>> {
    read_json(file("classification.json"))
}

fn evaluate(golden: &Golden, case: &Case, scores: ScoreKind) -> Result<ClassificationReport, eval::Error> {
    let options = ClassificationOptions { scores, top_k: golden.k.clone(), ..Default::default() };
    let mut evaluator = ClassificationEvaluator::new(golden.classes.clone(), options)?
        .with_real_labels(RealLabels::from(golden.real.clone()))?;
    for ((image, scores), &truth) in golden.images.iter().zip(&case.scores).zip(&golden.truth) {
        evaluator.add(image, scores, truth)?;
    }
    Ok(evaluator.finish())
}

#[track_caller]
fn assert_report(golden: &Golden, case: &Case, report: &ClassificationReport) {
    assert_eq!(report.images, golden.images.len() as u64);
    for ((top, &k), &expected) in report.top_k.iter().zip(&golden.k).zip(&case.top_k) {
        assert_eq!(top.k, k);
        assert_close("top-k", top.accuracy, Some(expected));
    }
    for (truth, row) in case.confusion.iter().enumerate() {
        for (predicted, &count) in row.iter().enumerate() {
            assert_eq!(report.confusion.get(truth, predicted), count, "{truth} taken for {predicted}");
        }
    }
    assert_close("mean class accuracy", report.mean_class_accuracy, Some(case.mean_class_accuracy));
    for ((class, &accuracy), &precision) in report.per_class.iter().zip(&case.accuracy).zip(&case.precision) {
        assert_close("accuracy", class.accuracy, accuracy);
        assert_close("precision", class.precision, precision);
    }
    let names: Vec<_> = report.per_class.iter().map(|class| class.name.clone()).collect();
    assert_eq!(names, golden.classes);
    let (ece, likelihood) = (report.expected_calibration_error, report.negative_log_likelihood);
    assert_close("calibration error", ece, Some(case.expected_calibration_error));
    assert_close("log likelihood", likelihood, Some(case.negative_log_likelihood));
    if let Some(expected) = &case.real {
        let real = report.real.as_ref().expect("ReaL labels were given");
        assert_eq!((real.images, real.correct), (expected.images, expected.correct));
        assert_eq!(real.accuracy, Some(expected.correct as f64 / expected.images as f64));
    }
}

#[test]
fn logits_give_the_numbers_of_the_references() -> Outcome {
    let golden = golden()?;
    assert!(golden.logits.real.is_some());
    assert_report(&golden, &golden.logits, &evaluate(&golden, &golden.logits, ScoreKind::Logits)?);
    Ok(())
}

#[test]
fn ties_rank_as_in_a_stable_sort() -> Outcome {
    let golden = golden()?;
    assert_report(&golden, &golden.ties, &evaluate(&golden, &golden.ties, ScoreKind::Logits)?);
    Ok(())
}

#[test]
fn probabilities_are_taken_as_they_stand() -> Outcome {
    let golden = golden()?;
    assert!(golden.probabilities.real.is_some());
    let report = evaluate(&golden, &golden.probabilities, ScoreKind::Probabilities)?;
    assert_report(&golden, &golden.probabilities, &report);
    Ok(())
}

#[test]
fn the_most_confused_pairs_come_first() -> Outcome {
    let golden = golden()?;
    let report = evaluate(&golden, &golden.logits, ScoreKind::Logits)?;
    let counts: Vec<u64> = report.most_confused.iter().map(|pair| pair.count).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b) && counts.len() > 5, "{counts:?}");
    let wrong = report.images - report.per_class.iter().map(|class| class.correct).sum::<u64>();
    let listed = report.confusion.cells().filter(|(truth, predicted, _)| truth != predicted).count();
    assert_eq!(listed.min(20), counts.len());
    assert!(counts.iter().sum::<u64>() <= wrong);
    let first = &report.most_confused[0];
    let of_truth = report.per_class.iter().find(|class| class.name == first.truth).expect("a class of that name");
    assert_eq!(first.share, first.count as f64 / of_truth.images as f64);
    Ok(())
}
