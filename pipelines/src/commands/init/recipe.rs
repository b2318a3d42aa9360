//! Variant, size, batch and epochs for a set of this size on this machine.

use serde_yaml::Value;
use std::path::Path;

use super::sources::Sources;
use crate::config::TaskKind;
use crate::failure::Failure;

/// The published weights that the shipped recipes fine-tune from, as they name them.
const WEIGHTS: (&str, &str) = ("MOBILEONE_S0", "weights/mobileone_s0_fused.safetensors");
/// The stride of the last features: a side is a multiple of it.
const STRIDE: usize = 32;
const LEAST_SIDE: usize = 64;

/// What a configuration says besides its data.
pub(super) struct Recipe {
    variant: &'static str,
    size: usize,
    batch_size: usize,
    epochs: usize,
    weights: bool,
}

impl Recipe {
    /// `typical` is the median of the images' shorter sides.
    pub(super) fn for_set(task: TaskKind, images: usize, typical: usize) -> Self {
        let cuda = tch::Cuda::is_available();
        // Samples that a training sees: about an hour on two cores, or on a GPU.
        let (samples, most_epochs, side, batch) = match (task, cuda) {
            (TaskKind::Classify, false) => (60_000, 100, 224, 32),
            (TaskKind::Detect, false) => (24_000, 200, 320, 16),
            (TaskKind::Segment, false) => (16_000, 150, 256, 8),
            (TaskKind::Classify, true) => (3_000_000, 300, 224, 256),
            (TaskKind::Detect, true) => (1_000_000, 300, 320, 64),
            (TaskKind::Segment, true) => (500_000, 300, 512, 16),
        };
        let (name, file) = WEIGHTS;
        Self {
            variant: if cuda { "s1" } else { "s0" },
            size: (typical / STRIDE * STRIDE).clamp(LEAST_SIDE, side),
            batch_size: batch.min(images / 4).max(2).min(images.max(1)),
            epochs: (samples / images.max(1)).clamp(10, most_epochs),
            weights: !cuda && (std::env::var_os(name).is_some() || Path::new(file).is_file()),
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// When a source cannot be written as YAML.
    pub(super) fn yaml(&self, sources: &Sources, root: &Path) -> Result<String, Failure> {
        let Self { variant, size, batch_size, epochs, weights } = self;
        let (name, file) = WEIGHTS;
        let backbone = match weights {
            true => format!("backbone:\n  variant: {variant}\n  form: deploy\n  weights: ${{{name}:-{file}}}\n"),
            false => format!(
                "# Published weights as the start make small sets much better: see docs/weights.md.\n\
                 backbone:\n  variant: {variant}\n  weights: null\n"
            ),
        };
        let (lr, backbone_lr) = if *weights { ("1.0e-3", ", backbone_lr: 0.15") } else { ("2.0e-3", "") };
        let root = serde_yaml::to_string(&root.to_string_lossy()).map_err(Failure::failed)?;
        let every = (epochs / 20).max(1);
        Ok(format!(
            "task: {}\n{backbone}data:\n  root: {}\n  size: {size}\n  train:\n{}  val:\n{}train:\n  epochs: {epochs}\n  \
             batch_size: {batch_size}\n  optimizer: {{ kind: adamw, lr: {lr}{backbone_lr}, weight_decay: 0.05 }}\n  \
             schedule: {{ kind: cosine, warmup_steps: 30, warmup_start: 0.01 }}\n  ema: 0.99\n  clip_grad_norm: 10\n  \
             eval_every: {every}\n",
            sources.task.name(),
            root.trim_end(),
            indented(&sources.train)?,
            indented(&sources.val)?,
        ))
    }
}

fn indented(source: &Value) -> Result<String, Failure> {
    let text = serde_yaml::to_string(source).map_err(Failure::failed)?;
    Ok(text.lines().map(|line| format!("    {line}\n")).collect())
}
