//! Names the revision of the source.

use std::path::Path;
use std::process::Command;

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    let long_version = match revision() {
        Some(revision) => {
            println!("cargo:rustc-env=PIPELINE_REVISION={revision}");
            format!("{version} ({revision})")
        }
        None => version.to_owned(),
    };
    println!("cargo:rustc-env=PIPELINE_VERSION={long_version}");
}

/// The checkout's revision, with `-dirty` where a tracked file is changed; nothing where the source is not a checkout.
fn revision() -> Option<String> {
    println!("cargo:rerun-if-changed=build.rs");
    // A copy of the source inside another repository is not a checkout.
    if git(&["rev-parse", "--show-prefix"])? != "front/" {
        return None;
    }
    // The reflog grows with every commit and checkout; a changed source file may make the tree dirty.
    println!("cargo:rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    for package in Path::new("..").read_dir().ok()?.flatten() {
        let source = package.path().join("src");
        if source.is_dir() {
            println!("cargo:rerun-if-changed={}", source.display());
        }
    }
    git(&["describe", "--always", "--dirty"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
