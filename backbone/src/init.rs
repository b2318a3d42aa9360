//! Converting deploy-form weights to an equivalent train form, to continue training from weights that were published in deploy form
//! only.
//!
//! Training in train form needs two steps:
//! 1. [`from_deploy`] splits every kernel into branches. The network then equals the deploy form with running statistics, but
//!    not yet with batch statistics, because its running statistics are not those of real data.
//! 2. [`calibrate`] measures the real statistics on some batches and stores them in the normalisations without changing what the
//!    network computes. It then equals the deploy form with batch statistics too, up to the noise of a batch.
//!
//! The alternative is to train the deploy form itself: plain convolutions with biases, no normalisation, cheaper steps.
//!
//! How a kernel is split: the centre tap is shared equally among the branches that have one (convolutions together, 1x1, identity).
//! The 1x1 branch also gets noise of half the kernel's root mean square, subtracted from the convolutions, so that it is not dead
//! where the tap is zero. The k convolutions get equal shares plus noise of the size of a share that sums to zero; without it
//! they would have equal gradients and stay equal. Noise comes from libtorch's generator.

use tch::{Kind, Tensor};

use crate::{
    block::{Block, Layers},
    branches::Branches,
    checkpoint::{LoadReport, Mismatch},
    error::Error,
    form::{Mode, StateDict},
    network::MobileOne,
    norm::{BatchNorm, BatchNormConfig},
    plan::BlockPlan,
    reparam::identity,
    spec::{OutputStride, Spec},
};

/// The deploy-form tensors of a backbone as train-form tensors of the same kind, with running means of 0 and running variances of
/// 1. Other tensors are returned unchanged.
///
/// # Errors
/// [`Error::Incompatible`] where kernels or biases of `spec` are missing or have another shape.
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

    /// A normalisation that multiplies by `gain` and adds `bias` with its running statistics.
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

/// `[branches, ...]`, of unit variance before its mean over the branches is subtracted.
fn zero_sum_noise(branches: i64, like: &Tensor) -> Tensor {
    let size = [vec![branches], like.size()].concat();
    let noise = Tensor::randn(size, (Kind::Double, like.device()));
    let mean = noise.mean_dim(0, true, None);
    noise - mean
}

/// Measures the input statistics of every normalisation of a network in train form on these batches (`[N, C, H, W]`,
/// normalised) and makes them its running statistics. Scale and shift are adjusted so that the network computes the same with
/// running statistics as before. A network in deploy form has nothing to calibrate; without batches nothing is changed.
///
/// # Errors
/// [`Error::Shape`] for a batch of another shape; then nothing is changed.
pub fn calibrate(network: &MobileOne, batches: impl IntoIterator<Item = Tensor>) -> Result<(), Error> {
    tch::no_grad(|| {
        let mut moments: Vec<Vec<Moments>> = network.blocks().map(Block::no_moments).collect();
        for mut xs in batches {
            network.check_images(&xs, Mode::Eval)?;
            for (block, moments) in network.blocks().zip(&mut moments) {
                xs = block.measure(&xs, moments)?;
            }
        }
        for (block, moments) in network.blocks().zip(&moments) {
            block.norms().zip(moments).for_each(|(norm, moments)| moments.become_running(norm));
        }
        Ok(())
    })
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

    /// Adds the statistics of the normalisations' inputs and returns the block's output with running statistics.
    fn measure(&self, xs: &Tensor, moments: &mut [Moments]) -> Result<Tensor, Error> {
        if let Layers::Train(branches) = &self.layers {
            branches.norm_inputs(xs).zip(moments).for_each(|(xs, moments)| moments.add(&xs));
        }
        self.forward(xs, Mode::Eval)
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

    /// Adds the moments of `xs` (`[N, C, H, W]`) by the formula of Chan et al.
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
