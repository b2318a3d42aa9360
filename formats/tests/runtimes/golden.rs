//! Written files are, byte by byte, those that LiteRT and coremltools were shown (`tools/golden/exported.py`).
//!
//! With `UPDATE_GOLDEN=1` the test writes the files instead of comparing them.

use std::path::{Path, PathBuf};

use crate::support::*;
use formats::coreml::Kind;
use formats::graph::{Graph, Side};
use formats::{Element, coreml, litert};
use tch::{Kind as TorchKind, Tensor};

const SIZE: [i64; 2] = [32, 32];

/// A classifier of weights that are the same on every processor.
fn graph() -> Graph {
    let net = classifier(&tiny());
    for (_, tensor) in &net.parameters {
        let steps = Tensor::arange(tensor.numel() as i64, FLOATS).remainder(13.0) - 5.0;
        let weights = (steps / 32.0).view(tensor.size().as_slice());
        tch::no_grad(|| tensor.shallow_clone().copy_(&weights.to_kind(TorchKind::Float)));
    }
    read(&net.trace(&images(2, SIZE)), &[4])
}

fn golden() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden"].iter().collect()
}

fn expect(name: &Path, bytes: &[u8]) {
    let path = golden().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let known = std::fs::read(&path).unwrap();
    assert!(
        known == bytes,
        "{} differs; UPDATE_GOLDEN=1 writes it, tools/golden/exported.py checks it",
        name.display()
    );
}

#[test]
fn files_are_written_as_they_were_checked() {
    let graph = graph();
    let mut builder = litert::Builder::new("network");
    let [height, width] = SIZE.map(Side::fixed);
    let given = builder.input("images", Element::F32, &[Side { length: 1, free: true }, height, width, Side::fixed(3)]);
    let output = builder.network(&graph, &given).unwrap().remove(0);
    builder.output("logits", &output.value);
    let description =
        litert::Description { name: "golden", normalization: None, outputs: Vec::new(), labels: vec!["a", "b"] };
    expect(Path::new("network.tflite"), &builder.finish(&Default::default(), &description).unwrap());

    let mut builder = coreml::Builder::default();
    let given = builder.images("images", 3, &[SIZE]).unwrap();
    let output = builder.network(&graph, &[&given], Kind::F32).unwrap().remove(0);
    builder.output("logits", &output);
    let package = builder.finish(&coreml::Description { summary: "golden", ..Default::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.mlpackage");
    package.write(&path).unwrap();
    for file in crate::coreml::FILES {
        expect(&Path::new("network.mlpackage").join(file), &std::fs::read(path.join(file)).unwrap());
    }
}
