//! The states of libtorch's generators, which dropout draws from: every process of a job has its own.

use backbone::StateDict;
use tch::Device;
use tch_ext::rng;

use crate::failure::Failure;

/// The generators that training on `device` draws from.
fn devices(device: Device) -> Vec<(&'static str, Device)> {
    let cpu = ("cpu", Device::Cpu);
    if device == Device::Cpu { vec![cpu] } else { vec![cpu, ("device", device)] }
}

/// `cpu` for rank 0, `cpu.1` for rank 1.
fn name(generator: &str, rank: usize) -> String {
    if rank == 0 { generator.to_owned() } else { format!("{generator}.{rank}") }
}

/// The states of process `rank`.
///
/// # Errors
/// When libtorch fails.
pub fn generator_states(device: Device, rank: usize) -> Result<StateDict, Failure> {
    let states = devices(device).into_iter().map(|(known, device)| Ok((name(known, rank), rng::state(device)?)));
    states.collect()
}

/// Restores the states of process `rank`; false where they are not there.
///
/// # Errors
/// When libtorch fails.
pub fn restore_generators(device: Device, rank: usize, states: &StateDict) -> Result<bool, Failure> {
    let mut complete = true;
    for (known, device) in devices(device) {
        match states.get(&name(known, rank)) {
            Some(state) => rng::set_state(device, state)?,
            None => complete = false,
        }
    }
    Ok(complete)
}
