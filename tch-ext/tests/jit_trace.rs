//! Traced modules compute what the function computes, and what a trace cannot keep is an error.

mod difference;
mod jit_net;

use std::panic::{AssertUnwindSafe, catch_unwind};

use difference::difference;
use jit_net::{FLOATS, Net, image};
use tch::{Device, Kind, Tensor, nn, nn::Module as _};
use tch_ext::{
    Error,
    autocast::Autocast,
    jit::{Module, Tracing},
};

fn record(input: &Tensor, function: impl FnOnce(&Tensor) -> Tensor) -> Result<Module, Error> {
    Tracing::new("Net").input("x", input).record(|inputs| Ok(vec![function(&inputs[0])]))
}

/// The message that libtorch, or the check after it, gave.
fn message(error: Error) -> String {
    let Error::Libtorch { message, .. } = error else { panic!("{error}") };
    message
}

#[test]
fn two_outputs_come_back_in_order_at_any_batch_and_size() {
    let net = Net::new();
    let module = net.trace(&image(1, 16));
    for frozen in [false, true] {
        let module = if frozen { module.freeze(&[]).unwrap() } else { net.trace(&image(1, 16)) };
        for (batch, size) in [(1, 16), (1, 16), (3, 16), (2, 24), (1, 16), (5, 32), (5, 32)] {
            let input = image(batch, size);
            let outputs = module.run(std::slice::from_ref(&input)).unwrap();
            assert_eq!(outputs[0].size(), [batch, size * size / 4, 4]);
            let difference = difference(&outputs, &net.forward(&input));
            assert!(difference <= 1e-6, "frozen {frozen}, batch {batch}, size {size}: {difference:e}");
        }
    }
}

#[test]
fn one_output_is_a_tensor_and_inputs_keep_their_names() {
    let (a, b) = (Tensor::rand([2, 3], FLOATS), Tensor::rand([3, 4], FLOATS));
    let module = Tracing::new("Product").method("product").input("left", &a).input("right", &b);
    let module = module.record(|inputs| -> Result<_, Error> { Ok(vec![inputs[0].matmul(&inputs[1])]) }).unwrap();
    assert_eq!(module.methods().unwrap(), ["product"]);
    let graph = module.graph("product").unwrap();
    assert!(graph.contains("%left") && graph.contains("%right") && !graph.contains("prim::Tuple"), "{graph}");
    assert_eq!(module.run_method("product", &[a.shallow_clone(), b.shallow_clone()]).unwrap()[0], a.matmul(&b));
}

#[test]
fn parameters_keep_their_names_and_are_not_constants() {
    let graph = Net::new().trace(&image(1, 8)).graph("forward").unwrap();
    assert!(graph.contains("prim::GetAttr[name=\"depthwise\"]"), "{graph}");
    assert!(!graph.contains("value=<Tensor>") && !graph.contains("value={"), "{graph}");
}

#[test]
fn a_captured_tensor_that_is_not_named_becomes_a_constant() {
    let weight = Tensor::rand([3, 3], FLOATS);
    let input = Tensor::rand([1, 3], FLOATS);
    let module = record(&input, |x| x.matmul(&weight)).unwrap();
    assert_eq!(module.run(std::slice::from_ref(&input)).unwrap()[0], input.matmul(&weight));
}

#[test]
fn trainable_parameters_of_a_variable_store_trace_by_identity() {
    let vs = nn::VarStore::new(Device::Cpu);
    let linear = nn::linear(vs.root() / "fc", 3, 2, Default::default());
    let parameters: Vec<_> = vs.variables().into_iter().collect();
    let input = Tensor::rand([4, 3], FLOATS);
    let module = Tracing::new("Classifier").parameters(&parameters).input("x", &input);
    let module = module.record(|inputs| -> Result<_, Error> { Ok(vec![linear.forward(&inputs[0])]) }).unwrap();
    let output = &module.run(std::slice::from_ref(&input)).unwrap()[0];
    assert!(output.allclose(&linear.forward(&input), 1e-6, 1e-6, false) && !output.requires_grad());
    assert_eq!(module.freeze(&[]).unwrap().run(&[input]).unwrap()[0], *output);

    let error = record(&Tensor::rand([4, 3], FLOATS), |x| {
        x.f_linear(&linear.ws, None::<Tensor>).unwrap_or_else(|_| Tensor::zeros([4, 2], FLOATS))
    });
    assert!(message(error.unwrap_err()).contains("stopped by an error"));
}

#[test]
fn tensors_created_from_numbers_inside_a_trace_are_errors() {
    let input = Tensor::rand([2, 3], FLOATS);
    let error = record(&input, |x| x * Tensor::from_slice(&[1f32, 2.0, 3.0])).unwrap_err();
    assert!(message(error).contains("output 0 of the recorded graph differs"));
    let error = record(&input, |x| x + Tensor::rand([2, 3], FLOATS)).unwrap_err();
    assert!(message(error).contains("something is random"));
    let factors = Tensor::from_slice(&[1f32, 2.0, 3.0]);
    assert!(record(&input, |x| x * &factors).is_ok());
}

#[test]
fn the_examples_are_not_changed() {
    let input = Tensor::ones([2, 3], FLOATS);
    record(&input, |x| x.shallow_clone().f_add_scalar_(1.0).unwrap()).unwrap();
    assert_eq!(input, Tensor::ones([2, 3], FLOATS));
}

#[test]
fn the_functions_own_error_and_panic_come_through_and_tracing_works_afterwards() {
    #[derive(Debug, PartialEq)]
    struct Mine(&'static str);
    impl From<Error> for Mine {
        fn from(_: Error) -> Self {
            Self("libtorch's")
        }
    }
    let input = Tensor::rand([1, 3], FLOATS);
    let failed = Tracing::new("Net").input("x", &input).record(|_| Err(Mine("the function's")));
    assert_eq!(failed.unwrap_err(), Mine("the function's"));
    let panicked =
        catch_unwind(AssertUnwindSafe(|| record(&input, |_| std::panic::resume_unwind(Box::new("on purpose")))));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert!(record(&input, Tensor::relu).is_ok());
}

#[test]
fn what_cannot_be_recorded_is_an_error() {
    let input = Tensor::rand([1, 3], FLOATS);
    let constant = Tensor::rand([2], FLOATS);
    let error = record(&input, |_| constant.shallow_clone()).unwrap_err();
    assert!(message(error).contains("output 0 depends on no input and no parameter"));

    let nested = record(&input, |x| record(x, Tensor::relu).map_or_else(|_| x.relu(), |_| x.sigmoid()));
    assert!(message(nested.unwrap_err()).contains("stopped by an error"));

    let outputs = |outputs: Vec<Tensor>| Tracing::new("Net").input("x", &input).record(|_| Ok(outputs));
    let error: Error = outputs(Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Count { list: "outputs", .. }), "{error}");
    let error = outputs(vec![Tensor::new()]).unwrap_err();
    assert!(matches!(error, Error::Undefined { list: "outputs", index: 0 }), "{error}");
}

#[test]
fn names_are_checked_before_anything_runs() {
    let input = Tensor::rand([1, 3], FLOATS);
    let trace = |class: &str, name: &str, parameter: &str| -> Error {
        let parameters = [(parameter.to_owned(), input.shallow_clone())];
        let tracing = Tracing::new(class).parameters(&parameters).input(name, &input);
        tracing.record(|_| -> Result<_, Error> { panic!("a wrong name is an error before") }).unwrap_err()
    };
    for (class, name, parameter) in [
        ("1st", "x", "w"),
        ("a.b", "x", "w"),
        ("", "x", "w"),
        ("Net", "x y", "w"),
        ("Net", "self", "w"),
        ("Net", "x", "a..b"),
        ("Net", "x", "weight;"),
    ] {
        let error = trace(class, name, parameter);
        assert!(matches!(error, Error::Name { .. }), "{class} {name} {parameter}: {error}");
    }
    let twice = Tracing::new("Net").input("x", &input).input("x", &input);
    let error = twice.record(|_| -> Result<_, Error> { Ok(Vec::new()) }).unwrap_err();
    assert!(matches!(error, Error::Name { rule: "used only once", .. }), "{error}");

    let parameters = ["a", "a"].map(|name| (name.to_owned(), input.shallow_clone()));
    let error = Tracing::new("Net").parameters(&parameters).record(|_| -> Result<_, Error> { Ok(Vec::new()) });
    assert!(message(error.unwrap_err()).contains("'a' is already used"));
}

#[test]
fn a_trace_inside_autocast_computes_in_bfloat16_outside_it() {
    let net = Net::new();
    let input = image(2, 16);
    let module = {
        let _guard = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        net.trace(&input).freeze(&[]).unwrap()
    };
    let graph = module.graph("forward").unwrap();
    assert!(graph.contains("BFloat16"), "{graph}");
    for _ in 0..3 {
        let outputs = module.run(std::slice::from_ref(&input)).unwrap();
        let outputs: Vec<_> = outputs.iter().map(|output| output.to_kind(Kind::Float)).collect();
        let difference = difference(&outputs, &net.forward(&input));
        assert!((1e-6..2e-2).contains(&difference), "{difference:e}");
    }
}
