//! Latency of MobileOne-S0's layers in int8, under each engine, beside the same network in float; one thread, one image.
//!
//! `OMP_NUM_THREADS=1 cargo run --release -p tch-ext --example int8_latency`

use std::{num::NonZeroUsize, slice, time::Instant};

use tch::{Device, Kind, Tensor};
use tch_ext::{
    Error,
    jit::{Module, set_onednn_fusion},
    quantized::{Convolution, set_engine, supported_engines},
    system::set_intra_op_threads,
};

const RUNS: usize = 50;
const WARM_UP: usize = 5;
const FLOATS: (Kind, Device) = (Kind::Float, Device::Cpu);

fn main() -> Result<(), Error> {
    set_intra_op_threads(NonZeroUsize::MIN)?;
    let image = Tensor::rand([1, 3, 224, 224], FLOATS);
    let run = |module: &Module| module.run(slice::from_ref(&image));

    let mut networks = Vec::new();
    for fused in [true, false] {
        let name = if fused { "float, fused by oneDNN" } else { "float" };
        let module = float_network()?.freeze(&[])?;
        set_onednn_fusion(fused)?;
        for _ in 0..WARM_UP {
            run(&module)?;
        }
        networks.push((name, module, Vec::new()));
    }
    for engine in supported_engines() {
        set_engine(engine)?;
        let module = int8_network()?;
        for _ in 0..WARM_UP {
            run(&module)?;
        }
        networks.push((engine.name(), module, Vec::new()));
    }
    for _ in 0..RUNS {
        for (_, module, times) in &mut networks {
            let start = Instant::now();
            run(module)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    for (name, _, times) in &mut networks {
        times.sort_by(f64::total_cmp);
        println!("{name:24} median {:6.2} ms, fastest {:6.2} ms", times[RUNS / 2], times[0]);
    }
    Ok(())
}

/// Output channels, input channels, kernel size, stride and groups, in order.
fn layers() -> Vec<[i64; 5]> {
    let mut layers = vec![[48, 3, 3, 2, 1]];
    let mut inputs = 48;
    for (blocks, width) in [(2, 48), (8, 128), (10, 256), (1, 1024)] {
        for block in 0..blocks {
            layers.push([inputs, inputs, 3, if block == 0 { 2 } else { 1 }, inputs]);
            layers.push([width, inputs, 1, 1, 1]);
            inputs = width;
        }
    }
    layers
}

fn float_network() -> Result<Module, Error> {
    let mut module = Module::new("Float")?;
    let mut source = "def forward(self, x):\n".to_owned();
    for (index, [outputs, inputs, kernel, stride, groups]) in layers().into_iter().enumerate() {
        let weight = Tensor::randn([outputs, inputs / groups, kernel, kernel], FLOATS) * 0.1;
        module.register_parameter(&format!("weight{index}"), &weight)?;
        module.register_parameter(&format!("bias{index}"), &Tensor::randn([outputs], FLOATS))?;
        let padding = kernel / 2;
        source += &format!(
            "    x = torch.relu(torch.conv2d(x, self.weight{index}, self.bias{index}, [{stride}, {stride}], \
             [{padding}, {padding}], [1, 1], {groups}))\n"
        );
    }
    module.define(&(source + "    return x\n"))?;
    Ok(module)
}

fn int8_network() -> Result<Module, Error> {
    let mut module = Module::new("Int8")?;
    let mut source = "def forward(self, x):\n    x = torch.quantize_per_tensor(x, 0.004, 0, 13)\n".to_owned();
    for (index, [outputs, inputs, kernel, stride, groups]) in layers().into_iter().enumerate() {
        let layer = Convolution {
            weight: Tensor::randint_low(-64, 65, [outputs, inputs / groups, kernel, kernel], (Kind::Int8, Device::Cpu)),
            scales: vec![0.002; outputs as usize],
            bias: Some(Tensor::randn([outputs], FLOATS)),
            strides: [stride; 2],
            padding: [kernel / 2; 2],
            dilations: [1, 1],
            groups,
        };
        module.register_quantized_convolution(&format!("layer{index}"), &layer)?;
        source += &format!("    x = ops.quantized.conv2d_relu(x, self.layer{index}, 0.02, 0)\n");
    }
    module.define(&(source + "    return torch.dequantize(x)\n"))?;
    Ok(module)
}
