//! Single operators: each translation computes what libtorch computes, and unsupported operators are named.

use crate::support::*;
use formats::coreml;
use formats::graph::Graph;
use formats::onnx::{self, Builder, Value};
use formats::{Element, Error};
use tch::{Kind, Tensor};
use tch_ext::jit::{Module, Tracing};

fn trace(input: &Tensor, function: impl Fn(&Tensor) -> Tensor) -> Module {
    let tracing = Tracing::new("Net").input("x", input);
    tracing.record(|inputs| -> Result<_, tch_ext::Error> { Ok(vec![function(&inputs[0])]) }).unwrap()
}

fn translate(module: &Module, input: &Tensor) -> Result<(Builder, Vec<Value>), Error> {
    let mut builder = Builder::new("operator");
    let given = builder.input("x", Element::F32, &batch_of(&input.size()[1..]))?;
    let values = builder.network(&Graph::read(&module.nodes("forward").unwrap(), &[given.rank()])?, &[given])?;
    Ok((builder, values))
}

/// Compares the outputs of the file and of the graph's interpreter with libtorch's, for the traced batch and a larger one.
fn compare(what: &str, module: &Module, input: &Tensor) {
    let graph = read(module, &[input.dim()]);
    let (mut builder, values) = translate(module, input).unwrap_or_else(|error| panic!("{what}: {error}"));
    for (index, value) in values.iter().enumerate() {
        let sides: Vec<_> = (0..value.rank()).map(|axis| onnx::Dim::Named(format!("side{index}_{axis}"))).collect();
        builder.output(&format!("output{index}"), value, &sides).unwrap();
    }
    let session = reloaded(&builder.finish(&Default::default()).unwrap());
    for input in [input.shallow_clone(), Tensor::cat(&[input, &(input * 0.5)], 0)] {
        let found = session.run(&[array(&input)]).unwrap_or_else(|error| panic!("{what}: {error}"));
        let expected = module.run(&[input.shallow_clone()]).unwrap();
        assert_close(&found, &expected, 1e-5, what);
        let interpreted: Vec<_> = graph.run(&[input]).unwrap().iter().map(array).collect();
        assert_close(&interpreted, &expected, 1e-6, &format!("{what}, interpreted"));
    }
    if let &[_, channels, height, width] = &input.size()[..] {
        let one = input.narrow(0, 0, 1);
        let package = crate::coreml::package(&graph, channels, &[[height, width]], coreml::Kind::F32);
        let found = crate::coreml::loaded(&package).run(&one).unwrap_or_else(|error| panic!("{what}: {error}"));
        // It has no integers of 64 bits.
        let wide =
            |found: &Tensor| if found.is_floating_point() { array(found) } else { array(&found.to_kind(Kind::Int64)) };
        let found: Vec<_> = found.iter().map(wide).collect();
        assert_close(&found, &module.run(&[one]).unwrap(), 1e-5, &format!("{what}, Core ML"));
    }
}

#[test]
fn activations_and_arithmetic_compute_the_same() {
    tch::manual_seed(3);
    let input = Tensor::randn([2, 4, 5, 6], FLOATS) * 4.0;
    let other = Tensor::rand([4, 1, 1], FLOATS) + 0.5;
    type Function = Box<dyn Fn(&Tensor) -> Tensor>;
    let cases: Vec<(&str, Function)> = vec![
        ("relu", Box::new(Tensor::relu)),
        ("relu6", Box::new(Tensor::relu6)),
        ("sigmoid", Box::new(Tensor::sigmoid)),
        ("tanh", Box::new(Tensor::tanh)),
        ("hardtanh", Box::new(Tensor::hardtanh)),
        ("hardswish", Box::new(Tensor::hardswish)),
        ("hardsigmoid", Box::new(Tensor::hardsigmoid)),
        ("silu", Box::new(Tensor::silu)),
        ("gelu", Box::new(|x| x.gelu("none"))),
        ("gelu by tanh", Box::new(|x| x.gelu("tanh"))),
        ("clamp", Box::new(|x| x.clamp(-1.0, 2.5))),
        ("clamp_min", Box::new(|x| x.clamp_min(0.5))),
        ("clamp_max", Box::new(|x| x.clamp_max(0.5))),
        ("softmax", Box::new(|x| x.softmax(1, None::<Kind>))),
        ("softmax from the back", Box::new(|x| x.softmax(-1, Kind::Float))),
        ("add", Box::new(move |x| x + &other * x - 2.0)),
        ("divide", Box::new(|x| x / 3.0 * 0.5)),
        ("exp", Box::new(|x| (x * 0.1).exp())),
        ("mean", Box::new(|x| x.mean_dim([2i64, 3].as_slice(), true, None::<Kind>))),
        ("mean without sides", Box::new(|x| x.mean_dim([-1i64].as_slice(), false, None::<Kind>))),
        ("average pool", Box::new(|x| x.adaptive_avg_pool2d([1, 1]).flatten(1, -1))),
        ("max pool", Box::new(|x| x.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false))),
        ("upsample", Box::new(|x| x.upsample_bilinear2d([13, 7], false, None, None))),
        ("downsample", Box::new(|x| x.upsample_bilinear2d([3, 4], false, None, None))),
        ("argmax", Box::new(|x| x.argmax(1, false))),
    ];
    for (what, function) in cases {
        compare(what, &trace(&input, function), &input);
    }
}

#[test]
fn changes_of_shape_compute_the_same() {
    tch::manual_seed(4);
    let input = Tensor::randn([2, 4, 5, 6], FLOATS);
    let pixel = Tensor::randn([1, 4, 1, 1], FLOATS);
    let table = Tensor::randn([6, 3], FLOATS);
    type Function = Box<dyn Fn(&Tensor) -> Tensor>;
    let cases: Vec<(&str, Function)> = vec![
        ("permute and reshape", Box::new(|x| x.permute([0, 2, 3, 1]).reshape([-1, 30, 4]))),
        ("view", Box::new(|x| x.view([-1, 2, 2, 30]))),
        ("flatten the end", Box::new(|x| x.flatten(2, 3))),
        ("transpose", Box::new(|x| x.transpose(1, -1))),
        ("channel shuffle", Box::new(|x| x.channel_shuffle(2) + 1.0)),
        ("unsqueeze", Box::new(|x| x.unsqueeze(-1))),
        ("narrow", Box::new(|x| x.narrow(2, 1, 3))),
        ("slice with a step", Box::new(|x| x.slice(3, 1, None, 2))),
        ("slice to before the end", Box::new(|x| x.slice(2, None, -1, 1))),
        ("select", Box::new(|x| x.select(1, 2))),
        ("select from the back", Box::new(|x| x.select(1, -1))),
        ("cat", Box::new(|x| Tensor::cat(&[x.relu(), x.sigmoid()], 1))),
        ("split", Box::new(|x| Tensor::cat(&x.split_with_sizes([1, 3], 1).iter().rev().collect::<Vec<_>>(), 1))),
        ("expand_as", Box::new(move |x| x.adaptive_avg_pool2d([1, 1]).expand_as(x) + &pixel)),
        ("zeros_like", Box::new(|x| x.zeros_like() + x.adaptive_avg_pool2d([1, 1]))),
        ("flatten to a matrix", Box::new(|x| x.flatten(1, -1))),
        ("contiguous", Box::new(|x| x.transpose(1, 2).contiguous() + 1.0)),
        ("to the same kind", Box::new(|x| x.to_kind(Kind::Float) + 1.0)),
        ("dropout", Box::new(|x| x.dropout(0.5, false) + 1.0)),
        ("matmul", Box::new(move |x| x.matmul(&table))),
    ];
    for (what, function) in cases {
        compare(what, &trace(&input, function), &input);
    }
}

#[test]
fn linear_layers_of_every_rank_compute_the_same() {
    tch::manual_seed(5);
    let (weight, bias) = (Tensor::randn([3, 6], FLOATS), Tensor::randn([3], FLOATS));
    for shape in [vec![2, 6], vec![2, 4, 6]] {
        let input = Tensor::randn(&shape, FLOATS);
        compare("linear", &trace(&input, |x| x.linear(&weight, Some(&bias))), &input);
        compare("linear without bias", &trace(&input, |x| x.linear(&weight, None::<&Tensor>)), &input);
    }
    let input = Tensor::randn([2, 6], FLOATS);
    compare("addmm", &trace(&input, |x| bias.addmm(x, &weight.tr())), &input);
}

#[test]
fn layer_normalisation_and_attention_compute_the_same() {
    tch::manual_seed(7);
    let (weight, bias) = (Tensor::rand([8], FLOATS) + 0.5, Tensor::randn([8], FLOATS));
    for shape in [vec![2, 3, 5, 8], vec![2, 5, 8]] {
        let input = Tensor::randn(&shape, FLOATS);
        compare("layer norm", &trace(&input, |x| x.layer_norm([8], Some(&weight), Some(&bias), 1e-5, true)), &input);
    }
    let input = Tensor::randn([2, 5, 8], FLOATS);
    let attention = |x: &Tensor| {
        let heads = x.view([-1, 5, 2, 4]).transpose(1, 2);
        let shares = (&heads * 0.5).matmul(&heads.transpose(-2, -1)).softmax(-1, None::<Kind>);
        shares.matmul(&heads).transpose(1, 2).reshape([-1, 5, 8])
    };
    compare("attention", &trace(&input, attention), &input);
}

#[test]
fn traffic_is_what_each_operation_reads_and_writes() {
    let (weight, bias) = (Tensor::randn([8, 4, 1, 1], FLOATS), Tensor::randn([8], FLOATS));
    let input = Tensor::randn([2, 4, 3, 5], FLOATS);
    let module = trace(&input, |x| {
        let maps = x.conv2d(&weight, Some(&bias), [1, 1], [0, 0], [1, 1], 1).relu();
        (&maps + &maps).flatten(1, -1)
    });
    let (images, maps) = (4 * 15, 8 * 15);
    let numbers = (images + 8 * 4 + 8 + maps) + 3 * maps;
    assert_eq!(read(&module, &[4]).traffic([4, 3, 5]).unwrap(), 4 * numbers);
}

#[test]
fn convolutions_of_every_geometry_compute_the_same() {
    tch::manual_seed(6);
    let input = Tensor::randn([2, 4, 9, 11], FLOATS);
    for (stride, padding, dilation, groups) in
        [([1, 1], [0, 0], [1, 1], 1), ([2, 1], [1, 2], [1, 1], 4), ([1, 2], [2, 3], [2, 3], 2)]
    {
        let weight = Tensor::randn([8, 4 / groups, 3, 3], FLOATS);
        let bias = Tensor::randn([8], FLOATS);
        compare("conv", &trace(&input, |x| x.conv2d(&weight, Some(&bias), stride, padding, dilation, groups)), &input);
        let without = |x: &Tensor| x.conv2d(&weight, None::<&Tensor>, stride, padding, dilation, groups);
        compare("conv without bias", &trace(&input, without), &input);
    }
}

#[test]
fn an_operator_without_a_translation_is_named() {
    let input = Tensor::rand([2, 4], FLOATS);
    let error = translate(&trace(&input, |x| x.cumsum(1, None::<Kind>)), &input).unwrap_err();
    assert!(matches!(&error, Error::Operator { operator } if operator == "aten::cumsum"), "{error}");
    assert!(error.to_string().contains("`aten::cumsum`"), "{error}");
    let error = translate(&trace(&input, |x| x.shallow_clone().relu_()), &input).unwrap_err();
    assert!(matches!(&error, Error::Operator { operator } if operator == "aten::relu_"), "{error}");
}

#[test]
fn an_argument_without_a_translation_is_named() {
    let input = Tensor::rand([2, 4, 6, 6], FLOATS);
    let argument = |function: &dyn Fn(&Tensor) -> Tensor| translate(&trace(&input, function), &input).unwrap_err();
    let error = argument(&|x| x.adaptive_avg_pool2d([2, 2]));
    assert!(matches!(&error, Error::Argument { index: 1, expected: "[1, 1]", .. }), "{error}");
    let error = argument(&|x| x.upsample_bilinear2d([9, 9], true, None, None));
    assert!(matches!(&error, Error::Argument { index: 2, .. }), "{error}");
    let error = argument(&|x| x.to_kind(Kind::Double).to_kind(Kind::Float));
    assert!(matches!(&error, Error::Argument { .. }), "{error}");
    let weight = Tensor::rand([3, 4, 1, 1], (Kind::Double, tch::Device::Cpu));
    let module = trace(&input.to_kind(Kind::Double), |x| x.conv2d(&weight, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1));
    let error = translate(&module, &input).unwrap_err();
    assert!(matches!(&error, Error::Kind { found: Kind::Double, .. }), "{error}");
}

#[test]
fn graphs_that_are_put_together_wrongly_are_errors() {
    let input = Tensor::rand([2, 4], FLOATS);
    let graph = read(&trace(&input, Tensor::relu), &[2]);
    let mut builder = Builder::new("wrong");
    let x = builder.input("x", Element::F32, &batch_of(&[4])).unwrap();
    assert!(matches!(builder.network(&graph, &[]).unwrap_err(), Error::Value { .. }));
    assert!(matches!(builder.input("x", Element::F32, &batch_of(&[4])).unwrap_err(), Error::Name { .. }));
    assert!(matches!(builder.input("y", Element::F32, &batch_of(&[0])).unwrap_err(), Error::Value { .. }));
    assert!(matches!(builder.output("x", &x, &batch_of(&[4])).unwrap_err(), Error::Name { .. }));
    assert!(matches!(builder.output("z", &x, &batch_of(&[4, 4])).unwrap_err(), Error::Value { .. }));
    assert!(matches!(builder.output("", &x, &batch_of(&[4])).unwrap_err(), Error::Value { .. }));
    assert!(matches!(
        builder.normalize(&x, onnx::Layout::ChannelsLast, &[0.0; 3], &[1.0; 3]).unwrap_err(),
        Error::Value { .. }
    ));
    let photos = builder.input("photos", Element::U8, &batch_of(&[8, 8, 3])).unwrap();
    let error = builder.normalize(&photos, onnx::Layout::ChannelsLast, &[0.0; 3], &[1.0; 2]).unwrap_err();
    assert!(error.to_string().contains("3 and 2"), "{error}");
    assert!(matches!(builder.finish(&Default::default()).unwrap_err(), Error::Value { .. }));
}

#[test]
fn an_input_and_a_value_used_twice_can_be_outputs() {
    let input = Tensor::rand([2, 4], FLOATS);
    let graph = read(&trace(&input, Tensor::relu), &[2]);
    let mut builder = Builder::new("twice");
    let x = builder.input("x", Element::F32, &batch_of(&[4])).unwrap();
    let y = builder.network(&graph, std::slice::from_ref(&x)).unwrap().remove(0);
    let z = builder.softmax(&y, -1);
    for (name, value) in [("same", &x), ("first", &y), ("second", &y), ("last", &z)] {
        builder.output(name, value, &batch_of(&[4])).unwrap();
    }
    let session = reloaded(&builder.finish(&Default::default()).unwrap());
    let expected = [input.shallow_clone(), input.relu(), input.relu(), input.relu().softmax(-1, Kind::Float)];
    assert_close(&session.run(&[array(&input)]).unwrap(), &expected, 1e-6, "outputs");
}

#[test]
fn a_weight_used_twice_is_written_once_and_another_of_its_name_is_an_error() {
    let input = Tensor::rand([2, 3], FLOATS);
    let module = |weight: &Tensor| {
        let parameters = [("w.weight".to_owned(), weight.shallow_clone())];
        let tracing = Tracing::new("Net").parameters(&parameters).input("x", &input);
        tracing.record(|x| -> Result<_, tch_ext::Error> { Ok(vec![x[0].matmul(weight).matmul(weight)]) }).unwrap()
    };
    let (mut builder, values) = translate(&module(&Tensor::rand([3, 3], FLOATS)), &input).unwrap();
    let other = read(&module(&Tensor::rand([3, 3], FLOATS)), &[2]);
    let error = builder.network(&other, &values).unwrap_err();
    assert!(matches!(&error, Error::Name { name, .. } if name == "w.weight"), "{error}");
    builder.output("y", &values[0], &batch_of(&[3])).unwrap();
    let model = builder.finish(&Default::default()).unwrap();
    assert_eq!(model.proto().graph.as_ref().unwrap().initializer.len(), 1);
}
