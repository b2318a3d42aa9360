//! Files that `torch.save` wrote (`tools/golden/pickles.py`), complete and damaged.

use std::{
    fs,
    path::{Path, PathBuf},
};

use backbone::{
    Error, Layout,
    checkpoint::{file, pickle, read, read_at},
};
use proptest::prelude::*;
use tch::Kind;

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden", name].iter().collect()
}

/// The tensors that went into the files, under timm's names.
fn expected() -> Vec<(String, tch::Tensor)> {
    let (tensors, _) = file::read(&golden("mobileone_small_timm.safetensors")).unwrap();
    tensors.into_iter().filter(|(name, _)| name.starts_with("stem.") || name.starts_with("head.")).collect()
}

#[test]
fn every_format_and_nesting_gives_the_same_tensors() {
    let expected = expected();
    for (name, prefix) in [("pickle_nested_half.pth", "state_dict.module."), ("pickle_legacy.pth.tar", "")] {
        let (tensors, passed_over) = pickle::read(&golden(name)).unwrap();
        assert!(passed_over.is_empty(), "{passed_over:?}");
        for (key, tensor) in &expected {
            let found = &tensors[&format!("{prefix}{key}")];
            let kind = if tensor.is_floating_point() { Kind::Half } else { tensor.kind() };
            assert_eq!((found.kind(), found.size()), (kind, tensor.size()), "{name}: {key}");
            assert_eq!(*found, tensor.to_kind(kind), "{name}: {key}");
        }

        let checkpoint =
            read_at(&golden(name), Some(prefix.split('.').next().filter(|key| !key.is_empty()).unwrap_or(".")))
                .unwrap();
        assert_eq!((checkpoint.layout, checkpoint.prefix.as_str()), (Layout::Timm, prefix));
        assert!(checkpoint.tensors.contains_key("stage0.rbr_scale.bn.running_var"));
        let counted = expected.iter().filter(|(key, _)| !key.ends_with("num_batches_tracked"));
        assert_eq!(checkpoint.tensors.len(), counted.count(), "the average and the optimiser's state are left out");
        assert_eq!(checkpoint.classes(), Some(5));
    }
}

#[test]
fn what_cannot_be_read_is_passed_over_and_said() {
    let expected = expected();
    for (kind, said) in [
        ("complex", "ComplexFloatStorage"),
        ("float8", "torch.float8_e4m3fn"),
        ("sparse", "_rebuild_sparse_tensor"),
        ("quantized", "QInt8Storage"),
        ("uint16", "U16"),
        ("parameter", "ComplexFloatStorage"),
        ("key", "a key that is not text"),
        ("object", "__main__.Average"),
        ("protocol_4", "__main__.Average"),
    ] {
        let (tensors, passed_over) = pickle::read(&golden(&format!("pickle_odd_{kind}.pth"))).unwrap();
        let passed_over = passed_over.join("; ");
        assert!(passed_over.contains(said), "{kind}: {passed_over}");
        let weights: Vec<_> = tensors.iter().filter(|(name, _)| name.starts_with("state_dict.")).collect();
        assert_eq!(weights.len(), 6, "{kind}: {:?}", tensors.keys());
        for (name, tensor) in weights {
            let (_, expected) =
                expected.iter().find(|(known, _)| name.strip_prefix("state_dict.") == Some(known)).unwrap();
            assert_eq!(tensor, expected, "{kind}: {name}");
        }
        assert!(tensors.keys().all(|name| name.starts_with("state_dict.") || name.starts_with("a key")), "{kind}");
    }
}

#[test]
fn a_command_in_place_of_a_tensor_does_not_run_and_gives_no_tensor() {
    let checkpoint = read(&golden("pickle_command.pth")).unwrap();
    assert!(checkpoint.tensors.is_empty());
    let error = checkpoint.spec().unwrap_err();
    assert!(matches!(error, Error::NotMobileOne { .. }), "{error}");
}

#[test]
fn tensors_much_larger_than_the_file_are_refused() {
    let error = pickle::read(&golden("pickle_expanded.pth")).unwrap_err();
    assert!(matches!(&error, Error::NotPickle { reason, .. } if reason.contains("4294967296 bytes")), "{error}");
}

fn damaged(path: &Path, bytes: &[u8]) -> Result<usize, String> {
    fs::write(path, bytes).unwrap();
    match read(path) {
        Ok(checkpoint) => Ok(checkpoint.tensors.len()),
        Err(
            Error::NotPickle { path: named, reason }
            | Error::NotSafetensors { path: named, reason }
            | Error::NotWeights { path: named, reason },
        ) => {
            assert_eq!(named, path);
            Err(reason)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn truncated_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pth");
    for name in ["pickle_nested_half.pth", "pickle_legacy.pth.tar"] {
        let complete = fs::read(golden(name)).unwrap();
        for length in (0..complete.len()).step_by(97) {
            assert!(damaged(&path, &complete[..length]).is_err(), "{name} cut to {length} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damage is refused or gives other numbers, but never ends the program or uses unbounded memory.
    #[test]
    fn altered_bytes_never_panic(legacy in any::<bool>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = fs::read(golden(if legacy { "pickle_legacy.pth.tar" } else { "pickle_nested_half.pth" })).unwrap();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        let _ = damaged(&folder.path().join("altered.pth"), &bytes);
    }
}
