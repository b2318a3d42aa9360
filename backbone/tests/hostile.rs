//! Malicious files of weights: no memory beyond a few times their size, no impossible numbers.

use std::{fs, path::PathBuf};

use backbone::{
    Error, Normalization,
    checkpoint::{Metadata, pickle, read},
};

#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/memory.rs"]
mod memory;
#[path = "../../fuzz/src/checkpoint.rs"]
mod promises;

#[test]
fn the_corpus_is_read_as_promised() {
    assert_eq!(corpus::refused("safetensors", promises::safetensors), [""; 0]);
    assert_eq!(corpus::refused("pickle", promises::pickle), ["pickle_expanded.pth"]);
}

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/golden", name].iter().collect()
}

/// The reason why the bytes are refused as a file of `torch.save`.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pth");
    fs::write(&path, bytes).unwrap();
    assert!(pickle::is_pickle(&path).unwrap());
    match (pickle::read(&path).unwrap_err(), read(&path).unwrap_err()) {
        (Error::NotPickle { reason, .. }, Error::NotPickle { reason: again, .. }) if reason == again => reason,
        (error, again) => panic!("{error}; {again}"),
    }
}

#[test]
fn the_fuzzing_corpus_is_read_in_every_format() {
    let corpus: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../fuzz/corpus"].iter().collect();
    for (file, size) in [
        ("least_zip.pth", vec![1]),
        ("compressed.pth", vec![1]),
        ("least_legacy.pth", vec![1]),
        ("least.pth.tar", vec![2, 1]),
    ] {
        let checkpoint = read(&corpus.join("pickle").join(file)).unwrap();
        assert_eq!(checkpoint.tensors["stage0.reparam_conv.weight"].size(), size, "{file}");
    }
    for (file, classes) in [("apple.safetensors", Some(2)), ("own.safetensors", None)] {
        let checkpoint = read(&corpus.join("safetensors").join(file)).unwrap();
        assert_eq!((checkpoint.spec().unwrap().stem, checkpoint.classes()), (4, classes), "{file}");
    }
    for file in ["timm.safetensors", "kinds.safetensors"] {
        assert!(!read(&corpus.join("safetensors").join(file)).unwrap().tensors.is_empty(), "{file}");
    }
}

#[test]
fn a_zip_archive_that_would_unpack_to_far_more_than_its_size_is_refused() {
    let mut bytes = fs::read(golden("pickle_command.pth")).unwrap();
    let directory = b"PK\x01\x02";
    let entry = bytes.windows(4).position(|window| window == directory).unwrap();
    // Below the limit of the pickle reader for one entry.
    bytes[entry + 24..entry + 28].copy_from_slice(&(90u32 << 20).to_le_bytes());
    let reason = refused(&bytes);
    assert!(reason.starts_with("it would unpack to 943"), "{reason}");
}

/// A tar archive of one sparse file: a hole of four gigabytes, then 512 bytes.
fn with_hole() -> Vec<u8> {
    let mut header = [0; 512];
    let fields: [(usize, &[u8]); 10] = [
        (0, b"pickle"),
        (100, b"0000644"),
        (124, b"00000001000"),
        (136, b"00000000000"),
        (148, b"        "),
        (156, b"S"),
        (257, b"ustar  "),
        (386, b"37777777000"),
        (398, b"00000001000"),
        (483, b"40000000000"),
    ];
    for (place, content) in fields {
        header[place..place + content.len()].copy_from_slice(content);
    }
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    [&header[..], &[b'N'; 512], &[0; 1024]].concat()
}

#[test]
fn a_tar_archive_with_a_large_hole_is_refused_before_memory_is_allocated() {
    assert_eq!(refused(&with_hole()), "it would unpack to 4294967296 bytes, but the file has 2048");
}

#[test]
fn a_normalisation_that_divides_by_zero_is_refused_with_its_key() {
    let spec = backbone::Spec::from(backbone::Variant::S0);
    let normalization = Normalization::default();
    let metadata = Metadata {
        design: spec.into(),
        form: backbone::Form::Train,
        classes: Vec::new(),
        normalization,
        extra: Default::default(),
    };
    let mut text = metadata.to_text();
    for (written, reason) in [
        (r#"{"mean":[0,0,0],"std":[1,0,1]}"#, "`std` has 0.0; every deviation must be 1.2e-38 or more"),
        (r#"{"mean":[0,0,0],"std":[1,1,-1]}"#, "`std` has -1.0; every deviation must be 1.2e-38 or more"),
        (r#"{"mean":[0,0,0],"std":[1,1,1e-60]}"#, "every deviation must be 1.2e-38 or more"),
    ] {
        text.insert("normalization".to_owned(), written.to_owned());
        let error = Metadata::from_text(&text, "a.safetensors".as_ref()).unwrap_err().to_string();
        assert!(
            error.contains("a.safetensors") && error.contains("normalization") && error.contains(reason),
            "{error}"
        );
    }
}
