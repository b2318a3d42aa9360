//! Spearman's coefficient is that of its definition in numpy (`tools/golden/spearman.py`), and behaves as a rank correlation.

use eval::statistics::{spearman, spearman_by_chance};
use proptest::prelude::*;
use serde::Deserialize;

use crate::Outcome;
use crate::golden::{assert_within, golden, read_json};

#[derive(Deserialize)]
struct Case {
    name: String,
    xs: Vec<f64>,
    ys: Vec<f64>,
    spearman: f64,
}

#[test]
fn coefficients_are_those_of_the_definition() -> Outcome {
    let cases: Vec<Case> = read_json(golden("spearman.json"))?;
    assert_eq!(cases.len(), 7);
    for Case { name, xs, ys, spearman: expected } in cases {
        assert_within(1e-15, &name, spearman(&xs, &ys), expected);
    }
    Ok(())
}

#[test]
fn values_without_ranks_have_no_coefficient() {
    assert_eq!(spearman(&[], &[]), None);
    assert_eq!(spearman(&[1.0], &[1.0]), None, "one pair");
    assert_eq!(spearman(&[1.0, 2.0], &[1.0]), None, "pairs without a second");
    assert_eq!(spearman(&[1.0, 2.0, 3.0], &[5.0, 5.0, 5.0]), None, "all equal");
    assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None, "not a number");
    assert_eq!(spearman(&[0.0, -0.0], &[1.0, 2.0]), None, "the two zeros are equal");
    assert_eq!(spearman(&[f64::NEG_INFINITY, 0.0, f64::INFINITY], &[3.0, 2.0, 1.0]), Some(-1.0));
}

proptest! {
    #[test]
    fn a_growing_function_and_another_order_change_nothing(
        pairs in prop::collection::vec((-20i32..20, -20i32..20), 2..40),
        shift in 0usize..40,
    ) {
        let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).unzip();
        let coefficient = spearman(&xs, &ys);
        prop_assert!(coefficient.is_none_or(|value| (-1.0..=1.0).contains(&value)));
        let grown: Vec<f64> = xs.iter().map(|x| x.exp()).collect();
        prop_assert_eq!(spearman(&grown, &ys), coefficient);
        prop_assert_eq!(spearman(&ys, &xs), coefficient);
        let fallen: Vec<f64> = ys.iter().map(|y| -y).collect();
        prop_assert_eq!(spearman(&xs, &fallen), coefficient.map(|value| -value));
        let (mut turned_xs, mut turned_ys) = (xs.clone(), ys);
        turned_xs.rotate_left(shift % xs.len());
        turned_ys.rotate_left(shift % xs.len());
        prop_assert_eq!(spearman(&turned_xs, &turned_ys), coefficient);
        prop_assert!(spearman(&xs, &xs).is_none_or(|value| value == 1.0));
    }
}

#[test]
fn by_chance_a_coefficient_is_within_two_deviations_of_none() {
    // Of n values without ties the coefficient of random pairings has the variance 1 / (n - 1).
    let xs: Vec<f64> = (0..26).map(f64::from).collect();
    let [low, high] = spearman_by_chance(&xs, &xs, 4000, 1).unwrap();
    assert!((low + 0.39).abs() < 0.03 && (high - 0.39).abs() < 0.03, "{low} {high}");
    assert_eq!(spearman_by_chance(&xs, &xs, 4000, 1), Some([low, high]));
    let four = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(spearman_by_chance(&four, &four, 4000, 1), Some([-1.0, 1.0]));
    assert_eq!(spearman_by_chance(&four, &[1.0; 4], 10, 1), None);
    assert_eq!(spearman_by_chance(&four, &four, 0, 1), None);
}
