//! MobileOne as a feature extractor.

use std::path::Path;

use tch::{Device, Tensor, nn};

use crate::{
    block::Block,
    checkpoint::{self, Policy, load_into, variables},
    error::Error,
    form::{Fold, Form, Mode, StateDict, TrainForward},
    plan::BlockPlan,
    spec::{OutputStride, Spec},
};

/// The outputs of the four stages, `[N, C, H, W]`, at strides 4, 8, 16 and 32, none above the output stride.
#[derive(Debug)]
pub struct Features {
    /// Stage 1, stride 4.
    pub c2: Tensor,
    /// Stage 2, stride 8.
    pub c3: Tensor,
    /// Stage 3, stride 16 (8 at output stride 8).
    pub c4: Tensor,
    /// Stage 4, stride 32 (16 or 8 at those output strides).
    pub c5: Tensor,
}

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
        let path = self.stem.prefix.strip_suffix("stage0.").unwrap_or_default();
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

    /// Channels of [`Features`], first to last.
    pub fn channels(&self) -> [i64; 4] {
        self.spec.stages.map(|stage| stage.width)
    }

    /// `xs`: `[N, C, H, W]` with the specification's channels, normalised. Each stride halves the sides, rounding up.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape, [`Error::SingleValueStatistics`] where batch statistics would be those of one value,
    /// [`Error::Exchange`] where another process is lost.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Features, Error> {
        self.check_images(xs, mode)?;
        let run = |xs: Tensor, blocks: &[Block]| blocks.iter().try_fold(xs, |xs, block| block.forward(&xs, mode));
        let [stage1, stage2, stage3, stage4] = &self.stages;
        let c2 = run(self.stem.forward(xs, mode)?, stage1)?;
        let c3 = run(c2.shallow_clone(), stage2)?;
        let c4 = run(c3.shallow_clone(), stage3)?;
        let c5 = run(c4.shallow_clone(), stage4)?;
        Ok(Features { c2, c3, c4, c5 })
    }

    pub(crate) fn check_images(&self, xs: &Tensor, mode: Mode) -> Result<(), Error> {
        let size = xs.size();
        let (images, height, width) = match size[..] {
            [images, channels, height, width]
                if channels == self.spec.in_channels && images > 0 && height > 0 && width > 0 =>
            {
                (images, height, width)
            }
            _ => {
                let expected = format!("[N, {}, H, W]", self.spec.in_channels);
                return Err(Error::Shape { what: "images", found: size, expected });
            }
        };
        let stride = i64::from(self.output_stride);
        let cells = mode.images(images) * ((height + stride - 1) / stride) * ((width + stride - 1) / stride);
        if (self.form, mode.is_train(), cells) == (Form::Train, true, 1) {
            return Err(Error::SingleValueStatistics { height, width });
        }
        Ok(())
    }
}
