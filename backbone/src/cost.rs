//! What a network costs, worked out from its plan: parameters, multiply-adds, size of the activations.
//!
//! Multiply-adds are those of convolutions and the linear layer, as the paper counts them; normalisation, activation, pooling and the
//! product of squeeze-and-excitation are left out. Parameters are the trainable ones; running statistics are not.

use crate::{
    conv::Geometry,
    form::Form,
    plan::BlockPlan,
    spec::{OutputStride, Spec},
};

/// One layer, or a block of branches that are summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRow {
    /// Its key: `stage3.10`, `stage3.10.se`, `linear`.
    pub name: String,
    /// Channels, height and width of its output.
    pub output: [i64; 3],
    /// Trainable parameters.
    pub parameters: i64,
    /// Multiply-adds for one image.
    pub macs: i64,
    /// Bytes of its output for one image in fp32.
    pub activation_bytes: i64,
}

/// Whether a classifier is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classifier {
    /// The features alone.
    None,
    /// Global average pooling and a linear layer with a bias.
    Linear {
        /// Outputs.
        classes: i64,
    },
}

/// The layers of a network, first to last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// One row a block, and one for its squeeze-and-excitation.
    pub rows: Vec<CostRow>,
}

impl CostRow {
    /// A convolution with `per_output` parameters a channel beside the kernel (1: a bias, 2: batch normalisation).
    /// `input` is height and width.
    pub fn conv(name: impl Into<String>, geometry: &Geometry, input: [i64; 2], per_output: i64) -> Self {
        let [height, width] = input.map(|side| geometry.output_side(side));
        let kernel: i64 = geometry.weight_shape().iter().product();
        Self {
            name: name.into(),
            output: [geometry.outputs, height, width],
            parameters: kernel + per_output * geometry.outputs,
            macs: kernel * height * width,
            activation_bytes: geometry.outputs * height * width * size_of::<f32>() as i64,
        }
    }
}

impl Cost {
    /// Counts `spec` for an input of `size` (height, width).
    pub fn of(spec: &Spec, form: Form, size: [i64; 2], output_stride: OutputStride, classifier: Classifier) -> Self {
        let mut rows = Vec::new();
        let mut size = size;
        for block in spec.plan(output_stride).blocks() {
            let row = block_row(block, form, size);
            let squeeze = block.squeeze.map(|squeezed| squeeze_row(&row, squeezed));
            rows.push(row);
            rows.extend(squeeze);
            size = size.map(|side| block.geometry.output_side(side));
        }
        if let Classifier::Linear { classes } = classifier {
            rows.push(CostRow::conv("linear", &pixel(spec.stages[3].width, classes), [1, 1], 1));
        }
        Self { rows }
    }

    /// Trainable parameters of the whole.
    pub fn parameters(&self) -> i64 {
        self.rows.iter().map(|row| row.parameters).sum()
    }

    /// Multiply-adds of the whole for one image.
    pub fn macs(&self) -> i64 {
        self.rows.iter().map(|row| row.macs).sum()
    }
}

fn block_row(block: &BlockPlan, form: Form, input: [i64; 2]) -> CostRow {
    let name = block.key.join(".");
    if form == Form::Deploy {
        return CostRow::conv(name, &block.geometry, input, 1);
    }
    let mut row = CostRow::conv(name, &block.geometry, input, 2);
    row.parameters *= block.branches;
    row.macs *= block.branches;
    if block.side_branches.scale {
        let scale = CostRow::conv("", &Geometry { kernel: 1, padding: 0, dilation: 1, ..block.geometry }, input, 2);
        row.parameters += scale.parameters;
        row.macs += scale.macs;
    }
    if block.side_branches.skip {
        row.parameters += 2 * block.geometry.outputs;
    }
    row
}

fn squeeze_row(block: &CostRow, squeezed: i64) -> CostRow {
    let channels = block.output[0];
    let reduce = CostRow::conv("", &pixel(channels, squeezed), [1, 1], 1);
    let expand = CostRow::conv("", &pixel(squeezed, channels), [1, 1], 1);
    CostRow {
        name: format!("{}.se", block.name),
        parameters: reduce.parameters + expand.parameters,
        macs: reduce.macs + expand.macs,
        ..block.clone()
    }
}

fn pixel(inputs: i64, outputs: i64) -> Geometry {
    Geometry { inputs, outputs, kernel: 1, stride: 1, padding: 0, dilation: 1, groups: 1 }
}
