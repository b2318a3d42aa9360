//! Mixed precision inside guards, and what was before after them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{Device, Kind, Tensor, no_grad};
use tch_ext::{Error, autocast::Autocast};

fn ones(shape: &[i64]) -> Tensor {
    Tensor::ones(shape, (Kind::Float, Device::Cpu))
}

/// The kind of a matrix product of full-precision tensors.
fn product_kind() -> Kind {
    ones(&[2, 3]).matmul(&ones(&[3, 2])).kind()
}

fn enter(kind: Kind) -> Autocast {
    Autocast::enter(Device::Cpu, kind).unwrap()
}

#[test]
fn convolutions_and_products_are_reduced_inside_and_full_after() {
    for kind in [Kind::BFloat16, Kind::Half] {
        let (image, weight) = (ones(&[1, 2, 5, 5]), ones(&[4, 2, 3, 3]));
        let convolution = || image.conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1);
        {
            let _guard = enter(kind);
            assert_eq!(convolution().kind(), kind);
            assert_eq!(product_kind(), kind);
            assert_eq!(convolution().double_value(&[0, 0, 2, 2]), 18.0);
        }
        assert_eq!(convolution().kind(), Kind::Float);
        assert_eq!(product_kind(), Kind::Float);
    }
}

#[test]
fn gradients_of_full_precision_weights_are_full() {
    let weight = ones(&[3, 2]).set_requires_grad(true);
    let loss = {
        let _guard = enter(Kind::BFloat16);
        ones(&[4, 3]).matmul(&weight).sum(Kind::Float)
    };
    loss.backward();
    assert_eq!(weight.grad(), ones(&[3, 2]) * 4.0);
}

#[test]
fn guards_nest_and_each_restores_what_was_before_it() {
    let outer = enter(Kind::BFloat16);
    {
        let _inner = enter(Kind::Half);
        assert_eq!(product_kind(), Kind::Half);
    }
    assert_eq!(product_kind(), Kind::BFloat16);
    drop(outer);
    assert_eq!(product_kind(), Kind::Float);
}

#[test]
fn a_guard_dropped_by_a_panic_restores_too() {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _guard = enter(Kind::BFloat16);
        assert_eq!(product_kind(), Kind::BFloat16);
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert_eq!(product_kind(), Kind::Float);
}

#[test]
fn a_guard_belongs_to_its_thread() {
    let _guard = enter(Kind::BFloat16);
    assert_eq!(std::thread::spawn(product_kind).join().unwrap(), Kind::Float);
}

#[test]
fn a_guard_for_cuda_does_not_change_the_cpu() {
    let _guard = Autocast::enter(Device::Cuda(0), Kind::Half).unwrap();
    assert_eq!(product_kind(), Kind::Float);
}

#[test]
fn reduced_weights_live_until_the_outermost_guard_leaves() {
    let mut weight = ones(&[1, 1]).set_requires_grad(true);
    let product = |weight: &Tensor| ones(&[1, 1]).matmul(weight).double_value(&[0, 0]);
    {
        let _outer = enter(Kind::BFloat16);
        {
            let _inner = enter(Kind::BFloat16);
            assert_eq!(product(&weight), 1.0);
        }
        no_grad(|| {
            let _ = weight.fill_(2.0);
        });
        assert_eq!(product(&weight), 1.0, "the inner guard does not empty the cache");
    }
    let _guard = enter(Kind::BFloat16);
    assert_eq!(product(&weight), 2.0);
}

#[test]
fn other_kinds_and_devices_are_refused() {
    let error = Autocast::enter(Device::Cpu, Kind::Double).unwrap_err();
    assert!(matches!(error, Error::Precision { kind: Kind::Double }), "{error}");
    let error = Autocast::enter(Device::Mps, Kind::Half).unwrap_err();
    assert!(matches!(error, Error::Device { device: Device::Mps }), "{error}");
}
