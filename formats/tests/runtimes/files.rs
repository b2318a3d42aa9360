//! Files are read as they were written; damaged ones are refused with a reason.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::*;
use formats::onnx::{
    self, Builder, Model, Session,
    proto::{DimensionValue, ModelProto, OperatorSetIdProto},
};
use formats::{Array, Data, Element, Error};
use prost::Message;
use tch::{Kind, Tensor};

const SIZE: [i64; 2] = [32, 32];

fn model() -> Model {
    plain(&classifier(&tiny()), SIZE, &batch_of(&[3, SIZE[0], SIZE[1]]))
}

fn written(folder: &Path, change: impl FnOnce(&mut ModelProto)) -> std::path::PathBuf {
    let mut proto = model().proto().clone();
    change(&mut proto);
    let path = folder.join("changed.onnx");
    fs::write(&path, proto.encode_to_vec()).unwrap();
    path
}

fn assert_one_line(error: &Error, path: &Path) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && !text.contains('\n') && text.len() < 1000, "{text}");
}

#[test]
fn a_file_decodes_to_what_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let model = model();
    model.write(&path).unwrap();
    assert_eq!(Model::read(&path).unwrap(), model);
    assert_eq!(fs::read(&path).unwrap(), model.to_bytes());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left in the folder");

    let proto = ModelProto::decode(fs::read(&path).unwrap().as_slice()).unwrap();
    assert_eq!((proto.ir_version, proto.opset_import[0].version), (8, 17));
    let graph = proto.graph.unwrap();
    let input = graph.input[0].r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
    let sides: Vec<_> = input.shape.as_ref().unwrap().dim.iter().map(|dim| dim.value.clone().unwrap()).collect();
    assert_eq!(sides[0], DimensionValue::DimParam("batch".to_owned()));
    assert_eq!(sides[1], DimensionValue::DimValue(3));
    assert_eq!(input.elem_type, Element::F32.code());
}

#[test]
fn weights_are_written_little_endian_under_their_names() {
    let net = classifier(&tiny());
    let model = plain(&net, SIZE, &batch_of(&[3, SIZE[0], SIZE[1]]));
    let graph = model.proto().graph.as_ref().unwrap();
    for (name, tensor) in &net.parameters {
        let stored = graph.initializer.iter().find(|stored| stored.name == *name).unwrap();
        assert_eq!(stored.dims, tensor.size());
        let values: Vec<f32> = tensor.reshape(-1).try_into().unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(stored.raw_data, bytes, "{name}");
    }
    let own: usize = net.parameters.iter().map(|(_, tensor)| tensor.numel()).sum();
    assert!((own..own + 100).contains(&model.parameters()), "{} numbers beside {own}", model.parameters());
}

#[test]
fn metadata_is_read_by_the_model_and_the_session() {
    let mut builder = Builder::new("text");
    let x = builder.input("x", Element::F32, &batch_of(&[2])).unwrap();
    let y = builder.softmax(&x, -1);
    builder.output("y", &y, &batch_of(&[2])).unwrap();
    let metadata: BTreeMap<_, _> =
        [("classes", "cat\n猫"), ("size", "[320, 320]"), ("empty", "")].map(|(a, b)| (a.into(), b.into())).into();
    let model = builder.finish(&metadata).unwrap();
    assert_eq!(model.metadata(), metadata);
    assert_eq!(*reloaded(&model).metadata(), metadata);
}

#[test]
fn a_missing_file_and_a_folder_are_errors_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.onnx");
    for path in [missing.as_path(), folder.path()] {
        let error = Session::load(path).unwrap_err();
        assert!(matches!(error, Error::Io { action: "read", .. }), "{error}");
        assert_one_line(&error, path);
    }
    let error = model().write(&folder.path().join("missing/model.onnx")).unwrap_err();
    assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
}

#[test]
fn a_file_that_cannot_be_replaced_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken.onnx");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("inside"), "here").unwrap();
    assert!(matches!(model().write(&taken).unwrap_err(), Error::Io { action: "write", .. }));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = model().to_bytes();
    let path = folder.path().join("cut.onnx");
    for length in [0, 1, 2, 10, 100, bytes.len() / 3, bytes.len() / 2, bytes.len() - 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = Session::load(&path).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{length}: {error}");
        assert_one_line(&error, &path);
    }
    fs::write(&path, b"not a model at all, but long enough to be read as one").unwrap();
    assert!(matches!(Session::load(&path).unwrap_err(), Error::Malformed { .. }));
}

#[test]
fn a_changed_byte_never_causes_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.onnx");
    let mut builder = Builder::new("small");
    let x = builder.input("x", Element::F32, &batch_of(&[2, 3])).unwrap();
    let y = builder.softmax(&x, -1);
    builder.output("y", &y, &batch_of(&[2, 3])).unwrap();
    let bytes = builder.finish(&Default::default()).unwrap().to_bytes();
    let input = array(&Tensor::rand([2, 2, 3], FLOATS));
    let mut errors = 0;
    for position in 0..bytes.len() {
        for value in [0, 0x7f, 0xff, bytes[position] ^ 1, bytes[position] ^ 0x10] {
            let mut changed = bytes.clone();
            changed[position] = value;
            fs::write(&path, changed).unwrap();
            match Session::load(&path) {
                // Where the file still takes these numbers.
                Ok(session) => drop(session.run(std::slice::from_ref(&input))),
                Err(error) => {
                    errors += 1;
                    assert!(matches!(error, Error::Malformed { .. }), "{position}: {error}");
                }
            }
        }
    }
    assert!(errors > bytes.len(), "{errors} errors");
}

type Change = Box<dyn FnOnce(&mut ModelProto)>;

#[test]
fn inconsistent_files_are_refused_with_the_reason() {
    let graph = |change: fn(&mut onnx::proto::GraphProto)| -> Change {
        Box::new(move |model: &mut ModelProto| change(model.graph.as_mut().unwrap()))
    };
    let cases: Vec<(&str, Change)> = vec![
        ("no graph", Box::new(|model| model.graph = None)),
        ("operator set 7", Box::new(|model| model.opset_import[0].version = 7)),
        ("no version of ONNX's operators", Box::new(|model| model.opset_import.clear())),
        (
            "no version of ONNX's operators",
            Box::new(|model| model.opset_import = vec![OperatorSetIdProto { domain: "other".into(), version: 17 }]),
        ),
        ("functions", Box::new(|model| model.functions = vec![vec![]])),
        ("no output", graph(|graph| graph.output.clear())),
        ("no node computes the output `nowhere`", graph(|graph| graph.output[0].name = "nowhere".into())),
        (
            "`images` has no shape",
            graph(|graph| {
                graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape = None;
            }),
        ),
        ("`images` is not a tensor", graph(|graph| graph.input[0].r#type = None)),
        (
            "`images` has elements of the kind 99",
            graph(|graph| {
                graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = 99;
            }),
        ),
        ("has elements of the kind 10", graph(|graph| graph.initializer[0].data_type = 10)),
        ("bytes of float", graph(|graph| graph.initializer[0].dims.push(1 << 40))),
        ("impossible shape", graph(|graph| graph.initializer[0].dims = vec![1 << 62, 1 << 62])),
        ("impossible shape", graph(|graph| graph.initializer[0].dims = vec![-1])),
        ("bytes of float", graph(|graph| graph.initializer[0].raw_data.truncate(4))),
        (
            "other values than 0 and 1",
            graph(|graph| {
                let tensor = &mut graph.initializer[0];
                (tensor.dims, tensor.data_type, tensor.raw_data) = (vec![3], Element::Bool.code(), vec![0, 1, 2]);
            }),
        ),
        ("outside the file", graph(|graph| graph.initializer[0].data_location = 1)),
        ("two values are called", graph(|graph| graph.initializer[1].name = graph.initializer[0].name.clone())),
        ("which does not exist", graph(|graph| graph.node[0].input[0] = "nothing".into())),
        ("which does not exist", graph(|graph| graph.node.swap(0, 1))),
        ("a nested graph", graph(|graph| graph.node[0].attribute[0].g = Some(vec![]))),
        ("operator set `other`", graph(|graph| graph.node[0].domain = "other".into())),
        ("Nonsense", graph(|graph| graph.node[0].op_type = "Nonsense".into())),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (words, change) in cases {
        let path = written(folder.path(), change);
        let error = Session::load(&path).map(|_| words).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains(words), "{words}: {error}");
        assert_one_line(&error, &path);
    }
}

#[test]
fn a_graph_that_cannot_be_computed_is_an_error_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), |model| {
        let weight = &mut model.graph.as_mut().unwrap().initializer[0];
        weight.dims.reverse();
    });
    let input = array(&images(1, SIZE));
    let error = Session::load(&path).and_then(|session| session.run(&[input])).unwrap_err();
    assert!(matches!(error, Error::Run { .. } | Error::Malformed { .. }), "{error}");
    assert_one_line(&error, &path);
}

#[test]
fn wrong_inputs_are_named_and_right_ones_run_afterwards() {
    let session = reloaded(&model());
    let right = images(2, SIZE);
    let wrong = [
        array(&images(2, [32, 33])),
        array(&right.to_kind(Kind::Uint8)),
        array(&Tensor::rand([3, 32, 32], FLOATS)),
        Array::new(vec![0, 3, 32, 32], Data::F32(vec![])).unwrap(),
    ];
    for input in wrong {
        let error = session.run(std::slice::from_ref(&input)).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{error}");
        assert!(error.to_string().contains("`images`") && error.to_string().contains("float [batch, 3, 32, 32]"));
    }
    assert!(matches!(session.run(&[]).unwrap_err(), Error::Input { .. }));
    assert_eq!(session.run(&[array(&right)]).unwrap()[0].shape(), [2, CLASSES as usize]);
}

#[test]
fn sides_with_the_same_name_must_be_equal() {
    let mut builder = Builder::new("sum");
    let inputs = ["left", "right"].map(|name| builder.input(name, Element::F32, &batch_of(&[2])).unwrap());
    let module = {
        let [left, right] = [Tensor::rand([1, 2], FLOATS), Tensor::rand([1, 2], FLOATS)];
        let tracing = tch_ext::jit::Tracing::new("Sum").input("left", &left).input("right", &right);
        tracing.record(|x| -> Result<_, tch_ext::Error> { Ok(vec![&x[0] + &x[1]]) }).unwrap()
    };
    let sum = builder.network(&read(&module, &inputs.each_ref().map(onnx::Value::rank)), &inputs).unwrap().remove(0);
    builder.output("sum", &sum, &batch_of(&[2])).unwrap();
    let session = reloaded(&builder.finish(&Default::default()).unwrap());
    let [three, four] = [3, 4].map(|batch| array(&Tensor::ones([batch, 2], FLOATS)));
    assert_eq!(*session.run(&[three.clone(), three.clone()]).unwrap()[0].data(), Data::F32(vec![2.0; 6]));
    assert!(matches!(session.run(&[three, four]).unwrap_err(), Error::Input { .. }));
}

#[test]
fn arrays_have_as_many_elements_as_their_shape() {
    assert!(matches!(Array::new(vec![2, 3], Data::F32(vec![0.0; 5])).unwrap_err(), Error::Volume { found: 5, .. }));
    assert!(matches!(Array::new(vec![usize::MAX, 2], Data::U8(vec![])).unwrap_err(), Error::Volume { .. }));
    assert_eq!(Array::new(vec![], Data::I64(vec![7])).unwrap().len(), 1);
}
