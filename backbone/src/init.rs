//! A train form that computes what a given deploy form does: a start for training on from weights that were published in deploy
//! form only.
//!
//! Two steps, and both are needed for training in train form:
//! 1. [`from_deploy`] splits every kernel into branches. From then on the network equals the deploy form under running
//!    statistics. Under batch statistics it does not yet, because the running statistics are not those of any data.
//! 2. [`calibrate`] measures the real statistics on some batches and moves them into the normalisations without changing what the
//!    network computes. From then on it equals the deploy form under batch statistics too, up to the noise of a batch.
//!
//! The alternative is to train the deploy form itself: plain convolutions with biases, no normalisation, cheaper steps.
//!
//! How a kernel is split: the centre tap is shared equally among the branches that can hold it (convolutions together, 1x1, identity);
//! the 1x1 branch also takes noise at half the kernel's root mean square, which the convolutions give back, so that it starts
//! alive where the tap is zero; the k convolutions take equal shares plus noise of the size of a share that sums to zero, without which
//! they would have equal gradients and stay equal for ever. Noise comes from libtorch's generator.

use tch::{Kind, Tensor};

use crate::{
    block::{Block, Branches, Layers},
    checkpoint::{LoadReport, Mismatch},
    conv::NormedConv,
    error::Error,
    form::{Mode, StateDict},
    network::MobileOne,
    norm::{BatchNorm, BatchNormConfig},
    plan::BlockPlan,
    reparam::identity,
    spec::{OutputStride, Spec},
};

/// The deploy-form tensors of a backbone (and whatever else stands beside it, which is handed on) as train-form tensors of the same
/// kind, with running means of 0 and running variances of 1.
///
/// # Errors
/// Kernels or biases that `spec` asks for and `deploy` does not have, or has in another shape.
pub fn from_deploy(spec: &Spec, deploy: &StateDict) -> Result<StateDict, Error> {
    let mut train: StateDict = deploy.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    let mut report = LoadReport::default();
    for plan in spec.plan(OutputStride::Os32).blocks() {
        let prefix = format!("{}.", plan.key.join("."));
        let mut take = |name: &str, expected: &[i64]| {
            let name = format!("{prefix}reparam_conv.{name}");
            match train.remove(&name) {
                None => report.missing.push((name, expected.to_vec())),
                Some(tensor) if tensor.size() != expected => {
                    report.mismatched.push(Mismatch { name, expected: expected.to_vec(), found: tensor.size() });
                }
                Some(tensor) => return Some(tensor),
            }
            None
        };
        let kernel = take("weight", &plan.geometry.weight_shape());
        let bias = take("bias", &[plan.geometry.outputs]);
        if let (Some(kernel), Some(bias)) = (kernel, bias) {
            tch::no_grad(|| Split { prefix, kind: kernel.kind(), into: &mut train }.write(plan, &kernel, &bias));
        }
    }
    if report.is_exact() { Ok(train) } else { Err(Error::Incompatible(Box::new(report))) }
}

struct Split<'a> {
    prefix: String,
    kind: Kind,
    into: &'a mut StateDict,
}

impl Split<'_> {
    fn write(&mut self, plan: &BlockPlan, kernel: &Tensor, bias: &Tensor) {
        let (geometry, sides) = (&plan.geometry, plan.side_branches);
        let mut rest = kernel.to_kind(Kind::Double);
        let size = [geometry.kernel, geometry.outputs];
        let centre = rest.narrow(2, size[0] / 2, 1).narrow(3, size[0] / 2, 1);
        let tap = &centre / (1 + i64::from(sides.scale) + i64::from(sides.skip)) as f64;
        let rms = rest.square().mean_dim(&[1i64, 2, 3][..], true, None).sqrt();
        let bias = bias.to_kind(Kind::Double) / (plan.branches + i64::from(sides.scale) + i64::from(sides.skip)) as f64;
        let one = Tensor::ones(size[1], (Kind::Double, rest.device()));

        if sides.scale {
            let pixel = &tap + tap.randn_like() * &rms / 2.0;
            rest -= geometry.pad(&pixel);
            self.conv("rbr_scale", &pixel, &one, &bias);
        }
        if sides.skip {
            let identity = identity(geometry, rest.device());
            let gain = (&tap * &identity).sum_dim_intlist(&[1i64, 2, 3][..], false, None);
            rest -= geometry.pad(&(identity * gain.view([-1, 1, 1, 1])));
            self.norm("rbr_skip", &gain, &bias);
        }
        let shares = zero_sum_noise(plan.branches, &rest) * rms + rest;
        for branch in 0..plan.branches {
            let share = shares.get(branch) / plan.branches as f64;
            self.conv(&format!("rbr_conv.{branch}"), &share, &one, &bias);
        }
    }

    fn conv(&mut self, name: &str, kernel: &Tensor, gain: &Tensor, bias: &Tensor) {
        self.put(&format!("{name}.conv.weight"), kernel);
        self.norm(&format!("{name}.bn"), gain, bias);
    }

    /// A normalisation that multiplies by `gain` and adds `bias` under its running statistics.
    fn norm(&mut self, name: &str, gain: &Tensor, bias: &Tensor) {
        let variance = 1.0;
        self.put(&format!("{name}.weight"), &(gain * (variance + BatchNormConfig::default().eps).sqrt()));
        self.put(&format!("{name}.bias"), bias);
        self.put(&format!("{name}.running_mean"), &bias.zeros_like());
        self.put(&format!("{name}.running_var"), &bias.full_like(variance));
    }

    fn put(&mut self, name: &str, tensor: &Tensor) {
        self.into.insert(format!("{}{name}", self.prefix), tensor.to_kind(self.kind));
    }
}

/// `[branches, ...]`, of unit variance before its mean over the branches is taken off.
fn zero_sum_noise(branches: i64, like: &Tensor) -> Tensor {
    let size = [vec![branches], like.size()].concat();
    let noise = Tensor::randn(size, (Kind::Double, like.device()));
    let mean = noise.mean_dim(0, true, None);
    noise - mean
}

/// Measures the statistics that every normalisation of a network in train form meets on these batches (`[N, 3, H, W]`,
/// normalised) and makes them its running statistics, with scale and shift adjusted so that the network computes the same under
/// running statistics as before. A network in deploy form has nothing to calibrate; without batches nothing is changed.
pub fn calibrate(network: &MobileOne, batches: impl IntoIterator<Item = Tensor>) {
    tch::no_grad(|| {
        let mut moments: Vec<Vec<Moments>> = network.blocks().map(Block::no_moments).collect();
        for mut xs in batches {
            for (block, moments) in network.blocks().zip(&mut moments) {
                xs = block.measure(&xs, moments);
            }
        }
        for (block, moments) in network.blocks().zip(&moments) {
            block.norms().zip(moments).for_each(|(norm, moments)| moments.become_running(norm));
        }
    });
}

impl Block {
    fn norms(&self) -> impl Iterator<Item = &BatchNorm> {
        let branches = match &self.layers {
            Layers::Train(branches) => Some(branches),
            Layers::Deploy(_) => None,
        };
        branches.into_iter().flat_map(Branches::norms)
    }

    fn no_moments(&self) -> Vec<Moments> {
        self.norms().map(|norm| Moments::none(&norm.running_mean)).collect()
    }

    /// Adds what the normalisations meet and hands on the block's output under running statistics.
    fn measure(&self, xs: &Tensor, moments: &mut [Moments]) -> Tensor {
        if let Layers::Train(branches) = &self.layers {
            branches.norm_inputs(xs).zip(moments).for_each(|(xs, moments)| moments.add(&xs));
        }
        self.forward(xs, Mode::Eval)
    }
}

impl Branches {
    fn norms(&self) -> impl Iterator<Item = &BatchNorm> {
        self.convs.iter().chain(&self.scale).map(|conv| &conv.norm).chain(&self.skip)
    }

    fn norm_inputs(&self, xs: &Tensor) -> impl Iterator<Item = Tensor> {
        let convolve = |conv: &NormedConv| conv.geometry.convolve(xs, &conv.weight, None);
        self.convs.iter().chain(&self.scale).map(convolve).chain(self.skip.iter().map(|_| xs.shallow_clone()))
    }
}

/// Count, mean and summed squared deviation of each channel, in fp64.
struct Moments {
    count: f64,
    mean: Tensor,
    squares: Tensor,
}

impl Moments {
    fn none(like: &Tensor) -> Self {
        let zeros = || like.zeros_like().to_kind(Kind::Double);
        Self { count: 0.0, mean: zeros(), squares: zeros() }
    }

    /// Joins the moments of `xs` (`[N, C, H, W]`), as Chan et al. do.
    fn add(&mut self, xs: &Tensor) {
        let channels = xs.size()[1];
        let count = (xs.numel() as i64 / channels) as f64;
        let (variance, mean) = xs.var_mean_correction(&[0i64, 2, 3][..], 0, false);
        let (variance, mean) = (variance.to_kind(Kind::Double), mean.to_kind(Kind::Double));
        let total = self.count + count;
        let delta = mean - &self.mean;
        self.squares += variance * count + delta.square() * (self.count * count / total);
        self.mean += delta * (count / total);
        self.count = total;
    }

    fn become_running(&self, norm: &BatchNorm) {
        if self.count > 1.0 {
            norm.rebase(&self.mean, &(&self.squares / (self.count - 1.0)));
        }
    }
}
