//! What the layers of a head cost.

use backbone::{Conv, ConvBn, CostRow, Form};

/// A convolution with its batch normalisation, or, in deploy form, with a bias. `input` is height and width.
pub(crate) fn conv_bn(name: impl Into<String>, layer: &ConvBn, input: [i64; 2], form: Form) -> CostRow {
    let per_output = match form {
        Form::Train => 2,
        Form::Deploy => 1,
    };
    CostRow::conv(name, layer.geometry(), input, per_output)
}

/// A convolution with a bias. `input` is height and width.
pub(crate) fn conv(name: impl Into<String>, layer: &Conv, input: [i64; 2]) -> CostRow {
    CostRow::conv(name, layer.geometry(), input, 1)
}
