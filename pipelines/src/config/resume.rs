//! Which keys of its configuration a resumed run may change.

use serde_yaml::Value;

use super::check::written;
use super::{Config, Keys};
use crate::failure::Failure;

/// What a changed key does to a resumed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Results stay valid.
    None,
    /// Results will differ from those of the original run.
    Differs,
    /// What the run has computed is no longer usable.
    Breaks,
}

/// What changing a key, or one below it, does: the first match decides. Any other key breaks a run.
const EFFECTS: [(&str, Effect); 16] = [
    ("name", Effect::None),
    ("data.workers", Effect::None),
    ("data.on_error", Effect::None),
    ("data.timeout", Effect::None),
    // Its files are compared, whatever their place.
    ("data.root", Effect::None),
    ("data", Effect::Breaks),
    ("eval", Effect::None),
    ("train.epochs", Effect::None),
    ("train.eval_every", Effect::None),
    ("train.checkpoint", Effect::None),
    ("train.not_finite", Effect::None),
    ("train.timeout", Effect::None),
    // Follows from this and the number of processes: the changed batch size is what differs.
    ("train.batch_per_process", Effect::None),
    ("train.optimizer.kind", Effect::Breaks),
    ("train.quantize", Effect::Breaks),
    ("train", Effect::Differs),
];

/// The differences between the configuration that a run began with and the one that resumes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys that may not change, each with both values.
    pub refused: Vec<String>,
    /// Keys that may change, but make results differ from those of the original run.
    pub warned: Vec<String>,
}

impl Changes {
    /// Compares two configurations of one task.
    ///
    /// # Errors
    /// When one of them cannot be written as YAML.
    pub fn between<K: Keys>(made: &Config<K>, wanted: &Config<K>) -> Result<Self, Failure> {
        let value = |config| serde_yaml::to_value(config).map_err(Failure::failed);
        let mut changes = Self::default();
        changes.compare(String::new(), &value(made)?, &value(wanted)?);
        // An average can neither begin nor end in the middle of a run.
        if made.train.ema.is_some() != wanted.train.ema.is_some()
            && let Some(place) = changes.warned.iter().position(|change| change.starts_with("train.ema "))
        {
            changes.refused.push(changes.warned.remove(place));
        }
        Ok(changes)
    }

    fn compare(&mut self, key: String, made: &Value, wanted: &Value) {
        if let (Value::Mapping(made), Value::Mapping(wanted)) = (made, wanted) {
            let names = made.keys().chain(wanted.keys().filter(|name| !made.contains_key(name)));
            for name in names.filter_map(Value::as_str) {
                let key = if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
                let of = |section: &serde_yaml::Mapping| section.get(name).cloned().unwrap_or(Value::Null);
                self.compare(key, &of(made), &of(wanted));
            }
        } else if made != wanted {
            let change = format!("{key} ({} -> {})", written(made), written(wanted));
            match effect(&key) {
                Effect::None => {}
                Effect::Differs => self.warned.push(change),
                Effect::Breaks => self.refused.push(change),
            }
        }
    }
}

fn effect(key: &str) -> Effect {
    let below = |known: &str| key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    EFFECTS.iter().find(|(known, _)| below(known)).map_or(Effect::Breaks, |(_, effect)| *effect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigFile;
    use crate::task::classify::ClassifyKeys;
    use std::path::Path;

    const JOB: &str = "{task: classify, backbone: {variant: s0}, data: {root: /d, size: 64, train: {format: folder, path: t}, \
                       val: {format: folder, path: v}}}";

    fn changes(overrides: &[&str]) -> Changes {
        let config = |overrides: &[&str]| -> Config<ClassifyKeys> {
            let overrides: Vec<String> = overrides.iter().map(|word| (*word).to_owned()).collect();
            ConfigFile::kept_in(Path::new("job"), JOB, &overrides).unwrap().config().unwrap()
        };
        Changes::between(&config(&[]), &config(overrides)).unwrap()
    }

    #[test]
    fn keys_that_keep_results_valid_may_change() {
        let overrides =
            ["train.epochs=7", "data.workers=0", "data.root=/e", "train.checkpoint.keep=3", "data.timeout=9"];
        assert_eq!(changes(&overrides), Changes::default());
    }

    #[test]
    fn keys_that_change_results_are_warned_about() {
        let found = changes(&["train.batch_size=8", "train.clip_grad_norm=5", "train.ema=0.9"]);
        assert_eq!(
            found.warned,
            ["train.batch_size (32 -> 8)", "train.ema (0.9995 -> 0.9)", "train.clip_grad_norm (null -> 5.0)"]
        );
        let rate = changes(&["train.optimizer={kind: sgd, lr: 0.5}"]);
        assert_eq!(rate.warned, ["train.optimizer.lr (0.1 -> 0.5)"]);
        assert!(found.refused.is_empty());
    }

    #[test]
    fn data_classes_and_model_may_not_change() {
        let overrides =
            ["data.size=96", "data.val.path=w", "backbone.variant=s1", "head.dropout=0.1", "seed=4", "train.ema=null"];
        let found = changes(&overrides);
        let keys: Vec<&str> = found.refused.iter().filter_map(|change| change.split(' ').next()).collect();
        assert_eq!(keys, ["seed", "backbone.variant", "head.dropout", "data.size", "data.val.path", "train.ema"]);
        assert!(found.warned.is_empty());
        let kind = changes(&["train.optimizer={kind: adamw, lr: 0.1}"]);
        assert!(kind.refused.iter().any(|change| change == "train.optimizer.kind (sgd -> adamw)"), "{kind:?}");
    }
}
