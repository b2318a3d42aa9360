//! Training the branches of a block at a lower cost, with the same result.
//!
//! With batch statistics the branches cannot be merged as with running statistics. But a convolution is linear, so mean and
//! variance of a branch's output follow from those of its *input*. They are computed without running the branch, the branches
//! are merged with them, and autograd differentiates all of it. The result is exact, unlike re-parameterisation methods that
//! leave the normalisations out.
//!
//! - **Dense layers** (pointwise ones, and the stem by its columns): with mean `m` and covariance `S` of the input, a branch `W` has
//!   the mean `W m` and the variance `diag(W S W^T)`. One product of the input with itself serves all branches, and one convolution
//!   runs. This is used where it is less work: with several branches or few channels.
//! - **Depthwise layers**: the 1x1 and the identity branch are multiples of the input's channels, so the statistics of the input
//!   merge both into one multiply-add. The 3x3 branches run one by one.
//!
//! Moments are taken in fp32 or better, also with mixed precision. Gradients are exact for one backward pass, not for second
//! derivatives. Where several processes share the batch, sums over its positions are added over the processes, forward and backward.

use tch::{Kind, Tensor};
use tch_ext::autocast::Autocast;

use crate::{
    branches::Branches,
    conv::NormedConv,
    error::Error,
    form::{Mode, Together},
    geometry::Geometry,
    norm::sum_of_normalised,
};

/// All but the channels of `[N, C, H, W]`.
const POSITIONS: &[i64] = &[0, 2, 3];

/// Cost of normalising and adding one output, forward and backward, in multiply-adds of a convolution. Measured on AVX-512; it
/// only chooses between two ways to the same result.
const PASSES: f64 = 190.0;
/// The same for one weight of the small matrices.
const WEIGHT_PASSES: f64 = 100.0;
/// Folding is used where its estimated cost is below this fraction.
const MAX_FOLDED_FRACTION: f64 = 0.8;

impl Branches {
    /// The sum of the branches with batch statistics; updates the running ones.
    pub(crate) fn forward_folded(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let Geometry { inputs, kernel, groups, .. } = self.geometry;
        match &self.scale {
            Some(scale) if groups == inputs => self.forward_depthwise(xs, scale, mode),
            _ if groups == 1 && (kernel == 1 || self.skip.is_none()) && self.dense_is_cheaper(xs, mode) => {
                self.forward_dense(xs, mode)
            }
            _ => self.forward(xs, mode),
        }
    }

    /// Compares estimates of both ways in multiply-adds, forward and backward. Processes that share a batch compare its mean part,
    /// so that all decide alike.
    fn dense_is_cheaper(&self, xs: &Tensor, mode: Mode) -> bool {
        let features = |geometry: &Geometry| geometry.weight_shape()[1..].iter().product::<i64>() as f64;
        let size = xs.size();
        let sides: i64 = size[2..].iter().map(|&side| self.geometry.output_side(side)).product();
        let images = match mode {
            Mode::TrainTogether(Together { group, images }) => images as f64 / group.size() as f64,
            _ => size[0] as f64,
        };
        let (positions, outputs) = (images * sides as f64, self.geometry.outputs as f64);
        let (inputs, count) = (features(&self.geometry), self.convolutions().count() as f64);
        let skip = if self.skip.is_some() { PASSES } else { 0.0 };
        let apart: f64 = self.convolutions().map(|conv| 3.0 * features(&conv.geometry) + PASSES).sum();
        let folded = positions * inputs * (3.0 * outputs + 2.0 * inputs)
            + count * outputs * inputs * (2.0 * inputs + WEIGHT_PASSES);
        folded < MAX_FOLDED_FRACTION * positions * outputs * (apart + skip)
    }

    fn forward_dense(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        let full_precision = Autocast::suspend(xs.device()).ok();
        let columns = self.geometry.columns(&xs.to_kind(moment_kind(xs)));
        let mean = mean(&columns, mode)?;
        let centred = columns - per_channel(&mean);
        let (kernel, bias) = self.merge_dense(&centred, &mean.detach(), mode)?;
        drop(full_precision);
        let kind = self.convs[0].weight.kind();
        let (kernel, bias) = (kernel.to_kind(kind), bias.to_kind(kind));
        Ok(centred.to_kind(kind).conv2d(&kernel, Some(&bias), [1, 1], [0, 0], [1, 1], 1))
    }

    /// Kernel and bias of the one convolution of the centred columns, `[outputs, features, 1, 1]` and `[outputs]`.
    fn merge_dense(&self, centred: &Tensor, mean: &Tensor, mode: Mode) -> Result<(Tensor, Tensor), Error> {
        let (count, covariance) = (positions(centred, mode), covariance(centred, mode)?);
        let kind = centred.kind();
        let stack = |parts: Vec<Tensor>| Tensor::stack(&parts, 0).to_kind(kind);
        let weights = stack(self.convolutions().map(|conv| self.geometry.pad(&conv.weight).flatten(1, 3)).collect());
        let scales = stack(self.convolutions().map(|conv| conv.norm.weight.shallow_clone()).collect());
        let shifts = stack(self.convolutions().map(|conv| conv.norm.bias.shallow_clone()).collect());

        let variances = quadratic_forms(&weights, &covariance);
        let means = weights.detach().matmul(mean);
        for (branch, conv) in self.convolutions().enumerate() {
            conv.norm.track(&means.get(branch as i64), &variances.get(branch as i64), count);
        }
        let gains = scales / (variances + self.convs[0].norm.config().eps).sqrt();
        let mut kernel = (gains.unsqueeze(-1) * weights).sum_dim_intlist(0, false, None);
        let mut bias = shifts.sum_dim_intlist(0, false, None);
        if let Some(norm) = &self.skip {
            let variance = covariance.diagonal(0, 0, 1).clamp_min(0.0);
            norm.track(mean, &variance, count);
            kernel += norm.gain(&variance).diag(0);
            bias += norm.bias.to_kind(kind);
        }
        Ok((kernel.unsqueeze(-1).unsqueeze(-1), bias))
    }

    fn forward_depthwise(&self, xs: &Tensor, scale: &NormedConv, mode: Mode) -> Result<Tensor, Error> {
        let stride = self.geometry.stride;
        let sampled = match stride {
            1 => xs.shallow_clone(),
            _ => xs.slice(2, 0, None, stride).slice(3, 0, None, stride).contiguous(),
        };
        let (gain, shift) = self.merge_pixelwise(&sampled, scale, mode)?;
        let first = self.convs.iter().take(1).map(|conv| conv.norm.shifted_input(conv.convolve(xs), &shift));
        let others = self.convs.iter().skip(1).map(|conv| conv.norm.input(conv.convolve(xs)));
        let mut sum = sum_of_normalised(first.chain(others), mode)?;
        Ok(sum.addcmul_(&sampled.to_kind(sum.kind()), &per_channel(&gain.to_kind(sum.kind()))))
    }

    /// Factor and shift of every channel for the 1x1 and the identity branch of a depthwise layer together, both `[C]`.
    fn merge_pixelwise(&self, xs: &Tensor, scale: &NormedConv, mode: Mode) -> Result<(Tensor, Tensor), Error> {
        let _full_precision = Autocast::suspend(xs.device()).ok();
        let kind = moment_kind(xs);
        let xs = xs.to_kind(kind);
        let mean = mean(&xs, mode)?;
        let centred = &xs - per_channel(&mean.detach());
        let variance = twice_the_gradient(self::mean(&(&centred * centred.detach()), mode)?);
        let count = positions(&xs, mode);

        let weight = scale.weight.view([-1]).to_kind(kind);
        let scaled = &variance * weight.square();
        scale.norm.track(&(&mean * &weight), &scaled, count);
        let gain = scale.norm.gain(&scaled) * weight;
        let shift = scale.norm.bias.to_kind(kind) - &gain * &mean;
        let Some(norm) = &self.skip else { return Ok((gain, shift)) };

        norm.track(&mean, &variance, count);
        let skip = norm.gain(&variance);
        let shift = shift + norm.bias.to_kind(kind) - &skip * mean;
        Ok((gain + skip, shift))
    }
}

fn moment_kind(xs: &Tensor) -> Kind {
    if xs.kind() == Kind::Double { Kind::Double } else { Kind::Float }
}

fn per_channel(values: &Tensor) -> Tensor {
    values.view([1, -1, 1, 1])
}

/// For a product of a tensor with itself where one factor is detached: the same value, with the gradient of both factors at the
/// cost of one.
fn twice_the_gradient(product: Tensor) -> Tensor {
    &product * 2.0 - product.detach()
}

/// The number of positions of `[N, C, H, W]`, those of the other processes included.
fn positions(xs: &Tensor, mode: Mode) -> f64 {
    let size = xs.size();
    (mode.images(size[0]) * size[2..].iter().product::<i64>()) as f64
}

/// The mean over all positions of `[N, C, H, W]`, `[C]`.
fn mean(xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
    match mode {
        Mode::TrainTogether(_) => Ok(over_all(xs.sum_dim_intlist(POSITIONS, false, None), mode)? / positions(xs, mode)),
        _ => Ok(xs.mean_dim(POSITIONS, false, None)),
    }
}

/// The covariance `[C, C]` of centred `[N, C, H, W]`.
fn covariance(centred: &Tensor, mode: Mode) -> Result<Tensor, Error> {
    let channels = centred.size()[1];
    let columns = centred.flatten(2, 3);
    let zeros = Tensor::zeros([channels, channels], (centred.kind(), centred.device()));
    let gram = zeros.addbmm(&columns, &columns.detach().transpose(1, 2));
    Ok(over_all(twice_the_gradient(gram), mode)? / positions(centred, mode))
}

/// The sum over all processes.
fn over_all(sum: Tensor, mode: Mode) -> Result<Tensor, Error> {
    match mode {
        Mode::TrainTogether(together) => Ok(together.group.all_reduce_sum(&sum)?),
        _ => Ok(sum),
    }
}

/// `w S w^T` for every row of `[k, O, F]`, `[k, O]`. Its gradients need no product beyond the one with `S` here and one for `S`.
fn quadratic_forms(weights: &Tensor, covariance: &Tensor) -> Tensor {
    let frozen = weights.detach();
    let product = frozen.flatten(0, 1).matmul(covariance).view_as(weights);
    let sum = |terms: Tensor| terms.sum_dim_intlist(-1, false, None);
    let through_weights = sum(product.detach() * weights);
    let forms = sum(product * frozen) + (&through_weights - through_weights.detach()) * 2.0;
    forms.clamp_min(0.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::{Device, nn::VarStore};
    use tch_ext::distributed::World;

    use super::*;
    use crate::{
        block::{Block, Layers},
        form::Form,
        plan::{BlockPlan, BranchNames, SideBranches},
    };

    struct Case {
        geometry: Geometry,
        branches: i64,
        skip: bool,
    }

    /// Values between -1 and 1, the same in every run.
    fn spread(name: &str, size: &[i64]) -> Tensor {
        let seed: f64 = name.bytes().enumerate().map(|(i, byte)| (i + 1) as f64 * f64::from(byte)).sum();
        let steps = Tensor::arange(size.iter().product::<i64>(), (Kind::Double, Device::Cpu));
        ((steps + seed) * 12.9898).sin().view(size)
    }

    impl Case {
        fn block(&self, kind: Kind) -> (VarStore, Block) {
            let mut store = VarStore::new(Device::Cpu);
            store.set_kind(kind);
            let Self { geometry, branches, skip } = *self;
            let side_branches = SideBranches { scale: geometry.kernel > 1, skip };
            let plan =
                BlockPlan { key: vec![], geometry, branches, side_branches, squeeze: None, names: BranchNames::Apple };
            let block = Block::new(&store.root(), &plan, Form::Train);
            (store, block)
        }

        /// Values for every variable, the input and the gradient of the output.
        fn values(&self) -> BTreeMap<String, Tensor> {
            let (store, block) = self.block(Kind::Double);
            let value = |(name, variable): (String, Tensor)| {
                let noise = spread(&name, &variable.size());
                let value = if name.ends_with("conv.weight") { noise.sign() * 0.2 + noise } else { noise.abs() + 0.2 };
                (name, value)
            };
            let mut values: BTreeMap<String, Tensor> = store.variables().into_iter().map(value).collect();
            let xs = spread("input", &[3, self.geometry.inputs, 11, 8]).relu() * 2.0 + 0.5;
            let ys = tch::no_grad(|| block.forward(&xs, Mode::Eval)).unwrap();
            values.insert("gradient".to_owned(), spread("gradient", &ys.size()));
            values.insert("input".to_owned(), xs);
            values
        }

        /// Output, gradient of the input, gradients of the parameters and running statistics after one step.
        fn step(
            &self,
            values: &BTreeMap<String, Tensor>,
            kind: Kind,
            (run, mode): (Run, Mode),
        ) -> BTreeMap<String, Tensor> {
            let (store, block) = self.block(kind);
            for (name, variable) in store.variables() {
                variable.detach().copy_(&values[&name]);
            }
            let Layers::Train(branches) = &block.layers else { panic!("the block is in train form") };
            let xs = values["input"].to_kind(kind).copy().set_requires_grad(true);
            let ys = run(branches, &xs, mode).unwrap();
            (&ys * values["gradient"].to_kind(kind)).sum(kind).backward();
            let result = |variable: Tensor| if variable.requires_grad() { variable.grad() } else { variable };
            let mut found: BTreeMap<String, Tensor> =
                store.variables().into_iter().map(|(name, variable)| (name, result(variable))).collect();
            found.insert("output".to_owned(), ys.detach());
            found.insert("input".to_owned(), xs.grad());
            found
        }
    }

    type Run = fn(&Branches, &Tensor, Mode) -> Result<Tensor, Error>;

    fn assert_equal(case: &Case, folded: Run) {
        let values = case.values();
        let expected = case.step(&values, Kind::Double, (Branches::forward, Mode::Train));
        let world = World::alone().unwrap();
        let together = Mode::TrainTogether(Together { group: world.group(), images: values["input"].size()[0] });
        for (kind, tolerance) in [(Kind::Double, 1e-11), (Kind::Float, 1e-4)] {
            for way in [(folded, Mode::Train), (folded, together), (Branches::forward, together)] {
                for (name, found) in case.step(&values, kind, way) {
                    // The gradient of a 1x1 weight cancels but for eps: it is compared with the size of its terms.
                    let scale = expected[&name].abs().max().double_value(&[]).max(1.0);
                    let found = found.to_kind(Kind::Double);
                    let difference = (found - &expected[&name]).abs().max().double_value(&[]) / scale;
                    assert!(difference < tolerance, "{:?} {kind:?} {name}: {difference:e}", case.geometry);
                }
            }
        }
    }

    const POINTWISE: Geometry = Geometry::pointwise(6, 6);

    #[test]
    fn dense_layers_are_folded_exactly() {
        for branches in [1, 4] {
            for skip in [false, true] {
                assert_equal(&Case { geometry: POINTWISE, branches, skip }, Branches::forward_dense);
            }
            let wider = Geometry { outputs: 10, ..POINTWISE };
            assert_equal(&Case { geometry: wider, branches, skip: false }, Branches::forward_dense);
            for (stride, dilation) in [(1, 1), (2, 1), (1, 2)] {
                let geometry = Geometry { kernel: 3, stride, dilation, padding: dilation, ..wider };
                assert_equal(&Case { geometry, branches, skip: false }, Branches::forward_dense);
            }
        }
    }

    #[test]
    fn depthwise_layers_are_folded_exactly() {
        for branches in [1, 4] {
            for (stride, dilation, skip) in [(1, 1, true), (1, 1, false), (2, 1, false), (1, 2, true), (1, 4, false)] {
                let geometry = Geometry::depthwise(6, stride, dilation);
                assert_equal(&Case { geometry, branches, skip }, Branches::forward_folded);
            }
        }
    }

    #[test]
    fn dense_layers_are_folded_where_that_is_less_work() {
        let decide = |geometry: Geometry, branches, side| {
            let (_store, block) = Case { geometry, branches, skip: false }.block(Kind::Float);
            let Layers::Train(branches) = &block.layers else { panic!("the block is in train form") };
            branches.dense_is_cheaper(
                &Tensor::zeros([16, geometry.inputs, side, side], (Kind::Float, Device::Cpu)),
                Mode::Train,
            )
        };
        let pointwise = Geometry::pointwise;
        assert!(decide(pointwise(48, 48), 4, 56));
        assert!(decide(pointwise(256, 256), 4, 14));
        assert!(!decide(pointwise(512, 512), 1, 14), "one branch: the moments cost more than they save");
        assert!(!decide(pointwise(256, 1024), 4, 2), "few positions: the matrices cost more than the images");
        assert!(decide(Geometry { inputs: 3, outputs: 48, kernel: 3, stride: 2, padding: 1, ..POINTWISE }, 1, 224));
    }
}
