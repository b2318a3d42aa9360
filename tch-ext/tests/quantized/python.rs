//! PyTorch reads the files.

use std::{path::Path, process::Command, slice};

use tch::Tensor;
use tch_ext::{
    jit::ExtraFiles,
    quantized::{engine, set_engine, supported_engines},
};

use crate::{fake::engine_lock, files::network};

const SCRIPT: &str = "\
import sys, torch
folder, engine = sys.argv[1:]
torch.backends.quantized.engine = engine
outputs = torch.jit.load(f'{folder}/net.pt')(torch.jit.load(f'{folder}/image.pt').image)
for name, tensor in zip(['first', 'second'], outputs):
    tensor.numpy().tofile(f'{folder}/{name}')
";

#[test]
#[ignore = "needs the reference environment: tools/python"]
fn torch_jit_load_gives_the_same_outputs() {
    let _lock = engine_lock();
    let folder = tempfile::tempdir().unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    let initial = engine().unwrap();
    for engine in supported_engines() {
        set_engine(engine).unwrap();
        let (module, image) = network();
        module.save(&folder.path().join("net.pt"), &ExtraFiles::new()).unwrap();
        let mut holder = tch_ext::jit::Module::new("Image").unwrap();
        holder.register_buffer("image", &image).unwrap();
        holder.save(&folder.path().join("image.pt"), &ExtraFiles::new()).unwrap();
        let mut command = Command::new(&python);
        command.arg("-c").arg(SCRIPT).arg(folder.path()).arg(engine.name()).env_remove("LD_LIBRARY_PATH");
        let output = command.output().expect("tools/python has made .venv");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let outputs = module.run(slice::from_ref(&image)).unwrap();
        for (name, expected) in ["first", "second"].iter().zip(outputs) {
            let bytes = std::fs::read(folder.path().join(name)).unwrap();
            let values: Vec<f32> =
                bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
            assert_eq!(Tensor::from_slice(&values), expected.flatten(0, -1), "{engine}, {name}");
        }
    }
    set_engine(initial).unwrap();
}
