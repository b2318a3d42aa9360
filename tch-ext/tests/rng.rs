//! The random state of the default generators.

use std::sync::{Mutex, PoisonError};

use tch::{Cuda, Device, Kind, Tensor};
use tch_ext::{Error, rng};

/// Seeding changes the generators of all devices, so tests that draw run one after another.
static GENERATORS: Mutex<()> = Mutex::new(());

fn the_same_numbers_follow_a_restored_state(device: Device) {
    let _turn = GENERATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let draw = || {
        let uniform = Tensor::rand([5], (Kind::Float, device));
        let normal = Tensor::randn([3], (Kind::Double, device));
        let order = Tensor::randperm(20, (Kind::Int64, device));
        [uniform, normal, order].map(|numbers| numbers.to_device(Device::Cpu))
    };
    tch::manual_seed(7);
    // After an odd number of normal numbers one is cached in the generator, as part of its state.
    let _ = Tensor::randn([1], (Kind::Double, device));
    let state = rng::state(device).unwrap();
    let first = draw();
    assert_ne!(first, draw());

    rng::set_state(device, &state).unwrap();
    assert_eq!(first, draw());

    let bytes = Vec::<u8>::try_from(&state).unwrap();
    rng::set_state(device, &Tensor::from_slice(&bytes)).unwrap();
    assert_eq!(first, draw());

    let before = rng::state(device).unwrap();
    assert!(matches!(rng::set_state(device, &state.slice(0, 0, 7, 1)), Err(Error::Libtorch { .. })));
    assert!(matches!(rng::set_state(device, &Tensor::new()), Err(Error::Undefined { .. })));
    assert_eq!(rng::state(device).unwrap(), before);
}

#[test]
fn the_same_numbers_follow_a_restored_cpu_state() {
    the_same_numbers_follow_a_restored_state(Device::Cpu);
}

#[test]
fn cuda_has_its_own_state_or_is_reported_missing() {
    tch_ext::cuda::load().unwrap();
    if Cuda::is_available() {
        the_same_numbers_follow_a_restored_state(Device::Cuda(0));
    } else {
        let error = rng::state(Device::Cuda(0)).unwrap_err();
        assert!(matches!(error, Error::Libtorch { call: "read the random state", .. }), "{error}");
    }
}

#[test]
fn devices_without_a_generator_here_are_refused() {
    let error = rng::state(Device::Vulkan).unwrap_err();
    assert!(matches!(error, Error::Device { device: Device::Vulkan }), "{error}");
}
