//! Files: written completely, read within bounds, loaded with a report.

mod support;

use std::{fs, path::Path};

use backbone::{
    Backbone, Error, Fold, Form, Layout, LoadReport, Metadata, MobileOne, Mode, Normalization, OutputStride, Policy,
    Spec, StateDict,
    checkpoint::{self, Mismatch, export, file, load_into, read, variables, write},
};
use proptest::prelude::*;
use support::{assert_close, images, names, randomise, snapshot};
use tch::{Device, Kind, Tensor, nn, nn::VarStore};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

fn spec() -> Spec {
    support::spec([(16, 1, 0), (24, 1, 0), (32, 1, 1), (40, 1, 0)], 2)
}

/// A network below `prefix` and a layer `linear` at the root.
fn classifier(prefix: &str, form: Form, classes: i64) -> (VarStore, MobileOne) {
    let store = VarStore::new(Device::Cpu);
    let path = if prefix.is_empty() { store.root() } else { store.root() / prefix };
    let network = MobileOne::new(&path, &spec(), form, OutputStride::Os32);
    if classes > 0 {
        nn::linear(store.root() / "linear", 40, classes, nn::LinearConfig::default());
    }
    (store, network)
}

fn metadata() -> Metadata {
    Metadata {
        design: spec().into(),
        form: Form::Train,
        classes: vec!["cat".to_owned(), "d\"og".to_owned(), "Ελέφας".to_owned()],
        normalization: Normalization { mean: vec![0.5, 0.25, 0.125], std: vec![0.1, 0.2, 0.3] },
        extra: [("task".to_owned(), "classify".to_owned())].into(),
    }
}

#[test]
fn a_written_file_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (store, _) = classifier("", Form::Train, 3);
    randomise(&store, 1);
    let tensors = snapshot(&store);
    write(&path, &tensors, &metadata()).unwrap();

    let checkpoint = read(&path).unwrap();
    assert_eq!(checkpoint.layout, Layout::Own);
    assert_eq!(checkpoint.form, Some(Form::Train));
    assert_eq!(checkpoint.metadata, Some(metadata()));
    assert!(checkpoint.tensors.keys().eq(tensors.keys()));
    assert!(checkpoint.tensors.iter().all(|(name, tensor)| *tensor == tensors[name]));
    assert_eq!(checkpoint.backbone().len(), tensors.len() - 2);

    let bytes = fs::read(&path).unwrap();
    let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(reference.len(), tensors.len());
    write(&path, &tensors, &metadata()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "only the file itself remains");
}

#[test]
fn every_kind_shape_and_memory_layout_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.safetensors");
    let kinds = [
        Kind::Bool,
        Kind::Uint8,
        Kind::Int8,
        Kind::Int16,
        Kind::Int,
        Kind::Int64,
        Kind::Half,
        Kind::BFloat16,
        Kind::Float,
        Kind::Double,
    ];
    let mut written = StateDict::new();
    for kind in kinds {
        written.insert(format!("{kind:?}"), Tensor::from_slice(&[0i64, 1, 1, 0, 1, 1]).to_kind(kind).view([2, 3]));
    }
    written.insert("scalar".to_owned(), Tensor::from(1.5f32));
    written.insert("empty".to_owned(), Tensor::zeros([0, 3], FLOAT));
    written.insert("transposed".to_owned(), Tensor::arange(6, FLOAT).view([2, 3]).tr());
    file::write(&path, &written, &file::Text::new()).unwrap();
    let (read, text) = file::read(&path).unwrap();
    assert!(text.is_empty());
    assert!(read.keys().eq(written.keys()));
    for (name, tensor) in &read {
        assert_eq!((tensor.kind(), tensor.size()), (written[name].kind(), written[name].size()), "{name}");
        assert!(*tensor == written[name], "{name}");
    }
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let old = StateDict::from([("a".to_owned(), Tensor::ones(3, FLOAT))]);
    file::write(&path, &old, &file::Text::new()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let impossible = StateDict::from([("b".to_owned(), Tensor::ones(3, (Kind::ComplexFloat, Device::Cpu)))]);
    let error = file::write(&path, &impossible, &file::Text::new()).unwrap_err();
    assert!(matches!(&error, Error::Kind { name, kind: Kind::ComplexFloat } if name == "b"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    let nowhere = folder.path().join("no/such/folder/x.safetensors");
    let error = file::write(&nowhere, &old, &file::Text::new()).unwrap_err();
    assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
}

fn reason(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).unwrap();
    match read(path).unwrap_err() {
        Error::NotSafetensors { path: named, reason } => {
            assert_eq!(named, path);
            reason
        }
        other => panic!("{other}"),
    }
}

#[test]
fn files_that_are_not_safetensors_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let with_header =
        |header: &str, data: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat();
    assert_eq!(reason(&path, b"abc"), "it has 3 bytes");
    let huge = reason(&path, &[&(1u64 << 62).to_le_bytes()[..], &[b' '; 20]].concat());
    assert_eq!(huge, "its header length is 4611686018427387904, but 20 bytes follow");
    assert!(reason(&path, &with_header("{", &[])).contains("EOF"));
    let one = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    assert_eq!(reason(&path, &with_header(one, &[0; 7])), "its header describes 8 bytes of tensors but 7 follow");
    let overflow = r#"{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,8]}}"#;
    assert!(reason(&path, &with_header(overflow, &[0; 8])).contains("overflow"));
    let hole = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    assert!(reason(&path, &with_header(hole, &[0; 8])).contains("offset"));
    let eight = r#"{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#;
    fs::write(&path, with_header(eight, &[0; 8])).unwrap();
    let unsupported = "`a` has the element type F8_E4M3, which libtorch does not support";
    assert!(file::read(&path).unwrap_err().to_string().ends_with(unsupported));
    assert_eq!(read(&path).unwrap().passed_over, [unsupported]);

    let absent = read(&folder.path().join("absent")).unwrap_err();
    assert!(matches!(absent, Error::Io { action: "read", .. }), "{absent}");
}

proptest! {
    #[test]
    fn damaged_files_never_panic(at in 0usize..400, byte: u8, cut in 0usize..400) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = StateDict::from([("stage0.reparam_conv.weight".to_owned(), Tensor::ones([2, 3], FLOAT))]);
        write(&path, &tensors, &metadata()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        prop_assert!(bytes.len() > 400);
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut);
        fs::write(&path, &bytes).unwrap();
        if let Ok(checkpoint) = read(&path) {
            prop_assert!(cut == 0);
            prop_assert!(checkpoint.tensors.values().all(|tensor| tensor.numel() <= 6));
        }
    }
}

#[test]
fn metadata_that_is_newer_or_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let refused = |change: fn(&mut file::Text)| {
        let mut text = metadata().to_text();
        change(&mut text);
        file::write(&path, &StateDict::new(), &text).unwrap();
        let message = read(&path).unwrap_err().to_string();
        message.replace(&path.display().to_string(), "x")
    };
    let newer = refused(|text| drop(text.insert("mobileone_format".into(), "2".into())));
    assert_eq!(newer, "cannot read x: it has format version 2, supported is version 1");
    assert_eq!(refused(|text| drop(text.remove("form"))), "cannot read x: its metadata `form` is missing");
    let spec = refused(|text| drop(text.insert("spec".into(), "{}".into())));
    assert!(spec.starts_with("cannot read x: its metadata `spec` is invalid: missing field `stem`"), "{spec}");

    file::write(&path, &StateDict::new(), &[("format".to_owned(), "pt".to_owned())].into()).unwrap();
    assert!(read(&path).unwrap().metadata.is_none());
}

#[test]
fn files_for_apple_and_timm_are_read_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    for form in [Form::Train, Form::Deploy] {
        let (store, _) = classifier("", form, 5);
        randomise(&store, 2);
        let tensors = snapshot(&store);
        for layout in [Layout::Apple, Layout::Timm] {
            export(&path, &tensors, layout, &spec().into()).unwrap();
            let (raw, text) = file::read(&path).unwrap();
            assert_eq!(text["format"], "pt");
            let counts = raw.iter().filter(|(name, _)| name.ends_with(".num_batches_tracked"));
            let zero =
                |tensor: &Tensor| tensor.kind() == Kind::Int64 && tensor.dim() == 0 && tensor.int64_value(&[]) == 0;
            assert!(counts.clone().all(|(_, count)| zero(count)));
            assert_eq!(counts.count(), raw.keys().filter(|name| name.ends_with(".running_mean")).count());

            let checkpoint = read(&path).unwrap();
            assert_eq!((checkpoint.layout, checkpoint.form), (layout, Some(form)));
            assert!(checkpoint.tensors.keys().eq(tensors.keys()));
            assert!(checkpoint.tensors.iter().all(|(name, tensor)| *tensor == tensors[name]));
        }
    }
}

#[test]
fn exact_loading_makes_networks_equal_and_converts_half_precision() {
    let (source, network) = classifier("", Form::Train, 3);
    randomise(&source, 3);
    let xs = images([1, 3, 64, 64], Kind::Float);
    let expected = network.forward(&xs, Mode::Eval).unwrap().c5;
    for (kind, tolerance) in [(Kind::Float, 1e-9), (Kind::Double, 1e-9), (Kind::Half, 1e-2), (Kind::BFloat16, 0.1)] {
        let stored: StateDict = snapshot(&source).into_iter().map(|(name, t)| (name, t.to_kind(kind))).collect();
        let (target, network) = classifier("", Form::Train, 3);
        let report = load_into(&variables(&target, ""), &stored, Policy::Exact).unwrap();
        assert_eq!(report, LoadReport { loaded: names(&target), ..LoadReport::default() });
        assert!(target.variables().values().all(|variable| variable.kind() == Kind::Float));
        assert!(target.trainable_variables().iter().all(|variable| variable.requires_grad()));
        assert_close(&network.forward(&xs, Mode::Eval).unwrap().c5, &expected, tolerance);
    }
}

#[test]
fn exact_loading_names_every_tensor_that_does_not_fit_and_changes_nothing() {
    let (source, _) = classifier("", Form::Train, 3);
    randomise(&source, 4);
    let mut stored = snapshot(&source);
    stored.remove("stage1.0.rbr_scale.bn.bias");
    stored.insert("extra.weight".to_owned(), Tensor::ones([2, 2], FLOAT));
    stored.insert("linear.bias".to_owned(), Tensor::ones(7, FLOAT));
    let (target, _) = classifier("", Form::Train, 3);
    let before = snapshot(&target);
    let error = load_into(&variables(&target, ""), &stored, Policy::Exact).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the checkpoint does not fit the network: 1 missing (stage1.0.rbr_scale.bn.bias [16]); \
         1 unexpected (extra.weight [2, 2]); 1 of another shape (linear.bias [7] instead of [3])"
    );
    assert!(target.variables().iter().all(|(name, variable)| *variable == before[name]));

    stored.clear();
    let Err(Error::Incompatible(report)) = load_into(&variables(&target, ""), &stored, Policy::Exact) else {
        panic!("an empty checkpoint fits");
    };
    assert_eq!(report.missing.len(), names(&target).len());
    assert!(report.to_string().ends_with(", ...)"));
}

#[test]
fn transfer_skips_a_classifier_for_another_number_of_classes() {
    let (source, _) = classifier("", Form::Deploy, 1000);
    let (target, _) = classifier("", Form::Deploy, 3);
    let report = load_into(&variables(&target, ""), &snapshot(&source), Policy::Transfer).unwrap();
    let mismatch = |name: &str, expected: &[i64], found: &[i64]| Mismatch {
        name: name.to_owned(),
        expected: expected.to_vec(),
        found: found.to_vec(),
    };
    assert_eq!(
        report.mismatched,
        [mismatch("linear.bias", &[3], &[1000]), mismatch("linear.weight", &[3, 40], &[1000, 40])]
    );
    assert!(report.missing.is_empty() && report.unexpected.is_empty());
    assert_eq!(report.loaded.len(), names(&target).len() - 2);
    let variables = target.variables();
    assert!(snapshot(&source).iter().all(|(name, tensor)| name.starts_with("linear") || variables[name] == *tensor));
}

#[test]
fn transfer_takes_the_backbone_of_a_classifier_into_a_detector() {
    let (source, _) = classifier("", Form::Train, 1000);
    randomise(&source, 5);
    let (target, _) = classifier("backbone", Form::Train, 0);
    let report = load_into(&variables(&target, checkpoint::BACKBONE), &snapshot(&source), Policy::Transfer).unwrap();
    assert_eq!(report.unexpected.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["linear.bias", "linear.weight"]);
    let loaded = target.variables();
    let same = |name: &String, tensor: &Tensor| loaded.get(&format!("backbone.{name}")).is_none_or(|v| *v == *tensor);
    assert!(snapshot(&source).iter().all(|(name, tensor)| same(name, tensor)));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("detector.safetensors");
    write(&path, &snapshot(&target), &metadata()).unwrap();
    let (again, _) = classifier("", Form::Train, 2);
    let report = load_into(&variables(&again, ""), &read(&path).unwrap().backbone(), Policy::Transfer).unwrap();
    assert_eq!(report.missing.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["linear.bias", "linear.weight"]);
}

#[test]
fn transfer_refuses_a_backbone_that_does_not_fit() {
    let (source, _) = classifier("", Form::Train, 3);
    let (target, _) = classifier("", Form::Train, 3);
    let changes: [fn(&mut StateDict); 3] = [
        |stored| drop(stored.remove("stage2.0.rbr_conv.1.bn.running_var")),
        |stored| drop(stored.insert("stage2.9.rbr_skip.bias".to_owned(), Tensor::ones(24, FLOAT))),
        |stored| drop(stored.insert("stage2.1.rbr_conv.0.bn.bias".to_owned(), Tensor::ones(25, FLOAT))),
    ];
    for change in changes {
        let mut stored = snapshot(&source);
        change(&mut stored);
        let error = load_into(&variables(&target, ""), &stored, Policy::Transfer).unwrap_err();
        assert!(matches!(error, Error::Incompatible(_)), "{error}");
    }
}

#[test]
fn another_form_or_kind_is_an_error() {
    let (source, network) = classifier("", Form::Train, 0);
    let (target, _) = classifier("", Form::Deploy, 0);
    let error = load_into(&variables(&target, ""), &snapshot(&source), Policy::Transfer).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint is in train form, the network in deploy form");

    let mut folded = network.folded();
    load_into(&variables(&target, ""), &folded, Policy::Exact).unwrap();
    folded.insert("stage0.reparam_conv.bias".to_owned(), Tensor::ones(16, (Kind::Int64, Device::Cpu)));
    let error = load_into(&variables(&target, ""), &folded, Policy::Exact).unwrap_err();
    assert!(matches!(&error, Error::Kind { name, kind: Kind::Int64 } if name == "stage0.reparam_conv.bias"), "{error}");
}
