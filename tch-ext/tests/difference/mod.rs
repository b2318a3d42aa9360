//! Comparison of lists of tensors.

use tch::{Kind, Tensor};

/// The largest difference divided by the largest expected value, the maximum over the list.
pub fn difference(found: &[Tensor], expected: &[Tensor]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let relative = |(found, expected): (&Tensor, &Tensor)| {
        assert_eq!((found.size(), found.kind()), (expected.size(), expected.kind()));
        if expected.numel() == 0 {
            return 0.0;
        }
        let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
        (&found - &expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[]).max(1e-12)
    };
    found.iter().zip(expected).map(relative).fold(0.0, f64::max)
}
