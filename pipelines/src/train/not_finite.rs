//! The policies for a loss or gradient that is not finite.

use datasets::Batch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::Tensor;
use tch_ext::foreach;

use super::Trainer;
use crate::config::{NotFiniteConfig, NotFinitePolicy};
use crate::console;
use crate::failure::Failure;
use crate::model::Network;
use crate::task::{Evaluate, Task, Train};

/// Files and blocks that a sentence names; the file in the run names all.
const MAX_LISTED: usize = 4;

/// Running statistics of batch norm, which the forward pass changes before its loss is known.
pub(super) struct Statistics {
    live: Vec<Tensor>,
    kept: Vec<Tensor>,
}

impl Statistics {
    /// Whether a policy restores them.
    pub(super) fn needed(policy: NotFinitePolicy) -> bool {
        policy == NotFinitePolicy::Skip
    }

    pub(super) fn of<T: Task>(network: &Network<T>) -> Self {
        let live: Vec<Tensor> = network.state().into_values().filter(|tensor| !tensor.requires_grad()).collect();
        let kept = live.iter().map(|tensor| tch::no_grad(|| tensor.copy())).collect();
        Self { live, kept }
    }

    /// Saves their values.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        foreach::copy(&self.kept, &self.live).map_err(Failure::from)
    }

    /// Restores the saved values.
    fn restore(&self) -> Result<(), Failure> {
        foreach::copy(&self.live, &self.kept).map_err(Failure::from)
    }
}

impl<T: Train + Evaluate> Trainer<'_, T> {
    /// Applies the policy to a batch whose loss or gradient is not finite, and reports it.
    pub(super) fn leave_out(
        &mut self,
        batch: &Batch<T::Sample>,
        losses: &[(&'static str, f64)],
    ) -> Result<(), Failure> {
        let NotFiniteConfig { policy, limit } = self.config.train.not_finite;
        self.not_finite += 1;
        let sentence = self.report(batch, losses)?;
        let advice = "Lower train.optimizer.lr, lengthen train.schedule.warmup_steps, or set train.clip_grad_norm.";
        if policy == NotFinitePolicy::Stop {
            return Err(Failure::failed(sentence).hint(advice));
        }
        if self.not_finite > limit {
            let more = format!("{sentence}; train.not_finite.limit allows {limit}");
            return Err(Failure::failed(more).hint(advice));
        }
        let done = match (&self.statistics, policy) {
            (Some(statistics), NotFinitePolicy::Skip) => {
                statistics.restore()?;
                "the batch is left out".to_owned()
            }
            _ => {
                let step = self.roll_back()?;
                format!("the weights of step {step} are restored")
            }
        };
        console::warning(format!("{sentence}; {done} ({} of at most {limit})", self.not_finite));
        Ok(())
    }

    /// Writes the details of the step into the run's folder; a sentence about it.
    fn report(&self, batch: &Batch<T::Sample>, losses: &[(&'static str, f64)]) -> Result<String, Failure> {
        let step = self.position.step + 1;
        let files: Vec<String> = batch.samples.iter().map(|sample| T::file(sample).display().to_string()).collect();
        let files = self.processes.gather(files)?.concat();
        let norms = self.gradient_norms()?;
        let name = format!("not_finite-{step}.json");
        let report = json!({
            "step": step,
            "epoch": self.position.epoch + 1,
            "losses": losses.iter().map(|(name, value)| ((*name).to_owned(), number(*value))).collect::<BTreeMap<_, _>>(),
            "gradient_norms": norms.iter().map(|(name, norm)| (name.clone(), number(*norm))).collect::<BTreeMap<_, _>>(),
            "files": files,
        });
        let text = serde_json::to_string_pretty(&report)? + "\n";
        // Any process may be the one that says it.
        let place = self.processes.of_the_first(self.run.map(|run| run.write(&name, &text)).transpose()?)?;

        let parts: Vec<String> = losses.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let broken: Vec<&str> =
            norms.iter().filter(|(_, norm)| !norm.is_finite()).map(|(name, _)| name.as_str()).collect();
        let what = match losses.iter().all(|(_, value)| value.is_finite()) {
            true => format!("the gradient of {} is not finite at step {step}", listed(&broken)),
            false => format!("the loss is not finite at step {step}"),
        };
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        Ok(format!(
            "{what} ({}); the batch's files: {}; details are in {}",
            parts.join(", "),
            listed(&files),
            place.unwrap_or_default().display()
        ))
    }

    /// The norm of the gradient of each block.
    fn gradient_norms(&self) -> Result<BTreeMap<String, f64>, Failure> {
        let mut blocks: BTreeMap<String, Vec<Tensor>> = BTreeMap::new();
        for (name, parameter) in self.names.iter().zip(&self.parameters) {
            blocks.entry(block(name, T::BACKBONE)).or_default().push(parameter.shallow_clone());
        }
        let norm = |(name, parameters): (String, Vec<Tensor>)| {
            Ok((name, foreach::clip_grad_norm(&parameters, f64::INFINITY)?))
        };
        blocks.into_iter().map(norm).collect()
    }
}

/// The block that a key belongs to: `stage2.3` of the backbone, the first two words of a head's.
fn block(key: &str, backbone: &str) -> String {
    let (prefix, rest) = match key.strip_prefix(backbone) {
        Some(rest) => (backbone, rest),
        None => ("", key),
    };
    let words: Vec<&str> = rest.split('.').collect();
    // The last word names the parameter; the stem has no number.
    let depth = if words[0] == "stage0" { 1 } else { 2.min(words.len() - 1) };
    format!("{prefix}{}", words[..depth].join("."))
}

/// A number as JSON, or its name where JSON has none.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

fn listed(names: &[&str]) -> String {
    let named = names.iter().take(MAX_LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fall_into_blocks() {
        for (key, name) in [
            ("backbone.stage0.rbr_conv.0.conv.weight", "backbone.stage0"),
            ("backbone.stage2.3.rbr_skip.weight", "backbone.stage2.3"),
            ("classifier.0.convs.1.0.weight", "classifier.0"),
            ("head.weight", "head"),
        ] {
            assert_eq!(block(key, "backbone."), name);
        }
        assert_eq!(block("stage1.0.rbr_conv.0.bn.weight", ""), "stage1.0");
        assert_eq!(block("linear.weight", ""), "linear");
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c, d and 1 more");
    }
}
