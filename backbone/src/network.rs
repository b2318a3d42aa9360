//! MobileOne as a feature extractor.

use tch::{Tensor, nn};

use crate::{
    block::Block,
    folded::TrainForward,
    form::{Form, Mode},
    plan::BlockPlan,
    spec::{OutputStride, Spec},
};

/// The outputs of the four stages, `[N, C, H, W]`, at strides 4, 8, 16 and 32 (or as the output stride says).
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
    channels: [i64; 4],
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
            channels: spec.stages.map(|stage| stage.width),
        }
    }

    /// The blocks, first to last.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        std::iter::once(&self.stem).chain(self.stages.iter().flatten())
    }

    /// Chooses how the blocks run in [`Mode::Train`]; at first branch by branch.
    pub fn set_train_forward(&mut self, train_forward: TrainForward) {
        let blocks = std::iter::once(&mut self.stem).chain(self.stages.iter_mut().flatten());
        blocks.for_each(|block| block.train_forward = train_forward);
    }

    /// Channels of [`Features`], first to last.
    pub fn channels(&self) -> [i64; 4] {
        self.channels
    }

    /// `xs`: `[N, 3, H, W]`, normalised. A side of the input is halved, rounding up, at each stride.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Features {
        let run = |xs: Tensor, blocks: &[Block]| blocks.iter().fold(xs, |xs, block| block.forward(&xs, mode));
        let [stage1, stage2, stage3, stage4] = &self.stages;
        let c2 = run(self.stem.forward(xs, mode), stage1);
        let c3 = run(c2.shallow_clone(), stage2);
        let c4 = run(c3.shallow_clone(), stage3);
        let c5 = run(c4.shallow_clone(), stage4);
        Features { c2, c3, c4, c5 }
    }
}
