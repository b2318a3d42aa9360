use heads::ssdlite::{Anchors, Matcher, nms::iou};
use proptest::prelude::*;

use crate::support::{any_box, golden, head, integers, rows};

const CASES: [&str; 11] = [
    "few",
    "crowd",
    "large",
    "same_box_twice",
    "one_best_anchor_for_three",
    "tiny",
    "between_cells",
    "overlap_of_exactly_half",
    "no_overlap",
    "whole_image",
    "anchors_themselves",
];

fn anchors_at(side: i64) -> Anchors {
    head([side, side], 1, &Default::default()).anchors().clone()
}

#[test]
fn matches_equal_torchvision_in_plain_and_difficult_cases() {
    let golden = golden("matching");
    let matcher = Matcher::new(&anchors_at(320), 0.5);
    assert_eq!(golden.len(), 3 * CASES.len());
    for case in CASES {
        let boxes = rows(&golden[&format!("{case}.boxes")]);
        let matches = matcher.matches(&boxes);
        let positive =
            matches.iter().enumerate().filter_map(|(anchor, object)| Some((anchor as i64, (*object)? as i64)));
        let (anchors, objects): (Vec<_>, Vec<_>) = positive.unzip();
        assert_eq!(anchors, integers(&golden[&format!("{case}.anchors")]), "{case}");
        assert_eq!(objects, integers(&golden[&format!("{case}.objects")]), "{case}");
    }
}

#[test]
fn an_image_without_objects_matches_nothing() {
    let anchors = anchors_at(96);
    assert_eq!(Matcher::new(&anchors, 0.5).matches(&[]), vec![None; anchors.len()]);
}

proptest! {
    #[test]
    fn matches_keep_the_rules(
        boxes in prop::collection::vec(any_box(), 1..12),
        threshold in 0.05_f64..0.9,
        side in prop::sample::select(vec![64, 160, 320]),
    ) {
        let anchors = anchors_at(side);
        let matches = Matcher::new(&anchors, threshold).matches(&boxes);
        let overlap = |object: usize, anchor: usize| iou(&boxes[object], &anchors.boxes()[anchor]);
        let best_of_object = |object| (0..anchors.len()).map(|anchor| overlap(object, anchor)).fold(0.0, f32::max);
        let bests: Vec<f32> = (0..boxes.len()).map(best_of_object).collect();

        for (anchor, object) in matches.iter().enumerate() {
            let best = (0..boxes.len()).map(|object| overlap(object, anchor)).fold(0.0, f32::max);
            match *object {
                None => prop_assert!(best < threshold as f32),
                Some(object) => {
                    let overlap = overlap(object, anchor);
                    prop_assert!(overlap == bests[object] || (overlap == best && best >= threshold as f32));
                }
            }
        }
        let last = boxes.len() - 1;
        prop_assert!(matches.contains(&Some(last)), "the last object always has its best anchor");
        for (object, best) in bests.iter().enumerate() {
            let taken = (0..anchors.len()).find(|&anchor| overlap(object, anchor) == *best).map(|anchor| matches[anchor]);
            prop_assert!(taken.flatten().is_some_and(|owner| owner >= object), "a best anchor goes to its object or a later one");
        }
    }
}
