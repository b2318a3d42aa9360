//! Compiles the C++ side against the libtorch that torch-sys found, and gives dependents its path.

use std::{env, path::PathBuf};

/// The one file that sees the declarations in `csrc/gloo_headers`.
const GLOO: &str = "dist_gloo.cpp";

/// The kernels of training, compiled for each instruction set: its name, numbers in a vector, flags.
const KERNELS: &str = "csrc/train/kernels.cpp";
const X86: [(&str, &str, &[&str]); 2] =
    [("avx2", "8", &["-march=x86-64-v3"]), ("avx512", "16", &["-march=x86-64-v4", "-mprefer-vector-width=512"])];

fn main() {
    println!("cargo:rerun-if-changed=csrc");
    let lib = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder"));
    let root = lib.parent().expect("libtorch's lib folder has a parent").to_owned();
    let (gloo, sources): (Vec<PathBuf>, Vec<PathBuf>) = ["csrc", "csrc/train"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("csrc is readable"))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cpp") && !path.ends_with(KERNELS))
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
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        // libtorch's header divides work among threads only where this is on; it brings the library.
        .flag_if_supported("-fopenmp");
    let objects =
        build.clone().files(gloo).include("csrc/gloo_headers").define("USE_C10D_GLOO", None).compile_intermediates();
    build.files(sources).objects(objects).objects(kernels());
    if x86() {
        build.define("TCH_EXT_X86", None);
    }
    build.compile("tch_ext_csrc");
    println!("cargo:libtorch_lib={}", lib.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
}

fn x86() -> bool {
    env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "x86_64")
}

/// One object for each instruction set, and one for any processor.
fn kernels() -> Vec<PathBuf> {
    let sets = if x86() { X86.as_slice() } else { &[] };
    let compile = |(name, lanes, flags): (&str, &str, &[&str])| {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").pic(true).warnings(false).opt_level(3).file(KERNELS);
        build.define("TCH_EXT_CPU", name).define("TCH_EXT_LANES", lanes);
        // Objects of one source have one name.
        build.out_dir(PathBuf::from(env::var("OUT_DIR").expect("cargo names it")).join(name));
        // Kernels set no error numbers; a product and a sum may be one instruction, as in libtorch's own.
        flags.iter().chain(&["-ffp-contract=fast", "-fno-math-errno", "-Wno-psabi"]).for_each(|flag| {
            build.flag(flag);
        });
        build.compile_intermediates()
    };
    std::iter::once(("base", "4", [].as_slice())).chain(sets.iter().copied()).flat_map(compile).collect()
}
