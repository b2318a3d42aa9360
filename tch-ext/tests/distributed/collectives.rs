//! Collectives among two and three processes, and in a world of one.

use tch::{Device, Kind, Tensor};
use tch_ext::{
    Error,
    distributed::{Reduction, World},
};

use crate::job::in_processes;

fn numbers(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

fn reductions_agree(world: &World) {
    let group = world.group();
    let (rank, size) = (world.rank() as f64, world.size() as f64);
    let sum = size * (size - 1.0) / 2.0;
    let expected = [
        (Reduction::Sum, [sum, size]),
        (Reduction::Mean, [sum / size, 1.0]),
        (Reduction::Min, [0.0, 1.0]),
        (Reduction::Max, [size - 1.0, 1.0]),
    ];
    for (reduction, expected) in expected {
        let tensor = numbers(&[rank, 1.0]);
        group.all_reduce(&tensor, reduction).unwrap();
        assert_eq!(tensor, numbers(&expected), "{reduction:?}");
    }
    let counts = Tensor::from_slice(&[1i64, world.rank() as i64]);
    group.all_reduce(&counts, Reduction::Sum).unwrap();
    assert_eq!(counts, Tensor::from_slice(&[size as i64, sum as i64]));
    let transposed = (Tensor::arange(6, (Kind::Float, tch::Device::Cpu)) + rank).view([2, 3]).transpose(0, 1);
    let want = Tensor::arange(6, (Kind::Float, tch::Device::Cpu)).view([2, 3]).transpose(0, 1) * size + sum;
    group.all_reduce(&transposed, Reduction::Sum).unwrap();
    assert_eq!(transposed, want);
}

fn tensors_and_bytes_are_gathered_by_rank(world: &World) {
    let group = world.group();
    let (rank, size) = (world.rank(), world.size());
    let all = group.all_gather(&numbers(&[rank as f64, -1.0])).unwrap();
    assert_eq!(all.size(), [size as i64, 2]);
    for other in 0..size {
        assert_eq!(all.get(other as i64), numbers(&[other as f64, -1.0]));
    }
    // Rank 0 sends nothing, and in the second round nobody does.
    let own: Vec<u8> = (0..rank * 1000).map(|i| (i % 251) as u8).collect();
    let gathered = group.all_gather_bytes(&own).unwrap();
    assert_eq!(
        gathered.iter().map(Vec::len).collect::<Vec<_>>(),
        (0..size).map(|rank| rank * 1000).collect::<Vec<_>>()
    );
    assert_eq!(gathered[rank], own);
    assert_eq!(group.all_gather_bytes(&[]).unwrap(), vec![Vec::<u8>::new(); size]);
}

fn the_root_is_copied_to_all(world: &World) {
    let group = world.group();
    let (rank, root) = (world.rank() as f64, world.size() - 1);
    let mut tensors = vec![numbers(&[rank; 3]), Tensor::from(world.rank() as i64)];
    let image = Tensor::full([1, 2, 3, 3], rank, (Kind::Float, tch::Device::Cpu));
    tensors.push(tch_ext::channels_last(&image).set_requires_grad(true));
    group.broadcast(&tensors, root).unwrap();
    for tensor in &tensors {
        assert_eq!(tensor.to_kind(Kind::Double).min().double_value(&[]), root as f64);
        assert_eq!(tensor.to_kind(Kind::Double).max().double_value(&[]), root as f64);
    }
    assert_eq!(
        group.broadcast_bytes(format!("from {rank}").as_bytes(), root).unwrap(),
        format!("from {root}").as_bytes()
    );
    assert!(group.broadcast_bytes(if world.rank() == root { &[] } else { &[1] }, root).unwrap().is_empty());
}

fn differences_are_refused_by_all(world: &World) {
    let group = world.group();
    group.require_equal("the configuration", "a: 1\nb: 2").unwrap();
    if world.size() == 1 {
        return;
    }
    let text = format!("a: 1\nb: {}", if world.rank() == 1 { 3 } else { 2 });
    let error = group.require_equal("the configuration", &text).unwrap_err();
    assert!(matches!(error, Error::Differs { .. }));
    let expected = "the configuration differs between processes: rank 1 has `b: 3` where rank 0 has `b: 2`";
    assert_eq!(error.to_string(), expected);
}

fn all(world: &World) {
    reductions_agree(world);
    tensors_and_bytes_are_gathered_by_rank(world);
    the_root_is_copied_to_all(world);
    differences_are_refused_by_all(world);
    let second = world.new_group("second").unwrap();
    let tensor = numbers(&[1.0]);
    second.clone().all_reduce(&tensor, Reduction::Sum).unwrap();
    assert_eq!(tensor.double_value(&[0]), world.size() as f64);
    assert_eq!((world.local_rank(), world.local_size()), (world.rank(), world.size()));
    assert_eq!(world.hosts().len(), world.size());
}

#[test]
fn collectives_agree_between_two_processes() {
    in_processes(collectives_agree_between_two_processes, 2, all);
}

#[test]
fn collectives_agree_between_three_processes() {
    in_processes(collectives_agree_between_three_processes, 3, all);
}

#[test]
fn a_world_of_one_needs_no_launcher() {
    let world = World::alone().unwrap();
    all(&world);
    assert!(matches!(world.new_group("world"), Err(Error::Name { .. })));
    assert!(matches!(world.group().all_reduce(&Tensor::new(), Reduction::Sum), Err(Error::Undefined { .. })));
    world.leave(std::time::Duration::from_secs(5)).unwrap();
}

/// Without NCCL's library beside libtorch it is named; without a GPU the message is NCCL's own; with both, tensors are exchanged.
#[test]
fn tensors_on_a_device_are_exchanged_or_the_reason_is_given() {
    let world = World::alone().unwrap();
    if let Err(error) = world.use_cuda(0) {
        let error = error.to_string();
        println!("{error}");
        assert!(error.contains("tools/nccl builds it") || error.contains("no GPUs found"), "{error}");
        return;
    }
    for group in [world.group(), &world.new_group("second").unwrap()] {
        let tensor = numbers(&[1.0, 2.0]).to_device(Device::Cuda(0));
        group.all_reduce(&tensor, Reduction::Sum).unwrap();
        group.broadcast(&[tensor.shallow_clone()], 0).unwrap();
        let all = group.all_gather(&tensor).unwrap();
        assert_eq!(all.to_device(Device::Cpu), numbers(&[1.0, 2.0]).unsqueeze(0));
    }
}
