//! Gradients and weights of several processes against one process with the whole batch.

use std::time::Duration;

use tch::{Device, Kind, Tensor};
use tch_ext::{
    Error,
    distributed::{
        BatchNormInput, BatchNormOptions, GradientKind, Group, Reducer, ReducerOptions, UnusedParameters, World,
        sync_batch_norms,
    },
    optim::{SgdOptions, sgd_step},
};

use crate::job::in_processes;

const STEPS: usize = 4;
const NORM: BatchNormOptions = BatchNormOptions { eps: 1e-5, momentum: 0.1 };
const SGD: SgdOptions = SgdOptions { lr: 0.05, momentum: 0.9, weight_decay: 1e-4, nesterov: false };

/// A small network: convolution, batch norm, ReLU, mean, linear; and a second head that a step may leave out.
struct Net {
    named: Vec<(String, Tensor)>,
    momenta: Vec<Tensor>,
}

impl Net {
    /// `salt` changes the weights.
    fn new(kind: Kind, salt: f64) -> Self {
        let shapes: [(&str, &[i64]); 6] = [
            ("conv.weight", &[8, 3, 3, 3]),
            ("norm.weight", &[8]),
            ("norm.bias", &[8]),
            ("head.weight", &[4, 8]),
            ("head.bias", &[4]),
            ("other.weight", &[2, 8]),
        ];
        let named: Vec<(String, Tensor)> = shapes
            .iter()
            .enumerate()
            .map(|(i, (name, shape))| {
                let values = spread(salt + i as f64, shape) * 0.5 + f64::from(u8::from(*name == "norm.weight"));
                let values = if shape.len() == 4 { tch_ext::channels_last(&values) } else { values };
                ((*name).to_owned(), values.to_kind(kind).set_requires_grad(true))
            })
            .collect();
        let momenta = named.iter().map(|(_, tensor)| tensor.detach().zeros_like()).collect();
        Self { named, momenta }
    }

    fn tensor(&self, index: usize) -> &Tensor {
        &self.named[index].1
    }

    /// The sum of the losses of the images.
    fn loss(&self, images: &Tensor, group: Option<&Group>, heads: Heads) -> Tensor {
        let convolved = images.conv2d(self.tensor(0), None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1);
        let (weight, bias) = (self.tensor(1), self.tensor(2));
        let normalised = match group {
            Some(group) => {
                let input = BatchNormInput { x: &convolved, weight, bias, running: None };
                sync_batch_norms(&[input], NORM, group).unwrap().remove(0)
            }
            None => convolved.batch_norm(
                Some(weight),
                Some(bias),
                None::<&Tensor>,
                None::<&Tensor>,
                true,
                NORM.momentum,
                NORM.eps,
                false,
            ),
        };
        let features = normalised.relu().mean_dim(&[2i64, 3][..], false, None);
        let kind = images.kind();
        let first = features.linear(self.tensor(3), Some(self.tensor(4)));
        let loss = (first - 0.3).square().sum(kind);
        match heads {
            Heads::First => loss,
            Heads::Both => loss + features.linear(self.tensor(5), None::<&Tensor>).square().sum(kind),
        }
    }

    fn gradients(&self) -> Vec<Tensor> {
        let gradient = |(_, tensor): &(String, Tensor)| {
            let gradient = tensor.grad();
            if gradient.defined() { gradient } else { tensor.detach().zeros_like() }
        };
        self.named.iter().map(gradient).collect()
    }

    fn step(&mut self) {
        let tensors: Vec<Tensor> = self.named.iter().map(|(_, tensor)| tensor.shallow_clone()).collect();
        sgd_step(&tensors, &self.gradients(), &mut self.momenta, SGD, false).unwrap();
    }

    /// As an optimiser that keeps the gradients' memory.
    fn zero(&self) {
        for (_, tensor) in &self.named {
            let mut gradient = tensor.grad();
            if gradient.defined() {
                let _ = gradient.zero_();
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Heads {
    First,
    Both,
}

fn spread(seed: f64, size: &[i64]) -> Tensor {
    let steps = Tensor::arange(size.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    ((steps + seed * 17.0) * 12.9898).sin().view(size)
}

fn batch(step: usize, pass: usize, count: i64, kind: Kind) -> Tensor {
    spread((step * 10 + pass) as f64 + 0.5, &[count, 3, 6, 6]).to_kind(kind)
}

/// One case: how the batch is dealt, how gradients are reduced, and how far they may differ.
struct Case<'a> {
    counts: &'a [i64],
    kind: Kind,
    passes: usize,
    options: ReducerOptions,
    /// For batch norm, whose exchanges may be in another order relative to gradients on each rank.
    statistics: &'a Group,
    /// Which heads each rank uses.
    heads: &'a dyn Fn(usize) -> Heads,
    tolerance: f64,
}

fn difference(found: &[Tensor], expected: &[Tensor]) -> f64 {
    let differences = found.iter().zip(expected).map(|(a, b)| {
        let scale = b.abs().max().double_value(&[]).max(1e-3);
        (a - b).abs().max().double_value(&[]) / scale
    });
    differences.fold(0.0, f64::max)
}

impl Case<'_> {
    fn check(&self, world: &World) {
        let (size, rank) = (world.size() as f64, world.rank());
        let total: i64 = self.counts.iter().sum();
        let starts: Vec<i64> = (0..world.size()).map(|rank| self.counts[..rank].iter().sum()).collect();
        let mut whole = Net::new(self.kind, 0.0);
        // The Reducer starts from rank 0's weights.
        let mut net = Net::new(self.kind, rank as f64);
        let mut reducer = Reducer::new(&net.named, world.group(), self.options).unwrap();
        let mut worst = 0f64;
        for step in 0..STEPS {
            whole.zero();
            net.zero();
            for pass in 0..self.passes {
                let images = batch(step, pass, total, self.kind);
                self.whole_backward(&whole, &images, &starts);
                let own = images.narrow(0, starts[rank], self.counts[rank]);
                let loss = net.loss(&own, Some(self.statistics), (self.heads)(rank)) * (size / total as f64);
                if pass + 1 < self.passes {
                    reducer.accumulate(&loss).unwrap();
                } else {
                    reducer.backward(&loss).unwrap();
                }
            }
            worst = worst.max(difference(&net.gradients(), &whole.gradients()));
            net.step();
            whole.step();
        }
        let weights = |net: &Net| net.named.iter().map(|(_, tensor)| tensor.detach()).collect::<Vec<_>>();
        worst = worst.max(difference(&weights(&net), &weights(&whole)));
        let case = format!("{:?} {:?} x{} {:?}", self.counts, self.kind, self.passes, self.options);
        println!("{case}: {worst:e}");
        assert!(worst < self.tolerance, "{case}: gradients or weights differ by {worst:e}");
        for (name, tensor) in &net.named {
            let all = world.group().all_gather(&tensor.detach()).unwrap();
            assert_eq!(all.get(0), all.get(rank as i64), "{name} has the same bits everywhere");
        }
    }

    /// One pass of one process; where ranks use other heads, a head's loss counts the images of its ranks only.
    fn whole_backward(&self, net: &Net, images: &Tensor, starts: &[i64]) {
        let total = images.size()[0] as f64;
        let ranks = 0..self.counts.len();
        if ranks.clone().all(|rank| (self.heads)(rank) == Heads::Both) {
            (net.loss(images, None, Heads::Both) / total).backward();
            return;
        }
        assert!(ranks.clone().all(|rank| self.counts[rank] > 0));
        let convolved = images.conv2d(net.tensor(0), None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1);
        let norm = (Some(net.tensor(1)), Some(net.tensor(2)));
        let none = None::<&Tensor>;
        let normalised = convolved.batch_norm(norm.0, norm.1, none, none, true, NORM.momentum, NORM.eps, false);
        let features = normalised.relu().mean_dim(&[2i64, 3][..], false, None);
        let mut loss = (features.linear(net.tensor(3), Some(net.tensor(4))) - 0.3).square().sum(self.kind);
        for rank in ranks.filter(|&rank| (self.heads)(rank) == Heads::Both) {
            let part = features.narrow(0, starts[rank], self.counts[rank]);
            loss += part.linear(net.tensor(5), none).square().sum(self.kind);
        }
        (loss / total).backward();
    }
}

fn check_all(world: &World, even: &[i64], uneven: &[i64]) {
    let statistics = &world.new_group("batch norm").unwrap();
    let plain = Case {
        counts: even,
        statistics,
        kind: Kind::Float,
        passes: 1,
        options: ReducerOptions::default(),
        heads: &|_| Heads::Both,
        tolerance: 1e-5,
    };
    let options = ReducerOptions::default();
    let copies = ReducerOptions { gradients_are_views: false, ..options };
    let small = ReducerOptions { bucket_bytes: 64, ..options };
    let found = ReducerOptions { unused: UnusedParameters::Found, ..options };
    let half = ReducerOptions { sent_as: GradientKind::BFloat16, ..options };
    let second_head_on_rank_0 = |rank| if rank == 0 { Heads::Both } else { Heads::First };
    plain.check(world);
    let exact = |case: Case| Case { kind: Kind::Double, tolerance: 1e-10, ..case }.check(world);
    exact(Case { ..plain });
    exact(Case { options: copies, ..plain });
    exact(Case { options: small, ..plain });
    exact(Case { passes: 3, ..plain });
    exact(Case { passes: 2, options: copies, ..plain });
    exact(Case { counts: uneven, ..plain });
    for options in [found, ReducerOptions { bucket_bytes: 64, ..found }] {
        exact(Case { options, heads: &second_head_on_rank_0, ..plain });
    }
    Case { options: half, tolerance: 6e-2, ..plain }.check(world);
}

#[test]
fn two_processes_train_as_one() {
    in_processes(two_processes_train_as_one, 2, |world| check_all(world, &[4, 4], &[3, 5]));
}

#[test]
fn three_processes_train_as_one() {
    in_processes(three_processes_train_as_one, 3, |world| check_all(world, &[2, 2, 2], &[3, 4, 0]));
}

#[test]
fn one_process_trains_with_the_same_code() {
    check_all(&World::alone().unwrap(), &[4], &[4]);
}

/// A pass of rank 0 alone would wait for the others if it exchanged anything.
#[test]
fn an_accumulating_pass_of_one_process_sends_nothing() {
    in_processes(an_accumulating_pass_of_one_process_sends_nothing, 2, |world| {
        let weight = Tensor::from_slice(&[1f32]).set_requires_grad(true);
        let named = [("weight".to_owned(), weight.shallow_clone())];
        let mut reducer = Reducer::new(&named, world.group(), ReducerOptions::default()).unwrap();
        let loss = || weight.square().sum(Kind::Float);
        if world.rank() == 0 {
            reducer.accumulate(&loss()).unwrap();
            assert_eq!(weight.grad(), Tensor::from_slice(&[2f32]));
        }
        world.group().barrier(Duration::from_secs(60)).unwrap();
        reducer.backward(&loss()).unwrap();
        assert_eq!(weight.grad(), Tensor::from_slice(&[3f32]), "the mean of 2 + 2 and 2");
    });
}

#[test]
fn other_parameters_are_refused_on_all_processes() {
    in_processes(other_parameters_are_refused_on_all_processes, 3, |world| {
        let mut named = Net::new(Kind::Float, 0.0).named;
        let check = |named: &[(String, Tensor)], expected: &str| {
            let error = Reducer::new(named, world.group(), ReducerOptions::default()).unwrap_err();
            assert!(matches!(error, Error::Differs { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        };
        if world.rank() == 2 {
            named[4].1 = Tensor::zeros([5], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        }
        check(&named, "rank 2 has `head.bias: [5]");
        if world.rank() == 2 {
            named.pop();
            named[4].1 = Net::new(Kind::Float, 0.0).named[4].1.shallow_clone();
        }
        check(&named, "rank 2 has nothing where rank 0 has `other.weight: [2, 8]");
    });
}

#[test]
fn unused_parameters_are_named() {
    let world = World::alone().unwrap();
    let net = Net::new(Kind::Float, 0.0);
    let mut reducer = Reducer::new(&net.named, world.group(), ReducerOptions::default()).unwrap();
    let loss = net.loss(&batch(0, 0, 2, Kind::Float), None, Heads::First);
    let error = reducer.backward(&loss).unwrap_err();
    assert!(matches!(&error, Error::Unused { parameters } if parameters == &["other.weight"]), "{error}");
}

#[test]
fn wrong_input_is_refused_without_other_processes() {
    let world = World::alone().unwrap();
    let net = Net::new(Kind::Float, 0.0);
    let no_bucket = ReducerOptions { bucket_bytes: 0, ..ReducerOptions::default() };
    let error = Reducer::new(&net.named, world.group(), no_bucket).unwrap_err();
    assert!(matches!(error, Error::Option { option: "bucket_bytes", .. }), "{error}");
    let mut reducer = Reducer::new(&net.named, world.group(), ReducerOptions::default()).unwrap();
    let error = reducer.accumulate(&Tensor::from(1.0)).unwrap_err();
    assert!(matches!(&error, Error::Libtorch { message, .. } if message.contains("does not require grad")), "{error}");
    assert!(matches!(reducer.backward(&Tensor::new()), Err(Error::Undefined { .. })));
}
