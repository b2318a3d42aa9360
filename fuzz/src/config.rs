//! What the reader of configurations promises for any bytes.

use std::fs;
use std::path::Path;

use pipelines::config::{ConfigFile, Keys};
use pipelines::task::classify::ClassifyKeys;
use pipelines::task::detect::DetectKeys;
use pipelines::task::segment::SegmentKeys;

use super::memory::Bound;

/// A YAML alias stands for a copy of a value; the reader allows a hundred for each word of the file.
const YAML: Bound = Bound { fixed: 16 << 20, times: 8192 };
/// Begins a line of the file that is also an override, and a comment in YAML.
const OVERRIDE_PREFIX: &str = "#--set ";

/// A configuration in YAML, with the overrides in its comments.
pub fn config(folder: &Path, bytes: &[u8]) -> bool {
    let path = folder.join("job.yaml");
    fs::write(&path, bytes).expect("written");
    let name = path.to_str().expect("a path");
    let Ok(text) = str::from_utf8(bytes) else {
        ConfigFile::open(name, &[]).expect_err("not text");
        return false;
    };
    let overrides: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix(OVERRIDE_PREFIX)).map(str::to_owned).collect();
    let opened = YAML.hold(bytes.len(), || ConfigFile::open(name, &overrides));
    let kept = YAML.hold(bytes.len(), || ConfigFile::kept_in(&path, text, &overrides));
    let files = opened.iter().chain(&kept).collect::<Vec<_>>();
    files.into_iter().fold(false, |accepted, file| {
        let task = YAML.hold(bytes.len(), || file.task()).is_ok();
        let valid = YAML.hold(bytes.len(), || holds::<ClassifyKeys>(file))
            | YAML.hold(bytes.len(), || holds::<DetectKeys>(file))
            | YAML.hold(bytes.len(), || holds::<SegmentKeys>(file));
        assert!(task || !valid, "a configuration without a task");
        accepted || valid
    })
}

/// Whether the file is a configuration with these keys. If so, its numbers are in their ranges, and it is the same after it was
/// written to a run folder or a checkpoint and read from there.
fn holds<K: Keys>(file: &ConfigFile) -> bool {
    let Ok(config) = file.config::<K>() else { return false };
    config.backbone.design().expect("a network");
    assert!(
        config.train.epochs >= 1
            && config.train.batch_size >= 1
            && config.train.ema.is_none_or(|ema| (0.0..=1.0).contains(&ema))
    );
    assert!(config.data.size.height >= 32 && config.data.size.width >= 32);
    assert!(config.data.root.is_absolute());
    let written = serde_yaml::to_string(&config).expect("written");
    let again = ConfigFile::kept_in(file.path(), &written, &[]).and_then(|kept| kept.config::<K>());
    let again = again.unwrap_or_else(|failure| panic!("{failure}\n{written}"));
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
    true
}
