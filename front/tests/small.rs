//! What people start needs neither libtorch nor OpenCV: it starts in a millisecond.

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn the_front_depends_on_no_large_library() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "front", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--offline", "--locked", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(crates.contains("clap") && crates.contains("eval"), "{crates:?}");
    for large in ["tch", "torch-sys", "tch-ext", "opencv", "ort", "ort-sys", "libloading", "pipelines"] {
        assert!(!crates.contains(large), "{large}: {crates:?}");
    }
}
