//! Modules compiled with the fuser or in bfloat16 give the same results. One test, because the
//! switches are the program's.

mod difference;
mod jit_net;

use std::slice;

use difference::difference;
use jit_net::{Net, image};
use tch::{Device, Kind, Tensor};
use tch_ext::{
    autocast::Autocast,
    jit::{Module, last_executed_graph, set_onednn_fusion},
};

const GROUP: &str = "prim::oneDNNFusionGroup";

/// Runs often enough to compile, and returns the last outputs with the graph that gave them.
#[track_caller]
fn compiled(module: &Module, input: &Tensor) -> (Vec<Tensor>, String) {
    let mut outputs = Vec::new();
    for _ in 0..4 {
        outputs = module.run(slice::from_ref(input)).unwrap();
    }
    (outputs, last_executed_graph().unwrap().unwrap())
}

fn floats(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(|tensor| tensor.to_kind(Kind::Float)).collect()
}

#[test]
fn fused_and_reduced_modules_agree_with_eager() {
    assert_eq!(last_executed_graph().unwrap(), None);
    let net = Net::new();
    let input = image(2, 32);
    let expected = net.forward(&input);
    let frozen = || net.trace(&image(1, 32)).freeze(&[]).unwrap();

    let (plain, graph) = compiled(&frozen(), &input);
    assert!(!graph.contains(GROUP), "{graph}");
    assert!(difference(&plain, &expected) <= 1e-5);

    for _ in 0..2 {
        assert!(!set_onednn_fusion(true).unwrap());
        let module = frozen();
        let (fused, graph) = compiled(&module, &input);
        assert!(graph.contains(GROUP), "{graph}");
        assert!(difference(&fused, &expected) <= 1e-5);
        for (batch, size) in [(1, 32), (5, 32), (3, 16), (2, 32)] {
            let input = image(batch, size);
            let (outputs, _) = compiled(&module, &input);
            assert!(difference(&outputs, &net.forward(&input)) <= 1e-5, "batch {batch}, size {size}");
        }
        assert!(set_onednn_fusion(false).unwrap());
        let (_, graph) = compiled(&frozen(), &input);
        assert!(!graph.contains(GROUP), "{graph}");
    }

    set_onednn_fusion(true).unwrap();
    let module = frozen();
    {
        let _guard = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        let (outputs, graph) = compiled(&module, &input);
        assert!(graph.contains(GROUP) && graph.contains("aten::_autocast_to_reduced_precision"), "{graph}");
        assert!((1e-6..2e-2).contains(&difference(&floats(&outputs), &expected)));
    }
    let traced = {
        let _guard = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        net.trace(&image(1, 32))
    };
    let (outputs, graph) = compiled(&traced.freeze(&[]).unwrap(), &input);
    assert!(graph.contains(GROUP) && !graph.contains("_autocast_to"), "{graph}");
    assert!((1e-6..2e-2).contains(&difference(&floats(&outputs), &expected)));
    set_onednn_fusion(false).unwrap();
}
