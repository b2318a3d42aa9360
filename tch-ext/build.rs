//! Compiles the C++ side against the libtorch that torch-sys found, and gives dependents its path.

use std::{env, path::PathBuf};

/// The one file that sees the declarations in `csrc/gloo_headers`.
const GLOO: &str = "dist_gloo.cpp";

fn main() {
    println!("cargo:rerun-if-changed=csrc");
    let lib = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder"));
    let root = lib.parent().expect("libtorch's lib folder has a parent").to_owned();
    let (gloo, sources): (Vec<PathBuf>, Vec<PathBuf>) = std::fs::read_dir("csrc")
        .expect("csrc is readable")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cpp"))
        .partition(|path| path.ends_with(GLOO));
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .pic(true)
        .warnings(false)
        .opt_level(2)
        .include(root.join("include"))
        .include(root.join("include/torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", "1");
    let objects =
        build.clone().files(gloo).include("csrc/gloo_headers").define("USE_C10D_GLOO", None).compile_intermediates();
    build.files(sources).objects(objects).compile("tch_ext_csrc");
    println!("cargo:libtorch_lib={}", lib.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}
