//! Synchronised batch norm against batch norm over the whole batch in one process.

use tch::{Device, Kind, Tensor};
use tch_ext::distributed::{
    BatchNormInput, BatchNormOptions, Group, Reduction, RunningStatistics, World, sync_batch_norms,
};
use tch_ext::train::{Affine, Sum, SumOptions, dense_sum, depthwise_sum};

use crate::job::in_processes;

const OPTIONS: BatchNormOptions = BatchNormOptions { eps: 1e-3, momentum: 0.3 };
const CHANNELS: i64 = 5;

/// A batch with what its normalisation needs and yields.
struct Case {
    x: Tensor,
    dy: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
}

/// Values between -1 and 1, the same in every process.
fn spread(seed: f64, size: &[i64]) -> Tensor {
    let steps = Tensor::arange(size.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    ((steps + seed) * 12.9898).sin().view(size)
}

impl Case {
    fn new(count: i64, kind: Kind, channels_last: bool) -> Self {
        let size = [count, CHANNELS, 3, 2];
        let scale = spread(7.0, &[1, CHANNELS, 1, 1]) + 2.0;
        let x = spread(1.0, &size) * &scale + &scale * 3.0;
        let arrange = |images: Tensor| if channels_last { tch_ext::channels_last(&images) } else { images };
        let leaf = |tensor: Tensor| tensor.to_kind(kind).copy().set_requires_grad(true);
        Self {
            x: arrange(x.to_kind(kind)),
            dy: arrange(spread(2.0, &size).to_kind(kind)),
            weight: leaf(spread(3.0, &[CHANNELS]) + 1.5),
            bias: leaf(spread(4.0, &[CHANNELS])),
            mean: spread(5.0, &[CHANNELS]).to_kind(kind),
            var: (spread(6.0, &[CHANNELS]) + 2.0).to_kind(kind),
        }
    }

    /// The part of one process.
    fn part(&self, start: i64, count: i64) -> (Tensor, Tensor) {
        (self.x.narrow(0, start, count).detach().set_requires_grad(true), self.dy.narrow(0, start, count))
    }
}

fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size(), "{what}");
    if found.numel() > 0 {
        let expected = expected.to_kind(Kind::Double);
        let scale = expected.abs().max().double_value(&[]).max(1.0);
        let difference = (found.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) / scale;
        assert!(difference < tolerance, "{what} differs by {difference:e}");
        println!("{what}: {difference:e}");
    }
}

fn summed(group: &Group, tensor: &Tensor) -> Tensor {
    let sum = tensor.detach().copy();
    group.all_reduce(&sum, Reduction::Sum).unwrap();
    sum
}

/// `counts`: the images of each process.
fn equals_the_whole_batch(world: &World, counts: &[i64], kind: Kind, channels_last: bool, tolerance: f64) {
    let (start, count) = (counts[..world.rank()].iter().sum::<i64>(), counts[world.rank()]);
    let total = counts.iter().sum();
    let whole = Case::new(total, kind, channels_last);
    let x = whole.x.detach().set_requires_grad(true);
    let running = (Some(&whole.mean), Some(&whole.var));
    let BatchNormOptions { eps, momentum } = OPTIONS;
    let y = x.batch_norm(Some(&whole.weight), Some(&whole.bias), running.0, running.1, true, momentum, eps, false);
    y.backward_with(&whole.dy);

    let case = Case::new(total, kind, channels_last);
    let (part, dy) = case.part(start, count);
    let running = RunningStatistics { mean: &case.mean, var: &case.var };
    // Beside another input, of half the channels, whose own gradient is another.
    let half = part.narrow(1, 0, 2);
    let [weight, bias] = [1.0, 0.0].map(|value| Tensor::full([2], value, (kind, Device::Cpu)));
    let other = BatchNormInput { x: &half.detach(), weight: &weight, bias: &bias, running: None };
    let own = BatchNormInput { x: &part, weight: &case.weight, bias: &case.bias, running: Some(running) };
    let normalised = sync_batch_norms(&[other, own], OPTIONS, world.group()).unwrap();
    assert_eq!(normalised[0].size(), half.size());
    let normalised = normalised[1].shallow_clone();
    normalised.backward_with(&dy);

    let name = |what: &str| format!("{what} of {counts:?} as {kind:?}, channels last {channels_last}");
    assert_close(&name("output"), &normalised, &y.narrow(0, start, count), tolerance);
    assert_close(&name("input's gradient"), &part.grad(), &x.grad().narrow(0, start, count), tolerance);
    assert_close(
        &name("scale's gradient"),
        &summed(world.group(), &case.weight.grad()),
        &whole.weight.grad(),
        tolerance,
    );
    assert_close(&name("shift's gradient"), &summed(world.group(), &case.bias.grad()), &whole.bias.grad(), tolerance);
    assert_close(&name("running mean"), &case.mean, &whole.mean, tolerance);
    assert_close(&name("running variance"), &case.var, &whole.var, tolerance);
}

trait BackwardWith {
    fn backward_with(&self, gradient: &Tensor);
}

impl BackwardWith for Tensor {
    fn backward_with(&self, gradient: &Tensor) {
        (self * gradient).sum(self.kind()).backward();
    }
}

/// The sums of several branches, of which each has statistics of the whole batch.
fn branches_equal_the_whole_batch(world: &World, counts: &[i64]) {
    let (start, count) = (counts[..world.rank()].iter().sum::<i64>(), counts[world.rank()]);
    let total: i64 = counts.iter().sum();
    let case = Case::new(total, Kind::Double, true);
    let leaf = |tensor: Tensor| tensor.set_requires_grad(true);
    for depthwise in [false, true] {
        let weights: &[i64] = if depthwise { &[2, CHANNELS, 3, 3] } else { &[2, CHANNELS, CHANNELS] };
        let step = |x: &Tensor, dy: &Tensor, group: Option<&Group>| {
            let weights = leaf(spread(8.0, weights));
            let affine =
                Affine { gains: leaf(spread(9.0, &[2, CHANNELS]) + 1.5), shifts: leaf(spread(10.0, &[2, CHANNELS])) };
            let count = (total * x.size()[2] * x.size()[3]) as f64;
            let options = SumOptions { eps: OPTIONS.eps, relu: true, group, count };
            let sum = if depthwise {
                depthwise_sum(x, &weights, &affine, 1, 1, options)
            } else {
                dense_sum(x, &weights, &affine, Some([&case.weight, &case.bias]), options)
            };
            let Sum { output, means, variances } = sum.unwrap();
            output.backward_with(dy);
            (output, x.grad(), [means, variances], [weights.grad(), affine.gains.grad(), affine.shifts.grad()])
        };
        let whole = step(&leaf(case.x.detach()), &case.dy, None);
        let (part, dy) = case.part(start, count);
        let found = step(&part, &dy, Some(world.group()));
        let name = |what: &str| format!("{what} of {counts:?}, depthwise {depthwise}");
        assert_close(&name("output"), &found.0, &whole.0.narrow(0, start, count), 1e-10);
        assert_close(&name("input's gradient"), &found.1, &whole.1.narrow(0, start, count), 1e-10);
        for (found, expected) in found.2.iter().zip(&whole.2) {
            assert_close(&name("statistics"), found, expected, 1e-10);
        }
        for (found, expected) in found.3.iter().zip(&whole.3) {
            assert_close(&name("gradients of parameters"), &summed(world.group(), found), expected, 1e-10);
        }
    }
}

fn equals_for_all_kinds(world: &World, batches: &[&[i64]]) {
    for counts in batches {
        for channels_last in [false, true] {
            equals_the_whole_batch(world, counts, Kind::Double, channels_last, 1e-10);
            equals_the_whole_batch(world, counts, Kind::Float, channels_last, 1e-5);
        }
        branches_equal_the_whole_batch(world, counts);
    }
}

fn a_single_value_per_channel_is_refused(world: &World) {
    let case = Case::new(1, Kind::Float, false);
    let own = i64::from(world.rank() == 0);
    let x = case.x.narrow(0, 0, own).narrow(2, 0, 1).narrow(3, 0, 1);
    let input = BatchNormInput { x: &x, weight: &case.weight, bias: &case.bias, running: None };
    let error = sync_batch_norms(&[input], OPTIONS, world.group()).unwrap_err();
    assert!(error.to_string().contains("more than one value per channel"), "{error}");
}

/// As under autocast: the input in bfloat16, the parameters in float32.
fn mixed_precision_is_close(world: &World) {
    let case = Case::new(2 * world.size() as i64, Kind::Float, false);
    let (part, dy) = case.part(2 * world.rank() as i64, 2);
    let run = |kind: Kind| {
        let leaf = part.detach().to_kind(Kind::BFloat16).to_kind(kind).set_requires_grad(true);
        let input = BatchNormInput { x: &leaf, weight: &case.weight, bias: &case.bias, running: None };
        let y = sync_batch_norms(&[input], OPTIONS, world.group()).unwrap().remove(0);
        assert_eq!(y.kind(), kind);
        y.backward_with(&dy.to_kind(Kind::BFloat16).to_kind(kind));
        (y, leaf.grad())
    };
    let (exact, rounded) = (run(Kind::Float), run(Kind::BFloat16));
    assert_close("output in bfloat16", &rounded.0, &exact.0, 1e-2);
    assert_close("gradient in bfloat16", &rounded.1, &exact.1, 1e-2);
}

#[test]
fn synchronised_batch_norm_of_two_processes_equals_the_whole_batch() {
    in_processes(synchronised_batch_norm_of_two_processes_equals_the_whole_batch, 2, |world| {
        equals_for_all_kinds(world, &[&[4, 4], &[3, 5], &[4, 0]]);
        a_single_value_per_channel_is_refused(world);
        mixed_precision_is_close(world);
    });
}

#[test]
fn synchronised_batch_norm_of_three_processes_equals_the_whole_batch() {
    in_processes(synchronised_batch_norm_of_three_processes_equals_the_whole_batch, 3, |world| {
        equals_for_all_kinds(world, &[&[3, 8, 0], &[0, 1, 0]]);
    });
}

#[test]
fn synchronised_batch_norm_of_one_process_is_batch_norm() {
    let world = World::alone().unwrap();
    equals_for_all_kinds(&world, &[&[4]]);
}
