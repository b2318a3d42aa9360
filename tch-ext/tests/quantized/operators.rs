//! Operators without weights, and the names that source text can use.

use tch::{Kind, Tensor};
use tch_ext::jit::Module;

use crate::fake::{Affine, FLOATS, activations, source, with_each_engine};

/// An operator on `a` and `b`, with `OUT` for the quantisation of its result where it has its own.
type Operator = (&'static str, fn(&Tensor, &Tensor) -> Tensor);

fn pooled(values: &Tensor) -> Tensor {
    values.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)
}

const OPERATORS: [Operator; 16] = [
    ("ops.quantized.cat([a, b], 1, OUT)", |a, b| Tensor::cat(&[a, b], 1)),
    ("ops.quantized.add(a, b, OUT)", |a, b| a + b),
    ("ops.quantized.add_relu(a, b, OUT)", |a, b| (a + b).relu()),
    ("ops.quantized.mul(a, b, OUT)", |a, b| a * b),
    ("ops.quantized.mul(a, torch.adaptive_avg_pool2d(b, [1, 1]), OUT)", |a, b| a * b.adaptive_avg_pool2d([1, 1])),
    ("torch.relu(a)", |a, _| a.relu()),
    ("torch.max_pool2d(a, [3, 3], [2, 2], [1, 1])", |a, _| pooled(a)),
    ("torch.upsample_bilinear2d(a, [14, 10], False)", |a, _| a.upsample_bilinear2d([14, 10], false, None, None)),
    ("torch.upsample_bilinear2d(a, [14, 10], True)", |a, _| a.upsample_bilinear2d([14, 10], true, None, None)),
    ("torch.upsample_nearest2d(a, [14, 10])", |a, _| a.upsample_nearest2d([14, 10], None, None)),
    ("torch.adaptive_avg_pool2d(a, [1, 1])", |a, _| a.adaptive_avg_pool2d([1, 1])),
    ("torch.avg_pool2d(a, [3, 3])", |a, _| a.avg_pool2d([3, 3], [3, 3], [0, 0], false, true, None)),
    ("torch.mean(a, [2, 3], True)", |a, _| a.mean_dim([2i64, 3].as_slice(), true, None)),
    ("torch.clamp(a, 0.0, 1.5)", |a, _| a.clamp(0.0, 1.5)),
    ("torch.sigmoid(a)", |a, _| a.sigmoid()),
    ("torch.flatten(a, 1)[:, 3:40]", |a, _| a.flatten(1, -1).narrow(1, 3, 37)),
];

#[test]
fn operators_without_weights_are_within_one_step_of_floats() {
    with_each_engine(|engine, _| {
        let (a, a_affine) = activations(&[3, 6, 7, 5]);
        let (b, b_affine) = activations(&[3, 6, 7, 5]);
        for (call, function) in OPERATORS {
            let exact = function(&a_affine.fake(&a), &b_affine.fake(&b));
            let output = match call {
                "torch.sigmoid(a)" => Affine { scale: 1.0 / 256.0, zero_point: 0 },
                _ if call.contains("OUT") => Affine::of(&exact),
                _ => a_affine,
            };
            let call = call.replace("OUT", &output.arguments());
            let mut module = Module::new("Net").unwrap();
            module.define(&source(&[("a", a_affine), ("b", b_affine)], &call)).unwrap();
            let found = &module.run(&[a.shallow_clone(), b.shallow_clone()]).unwrap()[0];
            // The mean of `b` is rounded once more, to a half of its step.
            let allowed =
                if call.contains("mul(a, torch") { 1.001 + 2.0 * b_affine.scale / output.scale } else { 1.001 };
            let steps = output.steps(found, &output.fake(&exact));
            assert!(steps <= allowed, "{engine}, {call}: {steps} steps");
        }
    });
}

#[test]
fn unknown_namespaces_and_operators_are_errors_of_one_line() {
    for (call, words) in [
        ("ops.aten.relu(x)", "unknown namespace 'ops.aten', only 'ops.quantized' is known"),
        ("ops.quantized.conv9d(x)", "quantized::conv9d"),
        ("ops(x)", "namespace of operators"),
        ("ops.quantized.mul(x)", "ops.quantized.mul(x)"),
        ("other.relu(x)", "undefined value other"),
    ] {
        let mut module = Module::new("Net").unwrap();
        let error = module.define(&format!("def forward(self, x):\n    return {call}\n")).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{call}: {error}");
    }
}

#[test]
fn operators_that_cannot_take_quantised_tensors_are_errors_of_one_line() {
    let affine = Affine { scale: 0.1, zero_point: 3 };
    for call in ["torch.softmax(x, 1)", "torch.argmax(x, 1)"] {
        let mut module = Module::new("Net").unwrap();
        module.define(&source(&[("x", affine)], call)).unwrap();
        let error = module.run(&[Tensor::rand([2, 3], FLOATS)]).unwrap_err().to_string();
        assert!(error.contains("QuantizedCPU") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_method_can_return_a_quantised_tensor() {
    let mut module = Module::new("Net").unwrap();
    module.define("def forward(self, x):\n    return torch.quantize_per_tensor(x, 0.5, 10, 13)\n").unwrap();
    let output = &module.run(&[Tensor::from_slice(&[-5f32, 0.0, 1.0])]).unwrap()[0];
    assert_eq!(output.kind(), Kind::QUInt8);
    assert_eq!(Vec::<u8>::try_from(output.int_repr()).unwrap(), [0, 10, 12]);
}
