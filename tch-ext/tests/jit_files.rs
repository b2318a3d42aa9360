//! TorchScript files: what travels in them, and what is said about those that are not what they should be.

mod difference;
mod jit_net;

use std::path::{Path, PathBuf};

use difference::difference;
use jit_net::{FLOATS, Net, image};
use tch::{Device, Kind, Tensor};
use tch_ext::{
    Error,
    jit::{ExtraFiles, LiteModule, Module, extra_files},
};

/// A file of each kind, `net.pt` and `net.ptl`.
fn saved(folder: &Path) -> [PathBuf; 2] {
    let module = Net::new().trace(&image(1, 16)).freeze(&[]).unwrap();
    let [full, lite] = ["net.pt", "net.ptl"].map(|name| folder.join(name));
    module.save(&full, &ExtraFiles::new()).unwrap();
    module.save_for_mobile(&lite, &ExtraFiles::new()).unwrap();
    [full, lite]
}

/// The errors of both loaders and of the reader of extra files.
fn loading_errors(path: &Path) -> [Error; 3] {
    [Module::load(path, Device::Cpu).unwrap_err(), LiteModule::load(path).unwrap_err(), extra_files(path).unwrap_err()]
}

fn assert_one_line(error: &Error, path: &Path) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && !text.contains('\n') && text.len() < 300, "{text}");
}

#[test]
fn extra_files_are_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let module = Net::new().trace(&image(1, 16));
    let extras: ExtraFiles = [
        ("classes.txt", "person\nbröd\n猫\n".to_owned()),
        ("model.json", r#"{"size": 320}"#.to_owned()),
        ("empty", String::new()),
        ("zero", "a\0b".to_owned()),
        ("long", "0123456789".repeat(30_000)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    let path = folder.path().join("net.pt");
    module.save(&path, &extras).unwrap();
    assert_eq!(extra_files(&path).unwrap(), extras);
    module.save_for_mobile(&path, &extras).unwrap();
    assert_eq!(extra_files(&path).unwrap(), extras);
    module.save(&path, &ExtraFiles::new()).unwrap();
    assert_eq!(extra_files(&path).unwrap(), ExtraFiles::new());
}

#[test]
fn a_missing_file_and_a_folder_give_the_systems_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pt");
    for (path, words) in [(missing.as_path(), "No such file"), (folder.path(), "is a directory")] {
        for error in loading_errors(path) {
            assert!(matches!(error, Error::File { call: "read", .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert_one_line(&error, path);
        }
    }
    let module = Net::new().trace(&image(1, 16));
    let error = module.save(&folder.path().join("missing/net.pt"), &ExtraFiles::new()).unwrap_err();
    assert!(matches!(error, Error::File { call: "write", .. }), "{error}");
    let error = module.save(Path::new("/dev/full"), &ExtraFiles::new()).unwrap_err();
    assert!(matches!(error, Error::File { call: "write", .. }), "{error}");
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for whole in saved(folder.path()) {
        let bytes = std::fs::read(&whole).unwrap();
        let cut = folder.path().join("cut");
        for length in [0, 1, 3, 100, bytes.len() / 3, bytes.len() / 2, bytes.len() - 100, bytes.len() - 1] {
            std::fs::write(&cut, &bytes[..length]).unwrap();
            for error in loading_errors(&cut) {
                assert!(matches!(error, Error::Load { .. }), "{length}: {error}");
                assert_one_line(&error, &cut);
            }
        }
    }
}

#[test]
fn files_of_another_kind_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pt");
    std::fs::write(&path, b"certainly no archive of anything, but long enough to be read as one").unwrap();
    for error in loading_errors(&path) {
        assert!(matches!(error, Error::Load { .. }), "{error}");
        assert_one_line(&error, &path);
    }
    let [full, _] = saved(folder.path());
    let error = LiteModule::load(&full).unwrap_err();
    assert!(matches!(error, Error::Load { what: "lite module", .. }), "{error}");
    assert_one_line(&error, &full);

    Tensor::save_multi(&[("weight", Tensor::rand([2], FLOATS))], &path).unwrap();
    let error = Module::load(&path, Device::Cpu).and_then(|module| module.run(&[])).unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn wrong_inputs_are_errors_of_one_line_and_right_ones_run_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let [full, lite] = saved(folder.path());
    let (full, lite) = (Module::load(&full, Device::Cpu).unwrap(), LiteModule::load(&lite).unwrap());
    let run = |inputs: &[Tensor]| [full.run(inputs), lite.run(inputs)];
    for (case, inputs) in [
        ("none", vec![]),
        ("too many", vec![image(1, 16), image(1, 16)]),
        ("channels", vec![Tensor::rand([1, 4, 16, 16], FLOATS)]),
        ("dimensions", vec![Tensor::rand([3], FLOATS)]),
        ("kind", vec![image(1, 16).to_kind(Kind::Int64)]),
    ] {
        for result in run(&inputs) {
            let error = result.unwrap_err();
            let Error::Libtorch { message, .. } = &error else { panic!("{case}: {error}") };
            assert!(!message.contains('\n') && message.len() > 10, "{case}: {message}");
            assert!(!message.contains("TorchScript interpreter"), "{case} is not explained: {message}");
        }
    }
    for result in run(&[Tensor::new()]) {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Undefined { list: "inputs", index: 0 }), "{error}");
    }
    let input = image(1, 16);
    let expected = Net::new().forward(&input);
    for result in run(&[input]) {
        assert!(difference(&result.unwrap(), &expected) <= 1e-6);
    }
}

#[test]
fn unknown_methods_and_other_outputs_are_errors() {
    let mut module = Module::new("Numbers").unwrap();
    module
        .define(
            "def forward(self, x) -> Tuple[Tensor, List[Tensor]]:\n    return x, [x + 1, x + 2]\n\n\
             def count(self, x) -> int:\n    return x.numel()\n\n\
             def refuse(self, x):\n    assert x.numel() == 0, \"too much\"\n    return x\n",
        )
        .unwrap();
    let input = Tensor::zeros([2], FLOATS);
    let outputs = module.run(std::slice::from_ref(&input)).unwrap();
    assert_eq!(outputs.iter().map(|output| output.double_value(&[0])).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    let error = |method: &str| module.run_method(method, std::slice::from_ref(&input)).unwrap_err().to_string();
    assert!(error("missing").contains("no method 'missing' (there is: "), "{}", error("missing"));
    assert!(error("count").contains("a value of type Int"), "{}", error("count"));
    assert!(error("refuse").contains("too much"), "{}", error("refuse"));
    assert!(module.graph("missing").is_err() && module.freeze(&["missing"]).is_err());
}
