//! Checkpoints as other programs write them: every row of the table in `docs/weights.md` with a generated file.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use backbone::{
    Checkpoint, Error, Form, Layout, OutputStride, StateDict, adapt_channels,
    checkpoint::{file, keys, read, read_at},
};
use proptest::prelude::*;
use support::{randomise, snapshot};
use tch::Kind;

fn spec() -> backbone::Spec {
    support::spec([(16, 1, 0), (24, 1, 0), (32, 1, 1), (40, 1, 0)], 2)
}

/// A classifier under Apple's names.
fn network(form: Form, seed: i64) -> StateDict {
    let (store, _) = support::build(&spec(), form, OutputStride::Os32, Kind::Float);
    randomise(&store, seed);
    let mut tensors = snapshot(&store);
    tensors.insert("linear.weight".to_owned(), tch::Tensor::randn([3, 40], (Kind::Float, tch::Device::Cpu)));
    tensors
}

fn timm(tensors: &StateDict) -> StateDict {
    keys::in_layout(tensors, Layout::Timm, &spec().into()).unwrap()
}

/// mmpretrain's names, written down apart from the reader's table.
fn open_mmlab(tensors: &StateDict) -> StateDict {
    let name = |name: &str| match name.strip_prefix("linear.") {
        Some(rest) => format!("head.fc.{rest}"),
        None => {
            let parts = [
                ("rbr_conv", "branch_conv_list"),
                ("rbr_scale", "branch_scale"),
                ("rbr_skip", "branch_norm"),
                ("reparam_conv", "branch_reparam"),
                ("se.reduce", "se.conv1.conv"),
                ("se.expand", "se.conv2.conv"),
                (".bn.", ".norm."),
            ];
            parts.iter().fold(format!("backbone.{name}"), |name, (from, to)| name.replace(from, to))
        }
    };
    renamed(tensors, name)
}

fn renamed(tensors: &StateDict, name: impl Fn(&str) -> String) -> StateDict {
    tensors.iter().map(|(known, tensor)| (name(known), tensor.shallow_clone())).collect()
}

fn below(prefix: &str, tensors: &StateDict) -> StateDict {
    renamed(tensors, |name| format!("{prefix}{name}"))
}

fn write(folder: &Path, name: &str, tensors: impl IntoIterator<Item = StateDict>) -> PathBuf {
    let path = folder.join(name);
    let tensors: StateDict = tensors.into_iter().flatten().collect();
    file::write(&path, &tensors, &file::Text::new()).unwrap();
    path
}

fn assert_holds(read: &Checkpoint, expected: &StateDict, what: &str) {
    assert!(read.tensors.keys().eq(expected.keys()), "{what}: {:?}", read.tensors.keys());
    assert!(read.tensors.iter().all(|(name, tensor)| *tensor == expected[name]), "{what}");
    assert_eq!(read.spec().unwrap(), spec(), "{what}");
}

#[test]
fn every_naming_scheme_gives_the_same_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let own = network(Form::Train, 1);
    let features = |name: &str| match name.strip_prefix("stages.") {
        Some(rest) => format!("stages_{rest}"),
        None => name.to_owned(),
    };
    let compiled = |name: &str| match name.strip_prefix("stages.2.") {
        Some(rest) => format!("stages.2._orig_mod.{rest}"),
        None => format!("_orig_mod.{name}"),
    };
    for (what, tensors, layout) in [
        ("Apple", below("", &own), Layout::Apple),
        ("timm", timm(&own), Layout::Timm),
        ("timm, features_only", renamed(&timm(&own), features), Layout::Timm),
        ("OpenMMLab", open_mmlab(&own), Layout::OpenMmlab),
        ("DistributedDataParallel", below("module.", &own), Layout::Apple),
        ("torch.compile of the network and of a part", renamed(&timm(&own), compiled), Layout::Timm),
        ("FSDP", below("_fsdp_wrapped_module.", &timm(&own)), Layout::Timm),
        ("Lightning", below("state_dict.model.", &timm(&own)), Layout::Timm),
        ("segmentation_models.pytorch", below("encoder.", &own), Layout::Apple),
        ("transformers", below("timm_model.", &timm(&own)), Layout::Timm),
    ] {
        let read = read(&write(folder.path(), "w.safetensors", [tensors])).unwrap();
        assert_eq!(read.layout, layout, "{what}");
        assert_eq!((read.form, &read.others[..]), (Some(Form::Train), &[][..]), "{what}");
        assert_holds(&read, &own, what);
    }
    let deploy = network(Form::Deploy, 2);
    let read = read(&write(folder.path(), "w.safetensors", [open_mmlab(&deploy)])).unwrap();
    assert_eq!(read.form, Some(Form::Deploy));
    assert!(read.tensors.keys().eq(deploy.keys()));
}

#[test]
fn of_the_weights_and_their_average_the_average_is_read_and_the_other_named() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, average) = (network(Form::Train, 1), network(Form::Train, 2));
    for (what, model, ema) in [
        ("timm", "state_dict.", "state_dict_ema."),
        ("DeiT", "model.", "model_ema."),
        ("ultralytics", "model.", "ema."),
        ("Lightning", "state_dict.model.", "state_dict.ema_model.module."),
        ("torch.optim.swa_utils", "model.", "averaged_model.module."),
    ] {
        let tensors = [below(model, &timm(&weights)), below(ema, &timm(&average))];
        let path = write(folder.path(), "w.safetensors", tensors);
        let taken = read(&path).unwrap();
        assert_holds(&taken, &average, what);
        assert!(taken.average, "{what}");
        assert_eq!(taken.others, [model.trim_end_matches('.')], "{what}");
        let wanted = read_at(&path, Some(model.trim_end_matches('.'))).unwrap();
        assert_holds(&wanted, &weights, what);
        assert!(!wanted.average, "{what}");
    }
    // MMEngine puts the average where the weights were.
    let steps = StateDict::from([("ema_state_dict.steps".to_owned(), tch::Tensor::from(3i64))]);
    let tensors = [below("state_dict.", &open_mmlab(&average)), below("ema_state_dict.module.", &open_mmlab(&weights))];
    let path = write(folder.path(), "w.safetensors", tensors.into_iter().chain([steps]));
    let taken = read(&path).unwrap();
    assert_holds(&taken, &average, "OpenMMLab");
    assert!(taken.average);
}

#[test]
fn networks_that_nothing_ranks_need_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let (student, teacher) = (network(Form::Train, 1), network(Form::Train, 2));
    let path = write(folder.path(), "w.safetensors", [below("teacher.", &teacher), below("student.", &student)]);
    let error = read(&path).err().unwrap();
    assert!(matches!(&error, Error::SeveralNetworks { keys, .. } if keys == &["student", "teacher"]), "{error}");
    assert!(error.to_string().ends_with("`student`, `teacher`"), "{error}");
    assert_holds(&read_at(&path, Some("teacher")).unwrap(), &teacher, "teacher");
    let error = read_at(&path, Some("ema")).err().unwrap();
    assert!(matches!(&error, Error::NoNetworkAt { key, .. } if key == "ema"), "{error}");
}

#[test]
fn shards_are_read_by_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let own = network(Form::Train, 1);
    let mut first = timm(&own);
    let second = first.split_off(&first.keys().nth(20).unwrap().clone());
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let map: serde_json::Map<String, serde_json::Value> = [(&first, names[0]), (&second, names[1])]
        .iter()
        .flat_map(|(part, file)| part.keys().map(|name| (name.clone(), (*file).into())))
        .collect();
    let index = folder.path().join("model.safetensors.index.json");
    let write_index = |map: &serde_json::Map<_, _>| {
        fs::write(&index, serde_json::json!({ "metadata": {}, "weight_map": map }).to_string()).unwrap();
    };
    write_index(&map);
    write(folder.path(), names[0], [first]);
    let error = read(&index).err().unwrap().to_string();
    assert!(error.contains(names[1]) && error.contains("not beside it"), "{error}");
    let part = write(folder.path(), names[1], [second]);
    assert_holds(&read(&index).unwrap(), &own, "index");
    let error = read(&part).err().unwrap().to_string();
    assert!(error.contains("part 2 of 2") && error.contains("model.safetensors.index.json"), "{error}");

    // An index must not lead out of its folder.
    write_index(&[("a".to_owned(), "../w.safetensors".into())].into_iter().collect());
    let error = read(&index).err().unwrap().to_string();
    assert!(error.contains("is not a name of one"), "{error}");
}

#[test]
fn a_cause_in_the_names_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let own = network(Form::Train, 1);
    let pruned = renamed(&own, |name| match name.starts_with("stage3.") && name.ends_with("conv.weight") {
        true => format!("{name}_orig"),
        false => name.to_owned(),
    });
    let error = read(&write(folder.path(), "w.safetensors", [pruned])).err().unwrap().to_string();
    assert!(error.contains("w.safetensors") && error.contains("prune.remove"), "{error}");
    let other = read(&write(folder.path(), "w.safetensors", [below("layer1.0.conv1.weight_", &own)])).unwrap();
    let error = other.spec().unwrap_err().to_string();
    assert!(error.contains("names ("), "{error}");
}

#[test]
fn values_that_are_not_finite_are_counted_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut own = network(Form::Train, 1);
    own.insert("linear.weight".to_owned(), tch::Tensor::from_slice(&[1.0f32, f32::NAN, f32::INFINITY]).view([3, 1]));
    let read = read(&write(folder.path(), "w.safetensors", [own])).unwrap();
    let found: Vec<_> = read.not_finite().into_iter().map(|(name, count)| (name.as_str(), count)).collect();
    assert_eq!(found, [("linear.weight", 2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_stem_for_color_answers_alike_for_as_many_equal_channels(channels in 1i64..17, deploy in any::<bool>()) {
        let form = if deploy { Form::Deploy } else { Form::Train };
        let original = network(form, 5);
        let wanted = backbone::Spec { in_channels: channels, ..spec() };
        let mut adapted: StateDict = original.iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
        adapt_channels(&mut adapted, &wanted.clone().into());
        for (name, kernel) in &adapted {
            let before = &original[name];
            if name.starts_with("stage0.") && name.ends_with("conv.weight") {
                prop_assert_eq!(kernel.size()[1], channels);
                if channels % 3 == 0 || channels == 1 {
                    let sums = |kernel: &tch::Tensor| kernel.sum_dim_intlist(1i64, false, Kind::Double);
                    prop_assert!((sums(kernel) - sums(before)).abs().max().double_value(&[]) < 1e-6);
                }
            } else {
                prop_assert_eq!(kernel, before);
            }
        }
        let detected = network_of(adapted);
        prop_assert_eq!(detected.spec().unwrap().in_channels, channels);
    }
}

fn network_of(tensors: StateDict) -> Checkpoint {
    let folder = tempfile::tempdir().unwrap();
    read(&write(folder.path(), "w.safetensors", [tensors])).unwrap()
}
