//! A block of MobileFormer (figure 3 of the paper).

use tch::{Tensor, nn};

use crate::{
    conv::{Activation, ConvBn},
    cost::CostRow,
    error::Error,
    form::{Fold, Form, Mode, StateDict},
    geometry::{Geometry, Sampling},
    layers::{
        Layer,
        bridge::{Former, ToMobile},
        dynamic_relu::DynamicRelu,
        inverted_residual::conv_bn,
    },
};

/// Names of the parts of a convolution.
pub(super) const KEYS: [&str; 2] = ["conv", "bn"];
/// The second depthwise layer of a strided block has so many times the block's output channels.
const SECOND_EXPANSION: i64 = 4;
/// The hidden numbers of dynamic ReLU: the block's output channels by this, the reduction of dynamic ReLU's paper,
const REDUCTION: i64 = 8;
/// rounded up to a multiple of this.
const MULTIPLE: i64 = 8;

/// Maps and tokens in, maps and tokens out. Where it has stride 2, a strided depthwise layer that expands and a pointwise one stand in
/// place of the expansion, and the second depthwise layer expands again (section 3.2).
#[derive(Debug)]
pub(super) struct Block {
    former: Former,
    /// Before the depthwise layer.
    first: Vec<ConvBn>,
    depthwise: ConvBn,
    project: ConvBn,
    activations: [DynamicRelu; 2],
    to_mobile: ToMobile,
    tokens: i64,
    residual: bool,
}

/// A depthwise 3x3 layer that gives each channel several outputs.
pub(super) fn spread(inputs: i64, outputs: i64, sampling: Sampling) -> Geometry {
    Geometry::depthwise(inputs, 1, 1).sampled(sampling).with_outputs(outputs)
}

impl Block {
    /// For so many tokens of this dimension, and channels at the input, between, and at the output.
    pub fn new(
        path: &nn::Path,
        [tokens, dimension]: [i64; 2],
        [inputs, hidden, outputs]: [i64; 3],
        (stride, sampling): (i64, Sampling),
        form: Form,
    ) -> Self {
        let conv = |name, geometry| conv_bn(&(path / name), KEYS, geometry, Activation::None, form);
        let plain = Sampling { stride: 1, dilation: sampling.dilation };
        let (first, second) = match stride {
            1 => (vec![conv("expand", Geometry::pointwise(inputs, hidden))], spread(hidden, hidden, plain)),
            _ => {
                let strided = conv("strided", spread(inputs, hidden, sampling));
                let squeeze = conv("squeeze", Geometry::pointwise(hidden, outputs));
                (vec![strided, squeeze], spread(outputs, SECOND_EXPANSION * outputs, plain))
            }
        };
        let steps = MULTIPLE * REDUCTION;
        let between = MULTIPLE * ((outputs + steps - 1) / steps);
        let activation = |name, channels| DynamicRelu::new(&(path / name), dimension, between, channels);
        Self {
            former: Former::new(&(path / "former"), inputs, dimension),
            first,
            depthwise: conv("depthwise", second),
            project: conv("project", Geometry::pointwise(second.outputs, outputs)),
            activations: [activation("act1", hidden), activation("act2", second.outputs)],
            to_mobile: ToMobile::new(&(path / "to_mobile"), outputs, dimension),
            tokens,
            residual: stride == 1 && inputs == outputs,
        }
    }

    pub fn forward(&self, xs: &Tensor, tokens: &Tensor, mode: Mode) -> Result<(Tensor, Tensor), Error> {
        let tokens = self.former.forward(xs, tokens);
        let steering = tokens.select(1, 0);
        let [first, second] = &self.activations;
        let mut maps = first.forward(&self.first[0].forward(xs, mode)?, &steering);
        for layer in &self.first[1..] {
            maps = layer.forward(&maps, mode)?;
        }
        let maps = second.forward(&self.depthwise.forward(&maps, mode)?, &steering);
        let maps = self.project.forward(&maps, mode)?;
        let maps = if self.residual { maps + xs } else { maps };
        Ok((self.to_mobile.forward(&maps, &tokens), tokens))
    }

    pub fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        self.former.cost(size, self.tokens, rows);
        let [first, second] = &self.activations;
        let size = Layer::cost(&self.first[0], size, rows);
        rows.push(first.cost(size));
        let size = self.first[1..].iter().fold(size, |size, layer| Layer::cost(layer, size, rows));
        let size = Layer::cost(&self.depthwise, size, rows);
        rows.push(second.cost(size));
        let size = Layer::cost(&self.project, size, rows);
        self.to_mobile.cost(size, self.tokens, rows);
        size
    }
}

impl Fold for Block {
    fn fold(&self, into: &mut StateDict) {
        self.first.iter().chain([&self.depthwise, &self.project]).for_each(|layer| layer.fold(into));
        self.former.fold(into);
        self.activations.iter().for_each(|activation| activation.fold(into));
        self.to_mobile.fold(into);
    }
}
