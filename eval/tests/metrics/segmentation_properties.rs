//! What holds for every segmentation problem.

use eval::segmentation::{SegmentationEvaluator, SegmentationOptions, SegmentationReport};
use proptest::prelude::*;

use crate::merging::both_ways;

const CLASSES: u8 = 4;
const IGNORE: u8 = 200;

/// Prediction, truth and [H, W].
type Image = (Vec<u8>, Vec<u8>, [usize; 2]);

fn images() -> impl Strategy<Value = Vec<Image>> {
    let image = (1usize..7, 1usize..9).prop_flat_map(|(height, width)| {
        let label = prop_oneof![8 => 0..CLASSES, 1 => Just(IGNORE)];
        let labels = |label| prop::collection::vec(label, height * width);
        (labels((0..CLASSES).boxed()), labels(label.boxed()), Just([height, width]))
    });
    prop::collection::vec(image, 0..8)
}

fn filled(images: &[Image], order: &[u8]) -> Result<SegmentationEvaluator, eval::Error> {
    let names = order.iter().map(|class| format!("class {class}"));
    let options = SegmentationOptions { boundary_tolerance: Some(0.1), confused_pairs: 0 };
    let mut evaluator = SegmentationEvaluator::new(names, Some(IGNORE), options)?;
    let place = |label: &u8| order.iter().position(|class| class == label).map_or(IGNORE, |place| place as u8);
    for (predicted, truth, size) in images {
        let predicted: Vec<u8> = predicted.iter().map(place).collect();
        let truth: Vec<u8> = truth.iter().map(place).collect();
        evaluator.add("1.png", &predicted, &truth, *size)?;
    }
    Ok(evaluator)
}

fn evaluate(images: &[Image]) -> Result<SegmentationReport, eval::Error> {
    Ok(filled(images, &[0, 1, 2, 3])?.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn order_and_parts_change_no_bit(
        (images, shuffled) in images().prop_flat_map(|images| (Just(images.clone()), Just(images).prop_shuffle())),
        cut in any::<prop::sample::Index>(),
    ) {
        let at_once = evaluate(&images)?;
        let (first, second) = shuffled.split_at(cut.index(shuffled.len() + 1));
        for merged in both_ways(&filled(first, &[0, 1, 2, 3])?, &filled(second, &[0, 1, 2, 3])?, SegmentationEvaluator::merge)? {
            prop_assert_eq!(&merged.finish(), &at_once);
        }
    }

    #[test]
    fn permuted_classes_permute_the_report(images in images(), order in Just(vec![0u8, 1, 2, 3]).prop_shuffle()) {
        let report = evaluate(&images)?;
        let permuted = filled(&images, &order)?.finish();
        let scalars = |report: &SegmentationReport| {
            let means = (report.mean_iou, report.mean_accuracy, report.mean_dice);
            (means, report.pixel_accuracy, report.frequency_weighted_iou, report.boundary.clone())
        };
        prop_assert_eq!(scalars(&permuted), scalars(&report));
        for (place, &class) in order.iter().enumerate() {
            prop_assert_eq!(&permuted.per_class[place], &report.per_class[usize::from(class)]);
        }
    }

    #[test]
    fn the_truth_itself_is_perfect_and_shares_are_shares(images in images()) {
        let perfect: Vec<Image> = images
            .iter()
            .map(|(_, truth, size)| (truth.iter().map(|label| label % IGNORE).collect(), truth.clone(), *size))
            .collect();
        let report = evaluate(&perfect)?;
        let one = (report.pixels > 0).then_some(1.0);
        prop_assert_eq!([report.mean_iou, report.pixel_accuracy, report.mean_accuracy, report.mean_dice], [one; 4]);
        prop_assert_eq!(report.boundary.and_then(|boundary| boundary.f_score), one);

        let report = evaluate(&images)?;
        let shares = report.per_class.iter().flat_map(|c| [c.iou, c.accuracy, c.precision, c.dice, c.boundary_f_score]);
        for share in shares.chain([report.mean_iou, report.frequency_weighted_iou]).flatten() {
            prop_assert!((0.0..=1.0).contains(&share), "{}", share);
        }
    }
}
