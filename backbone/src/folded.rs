//! Training the branches of a block at a lower cost, with the same result.
//!
//! With batch statistics the branches cannot be merged as with running statistics. But a convolution is linear, so mean and
//! variance of a branch's output follow from those of its *input*. They are computed without running the branch, the branches
//! are merged with them, one convolution runs, and its ReLU with it. The result is exact, unlike re-parameterisation methods that
//! leave the normalisations out.
//!
//! - **Depthwise layers**, on a CPU: from the means and products of the nine pixels under the taps.
//! - **Dense layers** (pointwise ones, and the stem by its columns): with mean `m` and covariance `S` of the input, a branch `W` has
//!   the mean `W m` and the variance `diag(W S W^T)`. One product of the input with itself serves all branches, so this is used with
//!   several.
//! - **Others** run branch by branch, but their normalisations, sum and ReLU as one.
//!
//! Gradients are exact for one backward pass, not for second derivatives. Where several processes share the batch, sums over its
//! positions are added over the processes, forward and backward.

use tch::{Device, Tensor};
use tch_ext::train::{Affine, Sum, SumOptions, dense_sum, depthwise_sum, normalised_sum};

use crate::{
    branches::Branches,
    conv::Activation,
    error::Error,
    form::{Mode, Together},
    geometry::Geometry,
    norm::BatchNorm,
};

impl Branches {
    /// The sum of the branches with batch statistics, and ReLU where that follows; updates the running statistics.
    pub(crate) fn forward_folded(&self, xs: &Tensor, mode: Mode, relu: bool) -> Result<Tensor, Error> {
        let Geometry { inputs, outputs, kernel, groups, padding, dilation, .. } = self.geometry;
        let on_cpu = xs.device() == Device::Cpu;
        if on_cpu && [inputs, outputs] == [groups; 2] && (kernel, padding) == (3, dilation) {
            self.forward_depthwise(xs, mode, relu)
        } else if groups == 1 && (kernel == 1 || self.skip.is_none()) && self.dense_is_less_work(xs, mode) {
            self.forward_dense(xs, mode, relu)
        } else if on_cpu && matches!(mode, Mode::Train) {
            self.forward_apart(xs, relu)
        } else {
            let ys = self.forward(xs, mode)?;
            Ok(if relu { Activation::Relu.apply(ys, mode) } else { ys })
        }
    }

    /// Several convolutions share the product of the input with itself. With fewer positions than features, their matrices are
    /// more work than the images. Processes that share a batch take its mean part, so that all decide alike.
    fn dense_is_less_work(&self, xs: &Tensor, mode: Mode) -> bool {
        let processes = match mode {
            Mode::TrainTogether(Together { group, .. }) => group.size() as f64,
            _ => 1.0,
        };
        let features: i64 = self.geometry.weight_shape()[1..].iter().product();
        self.convolutions().count() > 1 && self.positions(xs, mode) / processes > features as f64
    }

    fn forward_depthwise(&self, xs: &Tensor, mode: Mode, relu: bool) -> Result<Tensor, Error> {
        let Geometry { inputs, stride, dilation, .. } = self.geometry;
        let mut taps: Vec<Tensor> =
            self.convolutions().map(|conv| self.geometry.pad(&conv.weight).squeeze_dim(1)).collect();
        if self.skip.is_some() {
            let one = Tensor::ones([inputs, 1, 1], (self.convs[0].weight.kind(), xs.device()));
            taps.push(self.geometry.pad(&one.unsqueeze(0)).squeeze_dim(0));
        }
        let affine = affine_of(self.norms());
        let options = self.options(xs, mode, relu);
        self.track(depthwise_sum(xs, &Tensor::stack(&taps, 0), &affine, stride, dilation, options)?, options.count)
    }

    fn forward_dense(&self, xs: &Tensor, mode: Mode, relu: bool) -> Result<Tensor, Error> {
        let weights = self.convolutions().map(|conv| self.geometry.pad(&conv.weight).flatten(1, 3));
        let weights = Tensor::stack(&weights.collect::<Vec<_>>(), 0);
        let affine = affine_of(self.convolutions().map(|conv| &conv.norm));
        let skip = self.skip.as_ref().map(|norm| [&norm.weight, &norm.bias]);
        let options = self.options(xs, mode, relu);
        self.track(dense_sum(&self.geometry.columns(xs), &weights, &affine, skip, options)?, options.count)
    }

    fn forward_apart(&self, xs: &Tensor, relu: bool) -> Result<Tensor, Error> {
        let outputs =
            self.convolutions().map(|conv| conv.convolve(xs)).chain(self.skip.iter().map(|_| xs.shallow_clone()));
        let outputs: Vec<Tensor> = outputs.collect();
        let inputs: Vec<_> =
            outputs.iter().zip(self.norms()).map(|(ys, norm)| (ys, &norm.weight, &norm.bias)).collect();
        let SumOptions { eps, count, .. } = self.options(xs, Mode::Train, relu);
        self.track(normalised_sum(&inputs, eps, relu)?, count)
    }

    fn options<'a>(&self, xs: &Tensor, mode: Mode<'a>, relu: bool) -> SumOptions<'a> {
        let group = match mode {
            Mode::TrainTogether(Together { group, .. }) => Some(group),
            _ => None,
        };
        SumOptions { eps: self.convs[0].norm.config().eps, relu, group, count: self.positions(xs, mode) }
    }

    /// The positions of the output over the batch, those of the other processes included.
    fn positions(&self, xs: &Tensor, mode: Mode) -> f64 {
        let size = xs.size();
        let sides: i64 = size[2..].iter().map(|&side| self.geometry.output_side(side)).product();
        (mode.images(size[0]) * sides) as f64
    }

    fn track(&self, sum: Sum, count: f64) -> Result<Tensor, Error> {
        for (branch, norm) in self.norms().enumerate() {
            norm.track(&sum.means.get(branch as i64), &sum.variances.get(branch as i64), count);
        }
        Ok(sum.output)
    }
}

fn affine_of<'a>(norms: impl Iterator<Item = &'a BatchNorm>) -> Affine {
    let (gains, shifts): (Vec<_>, Vec<_>) =
        norms.map(|norm| (norm.weight.shallow_clone(), norm.bias.shallow_clone())).unzip();
    Affine { gains: Tensor::stack(&gains, 0), shifts: Tensor::stack(&shifts, 0) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::{Kind, nn::VarStore};
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

    fn reference(branches: &Branches, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        Ok(branches.forward(xs, mode)?.relu())
    }

    fn assert_equal(case: &Case, folded: Run) {
        let values = case.values();
        let expected = case.step(&values, Kind::Double, (reference, Mode::Train));
        let world = World::alone().unwrap();
        let together = Mode::TrainTogether(Together { group: world.group(), images: values["input"].size()[0] });
        for (kind, tolerance) in [(Kind::Double, 1e-11), (Kind::Float, 1e-4)] {
            for way in [(folded, Mode::Train), (folded, together), (reference, together)] {
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
                assert_equal(&Case { geometry: POINTWISE, branches, skip }, |branches, xs, mode| {
                    branches.forward_dense(xs, mode, true)
                });
            }
            let wider = Geometry { outputs: 10, ..POINTWISE };
            assert_equal(&Case { geometry: wider, branches, skip: false }, |branches, xs, mode| {
                branches.forward_dense(xs, mode, true)
            });
            for (stride, dilation) in [(1, 1), (2, 1), (1, 2)] {
                let geometry = Geometry { kernel: 3, stride, dilation, padding: dilation, ..wider };
                assert_equal(&Case { geometry, branches, skip: false }, |branches, xs, mode| {
                    branches.forward_dense(xs, mode, true)
                });
            }
        }
    }

    #[test]
    fn depthwise_layers_are_folded_exactly() {
        for branches in [1, 4] {
            for (stride, dilation, skip) in [(1, 1, true), (1, 1, false), (2, 1, false), (1, 2, true), (1, 4, false)] {
                let geometry = Geometry::depthwise(6, stride, dilation);
                assert_equal(&Case { geometry, branches, skip }, |branches, xs, mode| {
                    branches.forward_folded(xs, mode, true)
                });
            }
        }
    }

    #[test]
    fn branches_are_normalised_together_exactly() {
        for branches in [1, 4] {
            for skip in [false, true] {
                assert_equal(&Case { geometry: POINTWISE, branches, skip }, |branches, xs, mode| match mode {
                    Mode::Train => branches.forward_apart(xs, true),
                    _ => reference(branches, xs, mode),
                });
            }
        }
    }

    #[test]
    fn dense_layers_are_folded_where_that_is_less_work() {
        let decide = |geometry: Geometry, branches, side| {
            let (_store, block) = Case { geometry, branches, skip: false }.block(Kind::Float);
            let Layers::Train(branches) = &block.layers else { panic!("the block is in train form") };
            branches.dense_is_less_work(
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
