//! MobileOne as a feature extractor.

use std::path::Path;

use tch::{Device, Tensor, nn};

use crate::{
    block::Block,
    checkpoint::{self, Policy, load_into, variables},
    cost::Cost,
    error::Error,
    features::{Backbone, Features, check_images},
    form::{Fold, Form, Mode, StateDict, TrainForward},
    init,
    plan::BlockPlan,
    reparam::Contribution,
    spec::{OutputStride, Spec},
};

/// The network up to its last stage, without a classifier.
#[derive(Debug)]
pub struct MobileOne {
    stem: Block,
    stages: [Vec<Block>; 4],
    spec: Spec,
    form: Form,
    output_stride: OutputStride,
}

impl MobileOne {
    /// Registers every tensor under `path` with Apple's names (`stage0.rbr_conv.0.conv.weight`). Keys and shapes do not depend
    /// on the output stride.
    ///
    /// `spec` must be valid: see [`Spec::validate`].
    pub fn new(path: &nn::Path, spec: &Spec, form: Form, output_stride: OutputStride) -> Self {
        let plan = spec.plan(output_stride);
        let block = |plan: &BlockPlan| {
            let path = plan.key.iter().fold(path.clone(), |path, part| path / part);
            Block::new(&path, plan, form)
        };
        Self {
            stem: block(&plan.stem),
            stages: plan.stages.each_ref().map(|stage| stage.iter().map(block).collect()),
            spec: spec.clone(),
            form,
            output_stride,
        }
    }

    /// Reads a checkpoint in any format and naming scheme that [`checkpoint::read`] knows; specification and form are detected.
    /// The weights are frozen, in fp32 on the CPU; the output stride is 32.
    ///
    /// To train, build the network with [`MobileOne::new`] and load the weights with [`load_into`].
    ///
    /// # Errors
    /// As [`checkpoint::read`]; [`Error::NotMobileOne`] for a file without a MobileOne.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let checkpoint = checkpoint::read(path.as_ref())?;
        let spec = checkpoint.spec()?;
        let form = checkpoint.form.ok_or_else(|| Error::NotMobileOne { reason: "there are no layers".to_owned() })?;
        Self::with_weights(&spec, form, OutputStride::Os32, &checkpoint.backbone())
    }

    /// A network with these weights, named as at the root; they are frozen, in fp32 on the CPU.
    ///
    /// # Errors
    /// [`Error::OtherForm`] and [`Error::Incompatible`] where the tensors are not exactly those of the network.
    pub fn with_weights(
        spec: &Spec,
        form: Form,
        output_stride: OutputStride,
        tensors: &StateDict,
    ) -> Result<Self, Error> {
        let mut store = nn::VarStore::new(Device::Cpu);
        let network = Self::new(&store.root(), spec, form, output_stride);
        store.freeze();
        load_into(&variables(&store, ""), tensors, Policy::Exact)?;
        Ok(network)
    }

    /// The same network in deploy form, re-parameterised with its running statistics; its weights are frozen, in fp32 on the CPU.
    ///
    /// # Errors
    /// [`Error::Torch`] when memory runs out.
    pub fn to_deploy_form(&self) -> Result<Self, Error> {
        let path = self.prefix();
        let at_root = |(name, tensor): (String, Tensor)| Some((name.strip_prefix(path)?.to_owned(), tensor));
        let tensors = self.folded().into_iter().filter_map(at_root).collect();
        Self::with_weights(&self.spec, Form::Deploy, self.output_stride, &tensors)
    }

    /// The blocks, first to last.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        std::iter::once(&self.stem).chain(self.stages.iter().flatten())
    }

    /// Chooses how the blocks run in training; initially branch by branch.
    pub fn set_train_forward(&mut self, train_forward: TrainForward) {
        let blocks = std::iter::once(&mut self.stem).chain(self.stages.iter_mut().flatten());
        blocks.for_each(|block| block.train_forward = train_forward);
    }

    /// The specification.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Refuses images that the network does not take, and batches whose last features have no statistics.
    pub(crate) fn check_images(&self, xs: &Tensor, mode: Mode) -> Result<(), Error> {
        check_images(xs, self.spec.in_channels, self.output_stride, (self.form, mode))
    }

    /// The prefix of the network's keys.
    fn prefix(&self) -> &str {
        self.stem.prefix.strip_suffix("stage0.").unwrap_or_default()
    }
}

impl Backbone for MobileOne {
    fn in_channels(&self) -> i64 {
        self.spec.in_channels
    }

    fn channels(&self) -> [i64; 4] {
        self.spec.stages.map(|stage| stage.width)
    }

    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Features, Error> {
        self.check_images(xs, mode)?;
        let run = |xs: Tensor, blocks: &[Block]| blocks.iter().try_fold(xs, |xs, block| block.forward(&xs, mode));
        let [stage1, stage2, stage3, stage4] = &self.stages;
        let c2 = run(self.stem.forward(xs, mode)?, stage1)?;
        let c3 = run(c2.shallow_clone(), stage2)?;
        let c4 = run(c3.shallow_clone(), stage3)?;
        let c5 = run(c4.shallow_clone(), stage4)?;
        Ok(Features { c2, c3, c4, c5 })
    }

    fn cost(&self, size: [i64; 2]) -> Cost {
        let mut cost = Cost::of(&self.spec, self.form, size, self.output_stride);
        cost.rows.iter_mut().for_each(|row| row.name.insert_str(0, self.prefix()));
        cost
    }

    fn contributions(&self) -> Vec<Contribution> {
        self.blocks().filter_map(Block::contribution).collect()
    }

    fn calibrate(&self, batches: &mut dyn Iterator<Item = Tensor>) -> Result<(), Error> {
        init::calibrate(self, batches)
    }
}
