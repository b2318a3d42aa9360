//! Lets this crate's programs and tests find libtorch without an environment variable.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let lib = std::env::var("DEP_TCH_EXT_LIBTORCH_LIB").expect("tch-ext names libtorch's folder");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
}
