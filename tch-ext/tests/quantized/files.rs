//! Files with quantised layers, read under any engine.

use std::slice;

use tch::{Device, Kind, Tensor};
use tch_ext::{
    jit::{ExtraFiles, LiteModule, Module},
    quantized::{engine, set_engine, supported_engines},
};

use crate::fake::{Affine, FLOATS, activations, convolution, engine_lock, linear};

/// A small network with each kind of layer, safe weights, and its input `[N, 3, H, W]`.
pub fn network() -> (Module, Tensor) {
    tch::manual_seed(11);
    let (image, affine) = activations(&[2, 3, 17, 13]);
    let mut module = Module::new("Net").unwrap();
    for (name, layer) in [
        ("stem", convolution([128, 3, 3, 3], [2, 2], [1, 1], 1, 64)),
        ("stage1.depthwise", convolution([128, 1, 3, 3], [1, 1], [1, 1], 128, 64)),
        ("stage1.pointwise", convolution([8, 128, 1, 1], [1, 1], [0, 0], 1, 64)),
    ] {
        module.register_quantized_convolution(name, &layer).unwrap();
    }
    module.register_quantized_linear("fc", &linear(8, 4, 64)).unwrap();
    let source = format!(
        "def forward(self, image) -> Tuple[Tensor, Tensor]:\n    \
             x = torch.quantize_per_tensor(image, {}, 13)\n    \
             x = ops.quantized.conv2d_relu(x, self.stem, 0.05, 0)\n    \
             x = ops.quantized.conv2d_relu(x, self.stage1.depthwise, 0.1, 0)\n    \
             x = ops.quantized.conv2d(x, self.stage1.pointwise, {}, 100)\n    \
             y = torch.flatten(torch.adaptive_avg_pool2d(x, [1, 1]), 1)\n    \
             return torch.dequantize(x), torch.dequantize(ops.quantized.linear(y, self.fc, {}, 128))\n",
        affine.arguments(),
        OUTPUTS[0].scale,
        OUTPUTS[1].scale,
    );
    module.define(&source).unwrap();
    (module, image)
}

/// Of the network's outputs.
pub const OUTPUTS: [Affine; 2] = [Affine { scale: 0.5, zero_point: 100 }, Affine { scale: 0.25, zero_point: 128 }];

#[track_caller]
fn assert_near(found: &[Tensor], expected: &[Tensor], case: &str) {
    for ((found, expected), affine) in found.iter().zip(expected).zip(OUTPUTS) {
        // Engines may round each of four layers differently.
        let steps = affine.steps(found, expected);
        assert!(steps <= 2.001, "{case}: {steps} steps");
    }
}

#[test]
fn a_file_gives_the_same_outputs_under_every_engine() {
    let _lock = engine_lock();
    let folder = tempfile::tempdir().unwrap();
    let [full, lite] = ["net.pt", "net.ptl"].map(|name| folder.path().join(name));
    let initial = engine().unwrap();
    for writer in supported_engines() {
        set_engine(writer).unwrap();
        let (module, image) = network();
        let expected = module.run(slice::from_ref(&image)).unwrap();
        assert!(expected.iter().all(|output| output.std(true).double_value(&[]) > 1.0));
        // After a run, too, the original weights can be saved.
        module.save(&full, &ExtraFiles::new()).unwrap();
        module.save_for_mobile(&lite, &ExtraFiles::new()).unwrap();
        for reader in supported_engines() {
            set_engine(reader).unwrap();
            let outputs = Module::load(&full, Device::Cpu).unwrap().run(slice::from_ref(&image)).unwrap();
            assert_near(&outputs, &expected, &format!("{writer} to {reader}"));
            let loaded = LiteModule::load(&lite).unwrap();
            assert!(loaded.operators().unwrap().contains(&"quantized::conv2d_relu.new".to_owned()));
            let same = loaded.run(slice::from_ref(&image)).unwrap();
            assert_eq!(same, outputs, "{writer} to {reader}, lite");
        }
    }
    set_engine(initial).unwrap();
}

#[test]
fn frozen_and_mobile_forms_give_the_same_outputs_and_can_be_saved() {
    let _lock = engine_lock();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt");
    let initial = engine().unwrap();
    for engine in supported_engines() {
        set_engine(engine).unwrap();
        let (module, image) = network();
        let expected = module.run(slice::from_ref(&image)).unwrap();
        for other in [module.freeze(&[]).unwrap(), module.optimize_for_mobile(&[]).unwrap()] {
            assert_eq!(other.run(slice::from_ref(&image)).unwrap(), expected, "{engine}");
            other.save(&path, &ExtraFiles::new()).unwrap();
            let loaded = Module::load(&path, Device::Cpu).unwrap();
            assert_eq!(loaded.run(slice::from_ref(&image)).unwrap(), expected, "{engine}");
            other.save_for_mobile(&path, &ExtraFiles::new()).unwrap();
            assert_eq!(LiteModule::load(&path).unwrap().run(slice::from_ref(&image)).unwrap(), expected, "{engine}");
        }
    }
    set_engine(initial).unwrap();
}

#[test]
fn wrong_inputs_are_errors_of_one_line() {
    let _lock = engine_lock();
    let initial = engine().unwrap();
    for engine in supported_engines() {
        set_engine(engine).unwrap();
        let (module, image) = network();
        for wrong in [Tensor::rand([1, 4, 9, 9], FLOATS), Tensor::rand([3, 9, 9], FLOATS), image.to_kind(Kind::Int64)] {
            let error = module.run(slice::from_ref(&wrong)).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{engine}: {error}");
        }
        module.run(slice::from_ref(&image)).unwrap();
    }
    set_engine(initial).unwrap();
}
