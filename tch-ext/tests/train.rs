//! Sums of normalised branches are those of the operations one by one, in output, statistics and every gradient.

use std::process::Command;

use tch::{Device, Kind, Tensor};
use tch_ext::{
    channels_last,
    train::{Affine, Sum, SumOptions, dense_sum, depthwise_sum, normalised_sum},
};

const EPS: f64 = 1e-5;

/// Numbers between -1 and 1, the same in every run.
fn spread(seed: f64, size: &[i64]) -> Tensor {
    let steps = Tensor::arange(size.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    ((steps + seed * 100.0) * 12.9898).sin().view(size)
}

fn images(size: &[i64]) -> Tensor {
    spread(1.0, size).relu() * 2.0 + 0.5
}

/// What a layer is made of; every tensor has a gradient.
type Parts = Vec<Tensor>;
type Layer = dyn Fn(&[Tensor]) -> Sum;

/// Output, statistics and gradients of a layer in `kind`, in fp64.
fn step(layer: &Layer, parts: &Parts, kind: Kind) -> Vec<Tensor> {
    let parts: Vec<Tensor> = parts.iter().map(|part| part.to_kind(kind).copy().set_requires_grad(true)).collect();
    let Sum { output, means, variances } = layer(&parts);
    let weights = spread(7.0, &output.size()).to_kind(kind);
    (&output * weights).sum(Kind::Double).backward();
    let all = [output, means, variances].into_iter().chain(parts.iter().map(Tensor::grad));
    all.map(|tensor| tensor.detach().to_kind(Kind::Double)).collect()
}

fn assert_same(name: &str, layer: &Layer, reference: &Layer, parts: &Parts) {
    let expected = step(reference, parts, Kind::Double);
    for (kind, tolerance) in [(Kind::Double, 1e-11), (Kind::Float, 1e-4)] {
        for (index, (found, expected)) in step(layer, parts, kind).iter().zip(&expected).enumerate() {
            let scale = expected.abs().max().double_value(&[]).max(1.0);
            let difference = (found - expected).abs().max().double_value(&[]) / scale;
            assert!(difference < tolerance, "{name} {kind:?}, number {index}: {difference:e}");
        }
    }
}

/// The sum of normalised tensors by libtorch's own operations.
fn plain_sum(branches: &[Tensor], gains: &Tensor, shifts: &Tensor) -> Sum {
    let normalised = branches.iter().enumerate().map(|(index, ys)| {
        let at = index as i64;
        ys.batch_norm(Some(gains.get(at)), Some(shifts.get(at)), None::<Tensor>, None::<Tensor>, true, 0.1, EPS, false)
    });
    let output = normalised.reduce(|sum, ys| sum + ys).unwrap().relu();
    let over = |statistic: fn(&Tensor) -> Tensor| Tensor::stack(&branches.iter().map(statistic).collect::<Vec<_>>(), 0);
    Sum {
        output,
        means: over(|ys| ys.mean_dim(&[0i64, 2, 3][..], false, None)),
        variances: over(|ys| ys.var_dim(&[0i64, 2, 3][..], false, false)),
    }
}

fn options(output: [i64; 3]) -> SumOptions<'static> {
    SumOptions { eps: EPS, relu: true, group: None, count: output.iter().product::<i64>() as f64 }
}

fn sides(input: &[i64], stride: i64) -> [i64; 3] {
    let side = |side: i64| (side + stride - 1) / stride;
    [input[0], side(input[2]), side(input[3])]
}

#[test]
fn depthwise_branches_are_one_convolution() {
    for (size, stride, dilation) in [
        ([3, 6, 11, 8], 1, 1),
        ([2, 20, 9, 12], 2, 1),
        ([2, 16, 8, 7], 2, 1),
        ([2, 5, 9, 9], 1, 2),
        ([2, 5, 6, 5], 1, 4),
        ([4, 35, 1, 1], 1, 1),
        ([4, 3, 2, 1], 2, 1),
        ([1, 33, 40, 23], 1, 1),
    ] {
        let channels = size[1];
        let branches = 3;
        let parts = vec![
            images(&size),
            spread(2.0, &[branches, channels, 3, 3]),
            spread(3.0, &[branches, channels]) + 1.5,
            spread(4.0, &[branches, channels]),
        ];
        let layer = move |parts: &[Tensor]| {
            let [xs, taps, gains, shifts] = parts else { unreachable!() };
            let affine = Affine { gains: gains.shallow_clone(), shifts: shifts.shallow_clone() };
            depthwise_sum(xs, taps, &affine, stride, dilation, options(sides(&size, stride))).unwrap()
        };
        let reference = move |parts: &[Tensor]| {
            let [xs, taps, gains, shifts] = parts else { unreachable!() };
            let convolve = |branch| {
                let weight = taps.get(branch).unsqueeze(1);
                xs.conv2d(&weight, None::<Tensor>, [stride; 2], [dilation; 2], [dilation; 2], channels)
            };
            plain_sum(&(0..branches).map(convolve).collect::<Vec<_>>(), gains, shifts)
        };
        assert_same(&format!("{size:?} stride {stride} dilation {dilation}"), &layer, &reference, &parts);
    }
}

#[test]
fn dense_branches_are_one_convolution() {
    for (outputs, skip) in [(10, false), (6, true)] {
        let size = [3, 6, 7, 5];
        let branches = 4;
        let rows = branches + i64::from(skip);
        let parts = vec![
            images(&size),
            spread(2.0, &[branches, outputs, 6]),
            spread(3.0, &[rows, outputs]) + 1.5,
            spread(4.0, &[rows, outputs]),
        ];
        let layer = move |parts: &[Tensor]| {
            let [xs, weights, gains, shifts] = parts else { unreachable!() };
            let first = |rows: &Tensor| rows.narrow(0, 0, branches);
            let affine = Affine { gains: first(gains), shifts: first(shifts) };
            let last = [gains, shifts].map(|rows| rows.get(rows.size()[0] - 1));
            let skip = skip.then_some([&last[0], &last[1]]);
            dense_sum(xs, weights, &affine, skip, options([3, 7, 5])).unwrap()
        };
        let reference = move |parts: &[Tensor]| {
            let [xs, weights, gains, shifts] = parts else { unreachable!() };
            let convolve = |branch| {
                let weight = weights.get(branch).unsqueeze(-1).unsqueeze(-1);
                xs.conv2d(&weight, None::<Tensor>, 1, 0, 1, 1)
            };
            let convolved = (0..branches).map(convolve).chain(skip.then(|| xs.shallow_clone()));
            plain_sum(&convolved.collect::<Vec<_>>(), gains, shifts)
        };
        assert_same(&format!("to {outputs} channels"), &layer, &reference, &parts);
    }
}

#[test]
fn tensors_are_normalised_and_added_as_one() {
    for (size, count) in [([3, 6, 11, 8], 1), ([2, 40, 33, 41], 3)] {
        let mut parts = vec![spread(3.0, &[count, size[1]]) + 1.5, spread(4.0, &[count, size[1]])];
        parts.extend((0..count).map(|index| spread(index as f64, &size) * 3.0 + 4.0));
        let layer = |parts: &[Tensor]| {
            let [gains, shifts, xs @ ..] = parts else { unreachable!() };
            let rows: Vec<_> = (0..xs.len() as i64).map(|row| (gains.get(row), shifts.get(row))).collect();
            let inputs: Vec<_> = xs.iter().zip(&rows).map(|(xs, (gain, shift))| (xs, gain, shift)).collect();
            normalised_sum(&inputs, EPS, true).unwrap()
        };
        let reference = |parts: &[Tensor]| plain_sum(&parts[2..], &parts[0], &parts[1]);
        assert_same(&format!("{count} of {size:?}"), &layer, &reference, &parts);
    }
}

#[test]
fn bfloat16_images_differ_by_their_rounding_only() {
    let size = [4, 24, 12, 12];
    let images = images(&size).to_kind(Kind::BFloat16);
    let taps = spread(2.0, &[2, 24, 3, 3]).to_kind(Kind::Float);
    let affine = Affine {
        gains: (spread(3.0, &[2, 24]) + 1.5).to_kind(Kind::Float),
        shifts: spread(4.0, &[2, 24]).to_kind(Kind::Float),
    };
    let run = |xs: &Tensor| depthwise_sum(xs, &taps, &affine, 1, 1, options([4, 12, 12])).unwrap();
    let (found, expected) = (run(&images), run(&images.to_kind(Kind::Float)));
    assert_eq!(found.output.kind(), Kind::BFloat16);
    assert!(found.means.equal(&expected.means) && found.variances.equal(&expected.variances));
    assert!(found.output.equal(&expected.output.to_kind(Kind::BFloat16)), "to the nearest, ties to even");

    let norm = |xs: &Tensor| normalised_sum(&[(xs, &affine.gains.get(0), &affine.shifts.get(0))], EPS, false).unwrap();
    let (found, expected) = (norm(&images), norm(&images.to_kind(Kind::Float)));
    assert!(found.output.equal(&expected.output.to_kind(Kind::BFloat16)));
}

#[test]
fn numbers_that_are_not_finite_pass() {
    let images = spread(1.0, &[2, 18, 6, 6]).to_kind(Kind::Float);
    let _ = images.get(0).get(3).get(2).get(2).fill_(f64::NAN);
    let affine = Affine {
        gains: Tensor::ones([1, 18], (Kind::Float, Device::Cpu)),
        shifts: Tensor::zeros([1, 18], (Kind::Float, Device::Cpu)),
    };
    let taps = Tensor::ones([1, 18, 3, 3], (Kind::Float, Device::Cpu));
    let depthwise = depthwise_sum(&images, &taps, &affine, 1, 1, options([2, 6, 6])).unwrap().output;
    let norm = normalised_sum(&[(&images, &affine.gains.get(0), &affine.shifts.get(0))], EPS, true).unwrap().output;
    for output in [depthwise, norm] {
        let lost = output.isnan().sum_dim_intlist(&[0i64, 2, 3][..], false, Kind::Int64);
        assert!(lost.get(3).int64_value(&[]) == 72 && lost.sum(Kind::Int64).int64_value(&[]) == 72, "{lost}");
    }
}

#[test]
fn results_do_not_depend_on_memory_format_or_threads() {
    let images = images(&[7, 40, 17, 19]).to_kind(Kind::Float);
    let taps = spread(2.0, &[2, 40, 3, 3]).to_kind(Kind::Float).set_requires_grad(true);
    let affine = Affine {
        gains: Tensor::ones([2, 40], (Kind::Float, Device::Cpu)),
        shifts: Tensor::zeros([2, 40], (Kind::Float, Device::Cpu)),
    };
    let run = |xs: &Tensor| {
        let xs = xs.detach().set_requires_grad(true);
        let sum = depthwise_sum(&xs, &taps, &affine, 1, 1, options([7, 17, 19])).unwrap();
        let gradients = Tensor::run_backward(&[sum.output.square().sum(Kind::Float)], &[&xs, &taps], false, false);
        [sum.output.detach(), gradients[0].shallow_clone(), gradients[1].shallow_clone()]
    };
    let expected = run(&images);
    tch::set_num_threads(5);
    let found = run(&channels_last(&images));
    assert!(found.iter().zip(&expected).all(|(found, expected)| found.equal(expected)));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let ones = |size: &[i64]| Tensor::ones(size, (Kind::Float, Device::Cpu));
    let affine = Affine { gains: ones(&[2, 4]), shifts: ones(&[2, 4]) };
    let options = options([1, 3, 3]);
    assert!(depthwise_sum(&ones(&[1, 5, 3, 3]), &ones(&[2, 4, 3, 3]), &affine, 1, 1, options).is_err());
    assert!(depthwise_sum(&ones(&[1, 4, 3, 3]), &ones(&[3, 4, 3, 3]), &affine, 1, 1, options).is_err());
    assert!(dense_sum(&ones(&[1, 5, 3, 3]), &ones(&[2, 4, 4]), &affine, None, options).is_err());
    let (x, row) = (ones(&[1, 4, 3, 3]), ones(&[5]));
    assert!(normalised_sum(&[(&x, &row, &row)], EPS, true).is_err());
    assert!(normalised_sum(&[], EPS, true).is_err());
}

/// Runs the tests above once more with the kernels for simpler processors.
#[test]
fn every_instruction_set_gives_the_same() {
    if std::env::var_os("ATEN_CPU_CAPABILITY").is_some() {
        return;
    }
    for capability in ["default", "avx2"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--test-threads", "1"])
            .env("ATEN_CPU_CAPABILITY", capability)
            .output()
            .unwrap();
        assert!(output.status.success(), "{capability}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
