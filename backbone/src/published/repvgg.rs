//! RepVGG-A0 (Ding et al., <https://arxiv.org/abs/2101.03697>, table 2) with timm's names (`repvgg_a0`). Its blocks are MobileOne's
//! with one dense 3x3 convolution branch, so training and re-parameterisation are the same code.

use tch::{Tensor, nn};

use super::Setup;
use crate::{
    block::Block,
    cost::{CostRow, block_row},
    error::Error,
    form::{Fold, Form, Mode, StateDict},
    geometry::{Geometry, Sampling},
    layers::{
        Layer,
        stack::{Builder, Stack},
    },
    plan::{BlockPlan, BranchNames, SideBranches},
    reparam::Contribution,
};

const STEM: i64 = 48;
/// Blocks, the first of stride 2, and their channels.
const STAGES: [(i64, i64); 4] = [(2, 48), (4, 96), (14, 192), (1, 1280)];

pub(super) fn build(path: &nn::Path, in_channels: i64, setup: Setup) -> Stack {
    let mut network = Builder::new(in_channels, setup);
    let push = |network: &mut Builder, key: Vec<String>, outputs, stride| {
        let (inputs, sampling) = (network.channels, network.strides.next(stride));
        network.push(RepVggBlock::new(path, key, [inputs, outputs], (stride, sampling), setup), outputs);
    };
    push(&mut network, vec!["stem".to_owned()], STEM, 2);
    for (stage, (blocks, outputs)) in STAGES.into_iter().enumerate() {
        for block in 0..blocks {
            let key = vec!["stages".to_owned(), stage.to_string(), block.to_string()];
            push(&mut network, key, outputs, if block == 0 { 2 } else { 1 });
        }
        network.end_stage();
    }
    network.finish()
}

#[derive(Debug)]
struct RepVggBlock {
    block: Block,
    plan: BlockPlan,
    form: Form,
}

impl RepVggBlock {
    /// `published` is the stride before dilation replaces it: it decides whether there is an identity branch.
    fn new(
        path: &nn::Path,
        key: Vec<String>,
        [inputs, outputs]: [i64; 2],
        (published, sampling): (i64, Sampling),
        setup: Setup,
    ) -> Self {
        let plan = BlockPlan {
            key,
            geometry: Geometry::pointwise(inputs, outputs).with_kernel(3).sampled(sampling),
            branches: 1,
            side_branches: SideBranches { scale: true, skip: inputs == outputs && published == 1 },
            squeeze: None,
            names: BranchNames::RepVgg,
        };
        let path = plan.key.iter().fold(path.clone(), |path, part| path / part);
        let mut block = Block::new(&path, &plan, setup.form);
        block.train_forward = setup.train_forward;
        Self { block, plan, form: setup.form }
    }
}

impl Layer for RepVggBlock {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor, Error> {
        self.block.forward(xs, mode)
    }

    fn cost(&self, size: [i64; 2], rows: &mut Vec<CostRow>) -> [i64; 2] {
        let name = self.block.prefix.trim_end_matches('.').to_owned();
        rows.push(CostRow { name, ..block_row(&self.plan, self.form, size) });
        size.map(|side| self.plan.geometry.output_side(side))
    }

    fn contribution(&self) -> Option<Contribution> {
        self.block.contribution()
    }
}

impl Fold for RepVggBlock {
    fn fold(&self, into: &mut StateDict) {
        self.block.fold(into);
    }
}
