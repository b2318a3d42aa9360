//! Tensors of a module: names, and conversion to other kinds.

mod difference;
mod jit_net;

use difference::difference;
use jit_net::{FLOATS, Net, image};
use tch::{Device, Kind, Tensor};
use tch_ext::jit::{Module, Tracing};

/// The network behind a buffer, saved and loaded again.
fn loaded() -> (Net, Module) {
    let net = Net::new();
    let mut module = Module::new("Shifted").unwrap();
    module.register_buffer("shift", &Tensor::from_slice(&[0.5f32])).unwrap();
    module.register_buffer("steps", &Tensor::from_slice(&[3i64])).unwrap();
    module.register_module("net", net.trace(&image(1, 16))).unwrap();
    module.define("def forward(self, image):\n    return self.net.forward(image - self.shift)\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    module.save(&path, &Default::default()).unwrap();
    (net, Module::load(&path, Device::Cpu).unwrap())
}

#[test]
fn parameters_and_buffers_of_a_file_have_names() {
    let (net, module) = loaded();
    let mut names = module.tensor_names().unwrap();
    assert_eq!(names[names.len() - 2..], ["shift", "steps"]);
    names.truncate(names.len() - 2);
    names.sort();
    let mut expected: Vec<_> = net.parameters.iter().map(|(name, _)| format!("net.{name}")).collect();
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(module.freeze(&[]).unwrap().tensor_names().unwrap(), Vec::<String>::new());
}

#[test]
fn a_loaded_module_runs_in_every_floating_point_kind() {
    let (net, mut module) = loaded();
    let input = image(2, 24);
    let expected = net.forward(&(&input - 0.5));
    for (kind, tolerance) in [(Kind::Double, 1e-6), (Kind::BFloat16, 3e-2), (Kind::Float, 3e-2)] {
        module.to_kind(kind).unwrap();
        let outputs = module.run(&[input.to_kind(kind)]).unwrap();
        assert!(outputs.iter().all(|output| output.kind() == kind), "{outputs:?}");
        let outputs: Vec<_> = outputs.iter().map(|output| output.to_kind(Kind::Float)).collect();
        let difference = difference(&outputs, &expected);
        assert!(difference <= tolerance, "{kind:?}: {difference:e}");
    }
    let error = module.to_kind(Kind::Int64).unwrap_err().to_string();
    assert!(error.contains("floating-point kind"), "{error}");
}

#[test]
fn a_buffer_of_a_trace_moves_with_the_module_and_a_constant_does_not() {
    let input = Tensor::rand([2, 3], FLOATS);
    let factors = Tensor::from_slice(&[1f32, 2.0, 3.0]);
    let named = [("factors".to_owned(), factors.shallow_clone())];
    let record = |buffers: &[(String, Tensor)]| {
        let tracing = Tracing::new("Net").buffers(buffers).input("x", &input);
        tracing.record(|inputs| -> Result<_, tch_ext::Error> { Ok(vec![&inputs[0] * &factors]) }).unwrap()
    };
    let kind = |mut module: Module| {
        module.to_kind(Kind::Half).unwrap();
        module.run(&[input.to_kind(Kind::Half)]).unwrap()[0].kind()
    };
    assert_eq!(kind(record(&[])), Kind::Float);
    assert_eq!(kind(record(&named)), Kind::Half);
}
