//! Links programs and tests so that they find libtorch without an environment variable.

fn main() {
    let lib = std::env::var("DEP_TCH_EXT_LIBTORCH_LIB").expect("tch-ext names libtorch's folder");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
}
