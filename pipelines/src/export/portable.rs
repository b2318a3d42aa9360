//! A configuration without the paths of the machine that it was used on.

use serde_yaml::{Mapping, Value};
use std::path::Path;

use crate::config::{Config, Keys};
use crate::failure::Failure;

/// The configuration as YAML for the card of an exported file, which other people read. Absolute paths become:
///
/// | key | below `here` | elsewhere |
/// |---|---|---|
/// | `data.root` | the path from `here` | left out |
/// | other keys of `data` | the path from `data.root` | the last part, also below `here` |
/// | `eval.real_labels` | the path from `here` | `null` |
/// | `backbone.weights`, `train.quantize` | `null`: what the training started from | `null` |
///
/// Where a file takes images of one size only, `eval.size` becomes that size.
///
/// # Errors
/// None for a configuration that was read.
pub fn portable<K: Keys>(config: &Config<K>, here: &Path, only_size: Option<[i64; 2]>) -> Result<String, Failure> {
    let mut kept = config.clone();
    kept.backbone.weights = None;
    kept.train.quantize = None;
    let mut document = serde_yaml::to_value(&kept)?;
    if let Some(data) = section(&mut document, "data") {
        match from(here, &config.data.root) {
            Some(root) => data.insert("root".into(), root.into()),
            None => data.shift_remove("root"),
        };
        shorten(data, &config.data.root);
    }
    if let Some(labels) = section(&mut document, "eval").and_then(|eval| eval.get_mut("real_labels")) {
        *labels = labels.as_str().and_then(|path| from(here, Path::new(path))).map_or(Value::Null, Value::from);
    }
    let evaluated = section(&mut document, "eval").and_then(|eval| eval.get_mut("size"));
    if let (Some([height, width]), Some(size)) = (only_size, evaluated) {
        *size = Mapping::from_iter([("height".into(), height.into()), ("width".into(), width.into())]).into();
    }
    serde_yaml::to_string(&document).map_err(Failure::from)
}

fn section<'a>(document: &'a mut Value, name: &str) -> Option<&'a mut Mapping> {
    document.get_mut(name).and_then(Value::as_mapping_mut)
}

/// A path as it is written in `folder`; `None` for an absolute path that leads elsewhere.
fn from(folder: &Path, path: &Path) -> Option<String> {
    let below = if path.is_absolute() { path.strip_prefix(folder).ok()? } else { path };
    Some(if below.as_os_str().is_empty() { ".".to_owned() } else { below.to_string_lossy().into_owned() })
}

/// Shortens the absolute paths among the values, not those in lists: these are names of classes.
fn shorten(section: &mut Mapping, root: &Path) {
    for value in section.values_mut() {
        if let Value::Mapping(deeper) = value {
            shorten(deeper, root);
        } else if let Some(path) = value.as_str().map(Path::new).filter(|path| path.is_absolute()) {
            let last = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            *value = from(root, path).unwrap_or_else(last).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigFile;
    use crate::task::{Task, detect::Detect};

    /// The `data` section of what is kept of a configuration with these paths, from `/home/me/project`, and all of it.
    fn kept(root: &str, annotations: &str) -> (Value, String) {
        let text = format!(
            "task: detect\nbackbone: {{ variant: s0, weights: /home/me/s0.pth }}\ndata:\n  root: {root}\n  size: 64\n  \
             train: {{ format: coco, images: images, annotations: {annotations} }}\n  \
             val: {{ format: coco, images: images, annotations: {annotations} }}\n"
        );
        let file = ConfigFile::kept_in(Path::new("x.yaml"), &text, &[]).unwrap();
        let config: Config<<Detect as Task>::Keys> = file.config().unwrap();
        let text = portable(&config, Path::new("/home/me/project"), None).unwrap();
        let document: Value = serde_yaml::from_str(&text).unwrap();
        (document["data"].clone(), text)
    }

    #[test]
    fn paths_below_the_current_folder_are_written_from_it() {
        for (root, written) in [("/home/me/project/data/voc", "data/voc"), ("/home/me/project", ".")] {
            let (data, text) = kept(root, "train.json");
            assert_eq!(
                (data["root"].as_str(), data["val"]["annotations"].as_str()),
                (Some(written), Some("train.json"))
            );
            assert!(!text.contains("/home"), "{text}");
        }
        assert_eq!(kept("/home/me/project/../data", "a.json").0["root"].as_str(), Some("../data"));
    }

    #[test]
    fn other_absolute_paths_do_not_leave_the_machine() {
        let (data, text) = kept("/data/voc", "/data/voc/coco/train.json");
        assert_eq!((data.get("root"), data["train"]["annotations"].as_str()), (None, Some("coco/train.json")));
        let (data, _) = kept("/data/voc", "/labels/train.json");
        assert_eq!(data["train"]["annotations"].as_str(), Some("train.json"));
        assert!(!text.contains("/data") && !text.contains("s0.pth"), "{text}");
    }
}
