//! ONNX Runtime: found at a stated place or refused with a sentence, silent, and able to run files in int8.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::*;
use formats::onnx::{
    Builder, Library, Session,
    proto::{
        AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
        TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type,
    },
};
use formats::{Array, Data, Element};
use prost::Message;
use tch_ext::system::library_folder;

/// The file that a child process loads.
const FILE: &str = "ONNX_FILE_OF_THE_TEST";

/// In place of a file: load the library of LiteRT alone.
const LITERT: &str = "LiteRT";

fn softmax(folder: &Path) -> PathBuf {
    let mut builder = Builder::new("small");
    let x = builder.input("x", Element::F32, &batch_of(&[2])).unwrap();
    let y = builder.softmax(&x, -1);
    builder.output("y", &y, &batch_of(&[2])).unwrap();
    let path = folder.join("small.onnx");
    builder.finish(&Default::default()).unwrap().write(&path).unwrap();
    path
}

/// This test in another process, which loads a library of its own; in that process, loads and runs the file and prints how it ended.
fn child(test: &str, folder: &Path) -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(FILE, softmax(folder));
    child
}

fn run_in_child() -> bool {
    let Some(file) = env::var_os(FILE) else { return false };
    let input = Array::new(vec![1, 2], Data::F32(vec![1.0, 1.0])).unwrap();
    let session = |file: &Path| match file.to_str() {
        Some(LITERT) => Err(formats::litert::Library::load().expect_err("there is no library")),
        _ => Session::load(file),
    };
    let ending = match session(file.as_ref()).and_then(|session| session.run(&[input])) {
        Ok(outputs) => format!("outputs: {:?}\n", outputs[0].data()),
        Err(error) => format!("error: {error}\n"),
    };
    std::io::stdout().write_all(ending.as_bytes()).unwrap();
    true
}

fn ending(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().filter(|line| line.starts_with("outputs: ") || line.starts_with("error: "));
    lines.next().unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

/// A library that says it is an old ONNX Runtime.
fn old_runtime(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("old.c"), folder.join("libonnxruntime.so"));
    let code = r#"
        static const char *version(void) { return "1.10.2"; }
        static const void *api(unsigned version) { return 0; }
        static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = { api, version };
        const void *OrtGetApiBase(void) { return &base; }
    "#;
    fs::write(&source, code).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
    assert!(compiled.success());
    library
}

#[test]
fn a_library_that_cannot_be_used_is_one_sentence() {
    if run_in_child() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (empty, text) = (folder.path().join("empty"), folder.path().join("text.so"));
    fs::create_dir(&empty).unwrap();
    fs::write(&text, "not a library").unwrap();
    let cases = [
        (folder.path().join("nothing"), "does not exist"),
        (empty, "has neither libonnxruntime.so.1.32.0 nor libonnxruntime.so"),
        (text, "file too short"),
        (library_folder().unwrap().join("libgomp.so.1"), "it is another library than ONNX Runtime"),
        (old_runtime(folder.path()), "it is version 1.10.2, and 1.18 or later is needed"),
        // The same by its folder.
        (folder.path().to_owned(), "it is version 1.10.2, and 1.18 or later is needed"),
    ];
    for (place, words) in cases {
        let mut child = child("runtime::a_library_that_cannot_be_used_is_one_sentence", folder.path());
        let output = child.env("ONNX_RUNTIME", &place).output().unwrap();
        let ending = ending(&output);
        assert!(ending.starts_with("error: ONNX Runtime cannot be used: ") && ending.contains(words), "{ending}");
        assert!(ending.contains(&*place.to_string_lossy()), "{ending}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_litert_that_cannot_be_used_is_one_sentence() {
    if run_in_child() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    fs::write(&text, "not a library").unwrap();
    let cases = [
        (folder.path().join("nothing"), "does not exist"),
        (folder.path().to_owned(), "has no libLiteRt.so"),
        (text, "file too short"),
        (library_folder().unwrap().join("libgomp.so.1"), "undefined symbol: LiteRtCreateEnvironment"),
    ];
    for (place, words) in cases {
        let mut child = child("runtime::a_litert_that_cannot_be_used_is_one_sentence", folder.path());
        let output = child.env(FILE, LITERT).env("LITERT", &place).output().unwrap();
        let ending = ending(&output);
        assert!(ending.starts_with("error: LiteRT cannot be used: ") && ending.contains(words), "{ending}");
        assert!(ending.contains(&*place.to_string_lossy()), "{ending}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_library_that_would_send_usage_data_is_refused() {
    if run_in_child() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for value in [None, Some("0")] {
        let mut child = child("runtime::a_library_that_would_send_usage_data_is_refused", folder.path());
        child.env_remove("ORT_DISABLE_TELEMETRY").envs(value.map(|value| ("ORT_DISABLE_TELEMETRY", value)));
        let ending = ending(&child.output().unwrap());
        assert!(ending.contains("it sends usage data unless ORT_DISABLE_TELEMETRY=1"), "{ending}");
    }
}

#[test]
fn running_a_file_writes_nothing_below_the_home_folder() {
    if run_in_child() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for home in ["home", "cache", "data", "tmp"] {
        fs::create_dir(folder.path().join(home)).unwrap();
    }
    let mut child = child("runtime::running_a_file_writes_nothing_below_the_home_folder", folder.path());
    let variables = [("HOME", "home"), ("XDG_CACHE_HOME", "cache"), ("XDG_DATA_HOME", "data"), ("TMPDIR", "tmp")];
    let output = child.envs(variables.map(|(name, place)| (name, folder.path().join(place)))).output().unwrap();
    assert_eq!(ending(&output), "outputs: F32([0.5, 0.5])");
    for (_, place) in variables {
        let left: Vec<_> =
            fs::read_dir(folder.path().join(place)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn the_library_is_that_of_the_variable() {
    let library = Library::load().unwrap();
    let place = PathBuf::from(env::var_os("ONNX_RUNTIME").unwrap()).canonicalize().unwrap();
    assert!(library.path.starts_with(place), "{library:?}");
    assert!(library.version.starts_with("1."), "{library:?}");
}

#[test]
fn threads_that_share_a_session_get_their_own_results() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::load(&softmax(folder.path())).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let session = &session;
            scope.spawn(move || {
                for rows in 1..20 {
                    let numbers: Vec<f32> = (0..rows).flat_map(|row| [row as f32, (row + thread) as f32]).collect();
                    let second = 1.0 / (1.0 + (-(thread as f32)).exp());
                    let found = session.run(&[Array::new(vec![rows, 2], Data::F32(numbers)).unwrap()]).unwrap();
                    let Data::F32(found) = found[0].data() else { panic!("{found:?}") };
                    assert!(found.chunks(2).all(|row| (row[1] - second).abs() < 1e-6), "{found:?}");
                }
            });
        }
    });
}

fn info(name: &str, element: Element, sides: &[i64]) -> ValueInfoProto {
    let side = |&side: &i64| DimensionProto { value: Some(DimensionValue::DimValue(side)) };
    let shape = Some(TensorShapeProto { dim: sides.iter().map(side).collect() });
    let kind = TypeProto { tensor_type: Some(TensorTypeProto { elem_type: element.code(), shape }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind) }
}

fn node(operator: &str, inputs: &[&str], output: &str, attribute: Option<(&str, i64)>) -> NodeProto {
    let attribute = attribute.map(|(name, value)| AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        r#type: attribute_type::INT,
        ..AttributeProto::default()
    });
    NodeProto {
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        name: output.to_owned(),
        op_type: operator.to_owned(),
        attribute: attribute.into_iter().collect(),
        domain: String::new(),
    }
}

/// A constant, whose integers are in `raw_data` or in `int32_data`.
fn constant(name: &str, element: Element, dims: &[i64], values: &[f32], raw: bool) -> TensorProto {
    let mut tensor = TensorProto { name: name.to_owned(), dims: dims.to_vec(), ..TensorProto::default() };
    tensor.data_type = element.code();
    match element {
        Element::F32 => tensor.float_data = values.to_vec(),
        _ if !raw => tensor.int32_data = values.iter().map(|&value| value as i32).collect(),
        Element::I32 => tensor.raw_data = values.iter().flat_map(|&value| (value as i32).to_le_bytes()).collect(),
        Element::I8 => tensor.raw_data = values.iter().map(|&value| value as i8 as u8).collect(),
        _ => tensor.raw_data = values.iter().map(|&value| value as u8).collect(),
    }
    tensor
}

fn written(folder: &Path, graph: GraphProto) -> PathBuf {
    let path = folder.join("int8.onnx");
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    let model = ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..ModelProto::default() };
    fs::write(&path, model.encode_to_vec()).unwrap();
    path
}

#[test]
fn a_quantised_layer_runs_with_weights_in_int8_and_biases_in_int32() {
    let folder = tempfile::tempdir().unwrap();
    let (scales, biases) = ([0.5_f32, 0.25], [8.0_f32, -4.0]);
    let weights = [[1.0_f32, -2.0, 3.0], [-127.0, 0.0, 127.0]];
    for raw in [true, false] {
        let constant = |name: &str, element, dims: &[i64], values: &[f32]| constant(name, element, dims, values, raw);
        let layer = node("Gemm", &["rounded", "weight", "bias"], "y", None);
        let transposed = AttributeProto {
            name: "transB".to_owned(),
            i: Some(1),
            r#type: attribute_type::INT,
            ..AttributeProto::default()
        };
        let graph = GraphProto {
            name: "layer".to_owned(),
            input: vec![info("x", Element::F32, &[1, 3])],
            output: vec![info("y", Element::F32, &[1, 2]), info("bytes", Element::U8, &[1, 3])],
            initializer: vec![
                constant("scale", Element::F32, &[], &[0.1]),
                constant("zero", Element::U8, &[], &[128.0]),
                constant("steps", Element::I8, &[2, 3], weights.as_flattened()),
                constant("scales", Element::F32, &[2], &scales),
                constant("bias_steps", Element::I32, &[2], &biases),
                constant("bias_scales", Element::F32, &[2], &scales.map(|scale| scale * 0.1)),
            ],
            node: vec![
                node("QuantizeLinear", &["x", "scale", "zero"], "bytes", None),
                node("DequantizeLinear", &["bytes", "scale", "zero"], "rounded", None),
                node("DequantizeLinear", &["steps", "scales"], "weight", Some(("axis", 0))),
                node("DequantizeLinear", &["bias_steps", "bias_scales"], "bias", Some(("axis", 0))),
                NodeProto { attribute: vec![transposed], ..layer },
            ],
        };
        let session = Session::load(&written(folder.path(), graph)).unwrap();
        let input = Array::new(vec![1, 3], Data::F32(vec![1.04, -0.26, 100.0])).unwrap();
        let outputs = session.run(&[input]).unwrap();
        assert_eq!(*outputs[1].data(), Data::U8(vec![138, 125, 255]));
        let Data::F32(found) = outputs[0].data() else { panic!("{outputs:?}") };
        let steps = [10.0_f32, -3.0, 127.0];
        for (row, found) in found.iter().enumerate() {
            let sum: f32 = weights[row].iter().zip(steps).map(|(weight, step)| weight * step).sum();
            let expected = (sum + biases[row]) * scales[row] * 0.1;
            assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
        }
    }
}

#[test]
fn every_kind_of_element_goes_in_and_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let values = [
        Data::F32(vec![f32::MIN, 0.5]),
        Data::U8(vec![0, 255]),
        Data::I8(vec![-128, 127]),
        Data::I32(vec![i32::MIN, i32::MAX]),
        Data::I64(vec![i64::MIN, i64::MAX]),
        Data::Bool(vec![false, true]),
    ];
    for data in values {
        let array = Array::new(vec![2], data).unwrap();
        let graph = GraphProto {
            name: "same".to_owned(),
            input: vec![info("x", array.element(), &[2])],
            output: vec![info("y", array.element(), &[2])],
            node: vec![node("Identity", &["x"], "y", None)],
            ..GraphProto::default()
        };
        let session = Session::load(&written(folder.path(), graph)).unwrap();
        assert_eq!(session.run(std::slice::from_ref(&array)).unwrap(), [array]);
    }
}
