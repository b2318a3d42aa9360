//! The parts of transformers (Vaswani et al., <https://arxiv.org/abs/1706.03762>), the same in both forms: linear layers, layer
//! normalisation, attention of several heads.

use tch::{Tensor, nn};

use crate::{
    cost::{Complexity, CostRow},
    form::{Fold, StateDict, key},
    profile,
};

/// Standard deviation of initial weights, as in timm's transformers.
const STD: f64 = 0.02;
/// Added to the variance of layer normalisation: PyTorch's.
const EPS: f64 = 1e-5;

/// A linear layer with a bias.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Tensor,
    prefix: String,
}

impl Linear {
    /// Registers `weight` and `bias` under `path`.
    pub fn new(path: &nn::Path, inputs: i64, outputs: i64) -> Self {
        let options = (path.kind(), path.device());
        Self {
            weight: path.add("weight", Tensor::randn([outputs, inputs], options) * STD, true),
            bias: path.add("bias", Tensor::zeros(outputs, options), true),
            prefix: key(path, ""),
        }
    }

    /// `[..., inputs]` to `[..., outputs]`.
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || xs.linear(&self.weight, Some(&self.bias)))
    }

    /// Its cost for as many positions (rows and columns of them).
    pub fn cost(&self, positions: [i64; 2]) -> CostRow {
        let [outputs, inputs] = [self.weight.size()[0], self.weight.size()[1]];
        CostRow::tokens(
            self.prefix.trim_end_matches('.'),
            outputs,
            positions,
            Complexity { parameters: (inputs + 1) * outputs, macs: inputs * outputs * positions[0] * positions[1] },
        )
    }
}

impl Fold for Linear {
    fn fold(&self, into: &mut StateDict) {
        into.insert(format!("{}weight", self.prefix), self.weight.detach().copy());
        into.insert(format!("{}bias", self.prefix), self.bias.detach().copy());
    }
}

/// Normalisation over the last axis.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    prefix: String,
}

impl LayerNorm {
    /// Registers `weight` and `bias` under `path`.
    pub fn new(path: &nn::Path, channels: i64) -> Self {
        let options = (path.kind(), path.device());
        Self {
            weight: path.add("weight", Tensor::ones(channels, options), true),
            bias: path.add("bias", Tensor::zeros(channels, options), true),
            prefix: key(path, ""),
        }
    }

    /// `[..., channels]` to the same shape.
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || {
            xs.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), EPS, true)
        })
    }

    /// Its cost for as many positions.
    pub fn cost(&self, positions: [i64; 2]) -> CostRow {
        let channels = self.weight.size()[0];
        let complexity = Complexity { parameters: 2 * channels, macs: 0 };
        CostRow::tokens(self.prefix.trim_end_matches('.'), channels, positions, complexity)
    }
}

impl Fold for LayerNorm {
    fn fold(&self, into: &mut StateDict) {
        into.insert(format!("{}weight", self.prefix), self.weight.detach().copy());
        into.insert(format!("{}bias", self.prefix), self.bias.detach().copy());
    }
}

/// `[N, T, C]` as heads `[N, heads, T, C / heads]`; no number depends on `N`, so that a trace takes any batch.
pub(crate) fn split_heads(xs: &Tensor, heads: i64) -> Tensor {
    let size = xs.size();
    xs.view([-1, size[1], heads, size[2] / heads]).transpose(1, 2)
}

/// The other way round.
pub(crate) fn join_heads(xs: &Tensor) -> Tensor {
    let size = xs.size();
    xs.transpose(1, 2).reshape([-1, size[2], size[1] * size[3]])
}

/// Attention of queries `[N, heads, Q, D]` to keys and values `[N, heads, K, D]`, scaled by the root of `D`.
pub(crate) fn attend(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Tensor {
    let scale = (queries.size()[3] as f64).sqrt().recip();
    (queries * scale).matmul(&keys.transpose(-2, -1)).softmax(-1, None).matmul(values)
}

/// The cost of [`attend`] for `[groups, queries, keys]` positions of `channels` in all heads: its two products.
pub(crate) fn attend_cost(name: &str, channels: i64, [groups, queries, keys]: [i64; 3]) -> CostRow {
    let macs = 2 * groups * queries * keys * channels;
    CostRow::tokens(name, channels, [groups, queries], Complexity { parameters: 0, macs })
}

/// Attention of all positions to all, with one layer for queries, keys and values: `qkv`, `proj`.
#[derive(Debug)]
pub(crate) struct SelfAttention {
    qkv: Linear,
    proj: Linear,
    channels: i64,
    heads: i64,
    prefix: String,
}

impl SelfAttention {
    pub fn new(path: &nn::Path, channels: i64, heads: i64) -> Self {
        Self {
            qkv: Linear::new(&(path / "qkv"), channels, 3 * channels),
            proj: Linear::new(&(path / "proj"), channels, channels),
            channels,
            heads,
            prefix: key(path, ""),
        }
    }

    /// `[N, T, C]` to the same shape.
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || {
            let all = self.qkv.forward(xs);
            let part = |number: i64| split_heads(&all.narrow(-1, number * self.channels, self.channels), self.heads);
            self.proj.forward(&join_heads(&attend(&part(0), &part(1), &part(2))))
        })
    }

    /// Its cost for `[groups, T]` positions.
    pub fn cost(&self, positions: [i64; 2], rows: &mut Vec<CostRow>) {
        rows.push(self.qkv.cost(positions));
        let [groups, count] = positions;
        rows.push(attend_cost(self.prefix.trim_end_matches('.'), self.channels, [groups, count, count]));
        rows.push(self.proj.cost(positions));
    }
}

impl Fold for SelfAttention {
    fn fold(&self, into: &mut StateDict) {
        self.qkv.fold(into);
        self.proj.fold(into);
    }
}
