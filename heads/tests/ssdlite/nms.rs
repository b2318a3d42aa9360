use heads::ssdlite::nms::{iou, nms};
use proptest::prelude::*;

use crate::support::any_box;

/// Boxes, distinct scores, classes.
fn candidates() -> impl Strategy<Value = (Vec<[f32; 4]>, Vec<f32>, Vec<usize>)> {
    (0_usize..40).prop_flat_map(|count| {
        let scores: Vec<f32> = (1..=count).map(|rank| rank as f32 / 64.0).collect();
        (prop::collection::vec(any_box(), count), Just(scores).prop_shuffle(), prop::collection::vec(0_usize..3, count))
    })
}

#[test]
fn the_best_of_overlapping_boxes_is_kept() {
    let boxes = [[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [20.0, 0.0, 30.0, 10.0], [0.0, 0.0, 10.0, 10.0]];
    assert_eq!(nms(&boxes, &[0.5, 0.9, 0.3, 0.4], &[0, 0, 0, 1], 0.5), [1, 3, 2]);
}

#[test]
fn a_box_whose_suppressor_is_suppressed_is_kept() {
    let boxes = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 15.0], [0.0, 0.0, 10.0, 22.0]];
    assert_eq!(nms(&boxes, &[0.9, 0.8, 0.7], &[0, 0, 0], 0.6), [0, 2]);
}

#[test]
fn an_overlap_equal_to_the_threshold_is_kept() {
    let boxes = [[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 8.0, 4.0]];
    assert_eq!(nms(&boxes, &[0.9, 0.8], &[0, 0], 0.5), [0, 1]);
    assert_eq!(nms(&boxes, &[0.9, 0.8], &[0, 0], 0.499), [0]);
}

#[test]
fn of_equal_scores_the_earlier_comes_first() {
    let boxes = [[0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 60.0, 10.0], [0.0, 0.0, 10.0, 9.0]];
    assert_eq!(nms(&boxes, &[0.5; 3], &[0; 3], 0.5), [0, 1]);
}

#[test]
fn empty_boxes_suppress_nothing() {
    assert_eq!(nms(&[[5.0, 5.0, 5.0, 5.0]; 2], &[0.9, 0.8], &[0, 0], 0.5), [0, 1]);
    assert!(nms(&[], &[], &[], 0.5).is_empty());
}

proptest! {
    #[test]
    fn kept_boxes_of_a_class_do_not_overlap_and_dropped_ones_have_a_better_neighbour(
        (boxes, scores, classes) in candidates(),
        threshold in 0.0_f64..0.95,
    ) {
        let kept = nms(&boxes, &scores, &classes, threshold);
        let rivals = |a: usize, b: usize| classes[a] == classes[b] && f64::from(iou(&boxes[a], &boxes[b])) > threshold;
        for (position, &a) in kept.iter().enumerate() {
            prop_assert!(kept[position + 1..].iter().all(|&b| !rivals(a, b) && scores[a] > scores[b]));
        }
        for dropped in (0..boxes.len()).filter(|index| !kept.contains(index)) {
            prop_assert!(kept.iter().any(|&other| rivals(other, dropped) && scores[other] > scores[dropped]));
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        ((boxes, scores, classes), order) in candidates().prop_flat_map(|candidates| {
            let order: Vec<usize> = (0..candidates.0.len()).collect();
            (Just(candidates), Just(order).prop_shuffle())
        }),
        threshold in 0.0_f64..0.95,
    ) {
        let expected = nms(&boxes, &scores, &classes, threshold);
        let boxes: Vec<_> = order.iter().map(|&index| boxes[index]).collect();
        let scores: Vec<_> = order.iter().map(|&index| scores[index]).collect();
        let classes: Vec<_> = order.iter().map(|&index| classes[index]).collect();
        let kept: Vec<usize> = nms(&boxes, &scores, &classes, threshold).into_iter().map(|index| order[index]).collect();
        prop_assert_eq!(kept, expected);
    }
}
