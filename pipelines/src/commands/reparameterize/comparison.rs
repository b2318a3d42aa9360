//! Train form and deploy form on the same inputs.

use serde::Serialize;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

use crate::console::Table;
use crate::failure::Failure;

/// Random inputs that the forms are compared on.
const RANDOM_INPUTS: usize = 4;

/// The difference between the two forms in one output.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub output: &'static str,
    pub on: &'static str,
    /// Largest difference.
    pub absolute: f64,
    /// The same over the largest value.
    pub relative: f64,
}

type Numbers = Vec<(&'static str, Tensor)>;

/// Runs both forms on random inputs of `shape` (channels, height, width), and on images.
pub(super) fn compare(
    shape: [i64; 3],
    images: &[PathBuf],
    prepare: impl Fn(&Path) -> Result<Tensor, Failure>,
    before: impl Fn(&Tensor) -> Result<Numbers, Failure>,
    after: impl Fn(&Tensor) -> Result<Numbers, Failure>,
) -> Result<Vec<Comparison>, Failure> {
    tch::manual_seed(0);
    let random = || {
        Ok::<_, Failure>((
            "random inputs",
            Tensor::randn([1, shape[0], shape[1], shape[2]], (Kind::Float, Device::Cpu)),
        ))
    };
    let inputs = (0..RANDOM_INPUTS).map(|_| random());
    let inputs = inputs.chain(images.iter().map(|image| Ok(("images", prepare(image)?))));
    let mut comparisons: Vec<Comparison> = Vec::new();
    tch::no_grad(|| {
        for input in inputs {
            let (on, xs) = input?;
            for ((output, expected), (_, found)) in before(&xs)?.into_iter().zip(after(&xs)?) {
                let found = Comparison::of(output, on, &expected, &found);
                match comparisons.iter_mut().find(|known| (known.output, known.on) == (output, on)) {
                    Some(known) => known.widen(&found),
                    None => comparisons.push(found),
                }
            }
        }
        Ok(comparisons)
    })
}

impl Comparison {
    fn of(output: &'static str, on: &'static str, expected: &Tensor, found: &Tensor) -> Self {
        let [expected, found] = [expected, found].map(|tensor| tensor.to_kind(Kind::Double));
        let absolute = (&expected - found).abs().max().double_value(&[]);
        let largest = expected.abs().max().double_value(&[]);
        Self { output, on, absolute, relative: if absolute == 0.0 { 0.0 } else { absolute / largest } }
    }

    fn widen(&mut self, other: &Self) {
        // Not `f64::max`, which ignores NaN.
        let wider = |known: f64, new: f64| if new > known || new.is_nan() { new } else { known };
        (self.absolute, self.relative) = (wider(self.absolute, other.absolute), wider(self.relative, other.relative));
    }
}

/// The comparisons as a table.
pub(super) fn differences(comparisons: &[Comparison]) -> Table {
    let header = ["output", "compared on", "largest difference", "relative"];
    let mut table = Table::new("Train form against deploy form", &header);
    table.rows.extend(comparisons.iter().map(|found| {
        let (absolute, relative) = (format!("{:.1e}", found.absolute), format!("{:.1e}", found.relative));
        vec![found.output.to_owned(), found.on.to_owned(), absolute, relative]
    }));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_is_nan_stays_nan() {
        let ones = Tensor::ones([2], (Kind::Float, Device::Cpu));
        let mut found = Comparison::of("c5", "random inputs", &ones, &(&ones * f64::NAN));
        assert!(found.relative.is_nan());
        found.widen(&Comparison::of("c5", "random inputs", &ones, &ones));
        assert!(found.relative.is_nan() && found.absolute.is_nan());
        let mut found = Comparison::of("c5", "random inputs", &(&ones * 4.0), &(&ones * 5.0));
        assert_eq!((found.absolute, found.relative), (1.0, 0.25));
        found.widen(&Comparison::of("c5", "random inputs", &ones, &(&ones * f64::NAN)));
        assert!(found.relative.is_nan());
    }
}
