//! Compiles the C++ side against the libtorch that torch-sys found, and gives dependents its path.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=csrc");
    let lib = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder"));
    let root = lib.parent().expect("libtorch's lib folder has a parent").to_owned();
    let sources: Vec<PathBuf> = std::fs::read_dir("csrc")
        .expect("csrc is readable")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cpp"))
        .collect();
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        .warnings(false)
        .opt_level(2)
        .include(root.join("include"))
        .include(root.join("include/torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .files(sources)
        .compile("tch_ext_csrc");
    println!("cargo:libtorch_lib={}", lib.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
