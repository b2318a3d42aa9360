//! MobileFormer's two-way bridge between maps and tokens (equations 1 and 2 of its paper), and its Former. The maps have no projections
//! of their own: they are keys and values as they are, or queries.

use tch::{Tensor, nn};

use super::attention::{LayerNorm, Linear, SelfAttention, attend, attend_cost, split_heads};
use crate::{
    cost::{Complexity, CostRow},
    form::{Fold, StateDict, key},
    profile,
};

/// Heads of the bridge, and of the Former: the paper's text does not say.
const BRIDGE_HEADS: i64 = 2;
const FORMER_HEADS: i64 = 4;
/// Expansion of the Former's hidden layer: 2 in the paper.
const EXPANSION: i64 = 2;
/// Standard deviation of initial projections, as that of linear layers.
const STD: f64 = 0.02;

/// Tokens that are trained.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// `[M, D]`.
    values: Tensor,
    key: String,
}

impl Tokens {
    /// Registers `tokens` under `path`.
    pub fn new(path: &nn::Path, count: i64, dimension: i64) -> Self {
        let values = Tensor::randn([count, dimension], (path.kind(), path.device()));
        Self { values: path.add("tokens", values, true), key: key(path, "tokens") }
    }

    /// `[1, M, D]`.
    pub fn forward(&self) -> Tensor {
        self.values.unsqueeze(0)
    }

    pub fn cost(&self) -> CostRow {
        let (count, dimension) = (self.values.size()[0], self.values.size()[1]);
        CostRow::tokens(&self.key, dimension, [1, count], Complexity { parameters: count * dimension, macs: 0 })
    }
}

impl Fold for Tokens {
    fn fold(&self, into: &mut StateDict) {
        into.insert(self.key.clone(), self.values.detach().copy());
    }
}

/// A projection of each head of its own.
#[derive(Debug)]
struct HeadProjection {
    /// `[heads, outputs / heads, inputs / heads]`.
    weight: Tensor,
    prefix: String,
}

impl HeadProjection {
    fn new(path: &nn::Path, inputs: i64, outputs: i64) -> Self {
        let size = [BRIDGE_HEADS, outputs / BRIDGE_HEADS, inputs / BRIDGE_HEADS];
        let weight = Tensor::randn(size, (path.kind(), path.device())) * STD;
        Self { weight: path.add("weight", weight, true), prefix: key(path, "") }
    }

    /// `[N, M, inputs]` to heads `[N, heads, M, outputs / heads]`.
    fn forward(&self, tokens: &Tensor) -> Tensor {
        split_heads(tokens, BRIDGE_HEADS).matmul(&self.weight.transpose(1, 2))
    }

    fn cost(&self, tokens: i64) -> CostRow {
        let parameters = self.weight.numel() as i64;
        let outputs = BRIDGE_HEADS * self.weight.size()[1];
        let complexity = Complexity { parameters, macs: parameters * tokens };
        CostRow::tokens(self.prefix.trim_end_matches('.'), outputs, [1, tokens], complexity)
    }
}

impl Fold for HeadProjection {
    fn fold(&self, into: &mut StateDict) {
        into.insert(format!("{}weight", self.prefix), self.weight.detach().copy());
    }
}

/// Maps `[N, C, H, W]` as heads `[N, heads, C / heads, H * W]`.
fn heads_of(maps: &Tensor) -> Tensor {
    let size = maps.size();
    maps.flatten(2, 3).view([-1, BRIDGE_HEADS, size[1] / BRIDGE_HEADS, size[2] * size[3]])
}

/// Tokens that attend to the maps, and to each other (Mobile to Former, then Former).
#[derive(Debug)]
pub(crate) struct Former {
    query: HeadProjection,
    output: Linear,
    attention: SelfAttention,
    mlp: [Linear; 2],
    /// After the bridge, after attention, after the hidden layer.
    norms: [LayerNorm; 3],
    channels: i64,
    prefix: String,
}

impl Former {
    /// For maps of `channels` and tokens of `dimension`.
    pub fn new(path: &nn::Path, channels: i64, dimension: i64) -> Self {
        let linear = |name, inputs, outputs| Linear::new(&(path / name), inputs, outputs);
        Self {
            query: HeadProjection::new(&(path / "query"), dimension, channels),
            output: linear("output", channels, dimension),
            attention: SelfAttention::new(&(path / "attn"), dimension, FORMER_HEADS),
            mlp: [linear("fc1", dimension, EXPANSION * dimension), linear("fc2", EXPANSION * dimension, dimension)],
            norms: ["norm1", "norm2", "norm3"].map(|name| LayerNorm::new(&(path / name), dimension)),
            channels,
            prefix: key(path, ""),
        }
    }

    /// Maps `[N, C, H, W]` and tokens `[N or 1, M, D]` to tokens `[N, M, D]`.
    pub fn forward(&self, maps: &Tensor, tokens: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || {
            let positions = heads_of(maps).transpose(2, 3);
            let read = attend(&self.query.forward(tokens), &positions, &positions);
            let count = tokens.size()[1];
            let joined = read.transpose(1, 2).reshape([-1, count, self.channels]);
            let tokens = self.norms[0].forward(&(tokens + self.output.forward(&joined)));
            let tokens = self.norms[1].forward(&(&tokens + self.attention.forward(&tokens)));
            let [first, second] = &self.mlp;
            let hidden = second.forward(&first.forward(&tokens).gelu("none"));
            self.norms[2].forward(&(tokens + hidden))
        })
    }

    /// Its cost for maps of `size` and so many tokens.
    pub fn cost(&self, size: [i64; 2], tokens: i64, rows: &mut Vec<CostRow>) {
        let name = self.prefix.trim_end_matches('.');
        rows.push(self.query.cost(tokens));
        rows.push(attend_cost(name, self.channels, [1, tokens, size[0] * size[1]]));
        rows.push(self.output.cost([1, tokens]));
        self.attention.cost([1, tokens], rows);
        rows.extend(self.mlp.iter().map(|layer| layer.cost([1, tokens])));
        rows.extend(self.norms.iter().map(|norm| norm.cost([1, tokens])));
    }
}

impl Fold for Former {
    fn fold(&self, into: &mut StateDict) {
        self.query.fold(into);
        std::iter::once(&self.output).chain(&self.mlp).for_each(|layer| layer.fold(into));
        self.attention.fold(into);
        self.norms.iter().for_each(|norm| norm.fold(into));
    }
}

/// Maps that attend to the tokens (Former to Mobile).
#[derive(Debug)]
pub(crate) struct ToMobile {
    key: HeadProjection,
    value: HeadProjection,
    channels: i64,
    prefix: String,
}

impl ToMobile {
    /// For maps of `channels` and tokens of `dimension`.
    pub fn new(path: &nn::Path, channels: i64, dimension: i64) -> Self {
        let projection = |name| HeadProjection::new(&(path / name), dimension, channels);
        Self { key: projection("key"), value: projection("value"), channels, prefix: key(path, "") }
    }

    /// Maps `[N, C, H, W]` and tokens `[N, M, D]` to maps of the same shape.
    pub fn forward(&self, maps: &Tensor, tokens: &Tensor) -> Tensor {
        profile::layer(&self.prefix, || {
            let queries = heads_of(maps).transpose(2, 3);
            let read = attend(&queries, &self.key.forward(tokens), &self.value.forward(tokens));
            let size = maps.size();
            maps + read.transpose(2, 3).reshape([-1, size[1], size[2], size[3]])
        })
    }

    /// Its cost for maps of `size` and so many tokens.
    pub fn cost(&self, size: [i64; 2], tokens: i64, rows: &mut Vec<CostRow>) {
        rows.extend([&self.key, &self.value].map(|projection| projection.cost(tokens)));
        let name = self.prefix.trim_end_matches('.');
        rows.push(attend_cost(name, self.channels, [1, size[0] * size[1], tokens]));
    }
}

impl Fold for ToMobile {
    fn fold(&self, into: &mut StateDict) {
        [&self.key, &self.value].into_iter().for_each(|projection| projection.fold(into));
    }
}
