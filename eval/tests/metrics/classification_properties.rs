//! What holds for every classification problem.

use eval::classification::{ClassificationEvaluator, ClassificationOptions, ClassificationReport};
use proptest::prelude::*;

use crate::merging::both_ways;

const CLASSES: usize = 6;

type Sample = ([f32; CLASSES], usize);

/// Few levels, so that scores tie.
fn tied() -> impl Strategy<Value = Vec<Sample>> {
    let scores = prop::array::uniform6((-4i8..4).prop_map(f32::from));
    prop::collection::vec((scores, 0..CLASSES), 0..60)
}

/// Distinct scores, as permutations of levels that are never equal.
fn distinct() -> impl Strategy<Value = Vec<Sample>> {
    let levels: Vec<i8> = (0..CLASSES as i8).collect();
    let scores = (Just(levels).prop_shuffle(), 0.1f32..3.0)
        .prop_map(|(levels, scale)| std::array::from_fn(|class| f32::from(levels[class]) * scale));
    prop::collection::vec((scores, 0..CLASSES), 1..60)
}

fn options() -> ClassificationOptions {
    ClassificationOptions { top_k: vec![1, 2, 3, CLASSES], confused_pairs: CLASSES * CLASSES, ..Default::default() }
}

fn empty(order: &[usize]) -> Result<ClassificationEvaluator, eval::Error> {
    ClassificationEvaluator::new(order.iter().map(|class| format!("class {class}")), options())
}

fn filled(samples: &[Sample]) -> Result<ClassificationEvaluator, eval::Error> {
    let order: Vec<usize> = (0..CLASSES).collect();
    let mut evaluator = empty(&order)?;
    for (index, (scores, truth)) in samples.iter().enumerate() {
        evaluator.add(&index.to_string(), scores, *truth)?;
    }
    Ok(evaluator)
}

fn evaluate(samples: &[Sample]) -> Result<ClassificationReport, eval::Error> {
    Ok(filled(samples)?.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn order_and_parts_change_no_bit(
        (samples, shuffled) in tied().prop_flat_map(|samples| (Just(samples.clone()), Just(samples).prop_shuffle())),
        cut in any::<prop::sample::Index>(),
    ) {
        let at_once = evaluate(&samples)?;
        let (first, second) = shuffled.split_at(cut.index(shuffled.len() + 1));
        for merged in both_ways(&filled(first)?, &filled(second)?, ClassificationEvaluator::merge)? {
            prop_assert_eq!(&merged.finish(), &at_once);
        }
    }

    #[test]
    fn permuted_classes_permute_the_report(
        samples in distinct(),
        order in Just((0..CLASSES).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let report = evaluate(&samples)?;
        let mut evaluator = empty(&order)?;
        for (index, (scores, truth)) in samples.iter().enumerate() {
            let scores: Vec<f32> = order.iter().map(|&class| scores[class]).collect();
            let truth = order.iter().position(|class| class == truth).expect("a permutation has every class");
            evaluator.add(&index.to_string(), &scores, truth)?;
        }
        let permuted = evaluator.finish();
        prop_assert_eq!(&permuted.top_k, &report.top_k);
        prop_assert_eq!(permuted.mean_class_accuracy, report.mean_class_accuracy);
        let close = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| (a - b).abs() <= 1e-12);
        // The softmax adds up in the order of the classes.
        prop_assert!(close(permuted.negative_log_likelihood, report.negative_log_likelihood));
        prop_assert!(close(permuted.expected_calibration_error, report.expected_calibration_error));
        for (place, &class) in order.iter().enumerate() {
            prop_assert_eq!(&permuted.per_class[place], &report.per_class[class]);
            for (other_place, &other) in order.iter().enumerate() {
                prop_assert_eq!(permuted.confusion.get(place, other_place), report.confusion.get(class, other));
            }
        }
        let by_name = |report: &ClassificationReport| {
            let mut pairs = report.most_confused.clone();
            pairs.sort_by(|a, b| (&a.truth, &a.predicted).cmp(&(&b.truth, &b.predicted)));
            pairs
        };
        prop_assert_eq!(by_name(&permuted), by_name(&report));
    }

    #[test]
    fn accuracy_grows_with_k_up_to_all(samples in tied()) {
        let report = evaluate(&samples)?;
        prop_assert!(report.top_k.is_sorted_by_key(|top| top.correct));
        prop_assert_eq!(report.accuracy(CLASSES), (!samples.is_empty()).then_some(1.0));
        prop_assert_eq!(report.top_k[0].correct, report.per_class.iter().map(|class| class.correct).sum::<u64>());
        prop_assert_eq!(report.calibration.iter().map(|bin| bin.images).sum::<u64>(), samples.len() as u64);
    }
}
