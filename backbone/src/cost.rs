//! What a network costs, computed from its plan: parameters, multiply-adds, size of the activations.
//!
//! Multiply-adds are those of convolutions and the linear layer, as the paper counts them, without normalisation, activation,
//! pooling and the product of squeeze-and-excitation. Parameters are the trainable ones, without running statistics.

use std::iter::{Sum, repeat_n};

use serde::Serialize;

use crate::{
    form::Form,
    geometry::Geometry,
    plan::BlockPlan,
    spec::{OutputStride, Spec},
};

/// Size and work of a layer or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Complexity {
    /// Trainable parameters.
    pub parameters: i64,
    /// Multiply-adds for one image.
    pub macs: i64,
}

impl Sum for Complexity {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::default(), |sum, term| Self {
            parameters: sum.parameters + term.parameters,
            macs: sum.macs + term.macs,
        })
    }
}

/// One layer, or a block of branches that are summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRow {
    /// Its key: `stage3.10`, `stage3.10.se`, `linear`.
    pub name: String,
    /// Channels, height and width of its output.
    pub output: [i64; 3],
    /// Parameters and multiply-adds.
    pub complexity: Complexity,
    /// Bytes of its output for one image in fp32.
    pub activation_bytes: i64,
}

/// The layers of a network, first to last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// One row per block, and one for its squeeze-and-excitation.
    pub rows: Vec<CostRow>,
}

impl CostRow {
    /// A convolution with `per_output` parameters per channel beside the kernel (1: a bias, 2: batch normalisation).
    /// `input` is height and width.
    pub fn conv(name: impl Into<String>, geometry: &Geometry, input: [i64; 2], per_output: i64) -> Self {
        let [height, width] = input.map(|side| geometry.output_side(side));
        let kernel: i64 = geometry.weight_shape().iter().product();
        Self {
            name: name.into(),
            output: [geometry.outputs, height, width],
            complexity: Complexity {
                parameters: kernel + per_output * geometry.outputs,
                macs: kernel * height * width,
            },
            activation_bytes: geometry.outputs * height * width * size_of::<f32>() as i64,
        }
    }

    /// A layer over tokens in rows and columns, with as many outputs for each.
    pub(crate) fn tokens(name: &str, outputs: i64, [rows, columns]: [i64; 2], complexity: Complexity) -> Self {
        let activation_bytes = outputs * rows * columns * size_of::<f32>() as i64;
        Self { name: name.to_owned(), output: [outputs, rows, columns], complexity, activation_bytes }
    }

    /// A linear layer with a bias on globally pooled features.
    pub fn linear(inputs: i64, outputs: i64) -> Self {
        Self::conv("linear", &Geometry::pointwise(inputs, outputs), [1, 1], 1)
    }
}

impl Cost {
    /// The cost of the features of `spec` for an input of `size` (height, width).
    pub fn of(spec: &Spec, form: Form, size: [i64; 2], output_stride: OutputStride) -> Self {
        let mut rows = Vec::new();
        let mut size = size;
        for block in spec.plan(output_stride).blocks() {
            let row = block_row(block, form, size);
            let squeeze = block.squeeze.map(|squeezed| squeeze_row(&row, squeezed));
            rows.push(row);
            rows.extend(squeeze);
            size = size.map(|side| block.geometry.output_side(side));
        }
        Self { rows }
    }

    /// Adds a classifier on the last features.
    pub fn with_classifier(mut self, classes: i64) -> Self {
        let classifier = self.rows.last().map(|features| CostRow::linear(features.output[0], classes));
        self.rows.extend(classifier);
        self
    }

    /// The sum over all rows.
    pub fn total(&self) -> Complexity {
        self.rows.iter().map(|row| row.complexity).sum()
    }
}

pub(crate) fn block_row(block: &BlockPlan, form: Form, input: [i64; 2]) -> CostRow {
    let name = block.key.join(".");
    if form == Form::Deploy {
        return CostRow::conv(name, &block.geometry, input, 1);
    }
    let conv = CostRow::conv(name, &block.geometry, input, 2);
    let convs = repeat_n(conv.complexity, block.branches as usize);
    let scale = CostRow::conv("", &block.geometry.with_one_tap(), input, 2).complexity;
    let skip = Complexity { parameters: 2 * block.geometry.outputs, macs: 0 };
    let sides = [block.side_branches.scale.then_some(scale), block.side_branches.skip.then_some(skip)];
    CostRow { complexity: convs.chain(sides.into_iter().flatten()).sum(), ..conv }
}

fn squeeze_row(block: &CostRow, squeezed: i64) -> CostRow {
    let channels = block.output[0];
    let layers = [CostRow::linear(channels, squeezed), CostRow::linear(squeezed, channels)];
    CostRow {
        name: format!("{}.se", block.name),
        complexity: layers.iter().map(|layer| layer.complexity).sum(),
        ..block.clone()
    }
}
