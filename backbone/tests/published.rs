//! The networks of other publications compared with timm 1.0.31's and torchvision 0.26's, in fp64: files made by
//! `tools/golden/published.py`.

mod support;

use std::path::PathBuf;

use backbone::{
    Architecture, Backbone, Form, Mode, OutputStride, Purpose, Setup, StateDict, TrainForward, checkpoint::file,
};
use support::{assert_close, fill, load, randomise, snapshot, uniform};
use tch::{Device, Kind, Tensor, nn::VarStore};

fn reference(architecture: Architecture) -> StateDict {
    let name = format!("published_{architecture}.safetensors");
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden", &name].iter().collect();
    file::read(&path).unwrap().0
}

/// The networks that timm or torchvision has.
fn known() -> impl Iterator<Item = Architecture> {
    Architecture::ALL.into_iter().filter(|architecture| architecture.has_reference())
}

fn setup(form: Form) -> Setup {
    Setup {
        form,
        output_stride: OutputStride::Os32,
        purpose: Purpose::Classification,
        train_forward: TrainForward::Branches,
    }
}

fn build(architecture: Architecture, setup: Setup, kind: Kind) -> (VarStore, Box<dyn Backbone>) {
    let mut store = VarStore::new(Device::Cpu);
    store.set_kind(kind);
    let network = architecture.build(&store.root(), 3, setup);
    (store, network)
}

/// The script's weights.
fn filled(architecture: Architecture, setup: Setup) -> (VarStore, Box<dyn Backbone>) {
    let (store, network) = build(architecture, setup, Kind::Double);
    for (name, variable) in store.variables() {
        variable.detach().copy_(&fill(&name, &variable.size()));
    }
    (store, network)
}

/// The features `c2` to `c4`, and `c5` as they are before what a classifier reads.
fn features(network: &dyn Backbone, xs: &Tensor) -> [Tensor; 4] {
    let features = tch::no_grad(|| network.forward(xs, Mode::Eval).unwrap());
    [features.c2, features.c3, features.c4, features.c5]
}

fn logits(architecture: Architecture, c5: &Tensor) -> Tensor {
    let pooled = c5.mean_dim(&[2i64, 3][..], false, None);
    let classifier = architecture.classifier();
    let parameter = |name: &str, size: &[i64]| fill(&format!("{classifier}.{name}"), size).to_kind(pooled.kind());
    pooled.linear(&parameter("weight", &[1000, pooled.size()[1]]), Some(parameter("bias", &[1000])))
}

#[test]
fn both_forms_have_the_features_and_logits_of_the_reference() {
    for architecture in known() {
        let reference = reference(architecture);
        let xs = uniform("xs", &[1, 3, 96, 96]);
        let (_store, train) = filled(architecture, setup(Form::Train));
        let (deploy_store, deploy) = build(architecture, setup(Form::Deploy), Kind::Double);
        load(&deploy_store, &train.folded());
        for network in [&train, &deploy] {
            let [c2, c3, c4, c5] = features(&**network, &xs);
            for (name, feature) in [("c2", c2), ("c3", c3), ("c4", c4)] {
                assert_close(&feature.slice(1, None, None, 8), &reference[name], 1e-6);
            }
            assert_close(&logits(architecture, &c5), &reference["logits"], 1e-6);
        }
        let dense = |output_stride| {
            let setup = Setup { purpose: Purpose::Dense, output_stride, ..setup(Form::Train) };
            let (_store, network) = filled(architecture, setup);
            features(&*network, &xs)[3].slice(1, None, None, 8)
        };
        assert_close(&dense(OutputStride::Os32), &reference["c5"], 1e-6);
        if let Some(c5) = reference.get("os16.c5") {
            assert_close(&dense(OutputStride::Os16), c5, 1e-6);
        }
    }
}

#[test]
fn both_forms_equal_the_reference_in_single_precision() {
    for architecture in known() {
        let reference = reference(architecture);
        let xs = uniform("xs", &[1, 3, 96, 96]).to_kind(Kind::Float);
        let (store, train) = build(architecture, setup(Form::Train), Kind::Float);
        for (name, variable) in store.variables() {
            variable.detach().copy_(&fill(&name, &variable.size()));
        }
        let (deploy_store, deploy) = build(architecture, setup(Form::Deploy), Kind::Float);
        load(&deploy_store, &train.folded());
        for network in [&train, &deploy] {
            let [.., c5] = features(&**network, &xs);
            let difference = support::relative(&logits(architecture, &c5), &reference["logits"]);
            assert!(difference < 1e-5, "{architecture}: {difference:e}");
        }
    }
}

#[test]
fn parameters_and_multiply_adds_are_those_of_the_reference() {
    for architecture in known() {
        let counts = Vec::<i64>::try_from(&reference(architecture)["counts"]).unwrap();
        let (store, network) = build(architecture, setup(Form::Train), Kind::Float);
        let cost = network.cost([224, 224]);
        let trainable: i64 = store.trainable_variables().iter().map(|variable| variable.numel() as i64).sum();
        assert_eq!(cost.total().parameters, trainable, "{architecture}");
        let classifier = 1000 * network.channels()[3];
        assert_eq!(trainable + classifier + 1000, counts[0], "{architecture}");
        let (found, expected) = ((cost.total().macs + classifier) as f64, counts[1] as f64);
        assert!((found / expected - 1.0).abs() < 1e-3, "{architecture}: {found} {expected}");
    }
}

#[test]
fn sides_of_the_features_follow_the_output_stride() {
    for architecture in Architecture::ALL {
        for &output_stride in architecture.output_strides() {
            let setup = Setup { output_stride, purpose: Purpose::Dense, ..setup(Form::Deploy) };
            let (_store, network) = build(architecture, setup, Kind::Float);
            let xs = Tensor::zeros([1, 3, 70, 100], (Kind::Float, Device::Cpu));
            for ((feature, channels), stride) in
                features(&*network, &xs).iter().zip(network.channels()).zip([4, 8, 16, 32])
            {
                let stride = i64::from(output_stride).min(stride);
                let sides = [70, 100].map(|side| (side + stride - 1) / stride);
                assert_eq!(feature.size(), [1, channels, sides[0], sides[1]], "{architecture}");
            }
        }
    }
}

#[test]
fn costs_of_the_deploy_form_are_those_of_its_variables() {
    for architecture in Architecture::ALL {
        let (store, network) = build(architecture, setup(Form::Deploy), Kind::Float);
        let variables: i64 = store.variables().values().map(|variable| variable.numel() as i64).sum();
        assert_eq!(network.cost([224, 224]).total().parameters, variables, "{architecture}");
    }
}

#[test]
fn a_training_step_changes_every_parameter_and_statistic() {
    for architecture in Architecture::ALL {
        let (store, network) = build(architecture, setup(Form::Train), Kind::Float);
        randomise(&store, 1);
        let before = snapshot(&store);
        let xs = support::images([4, 3, 64, 64], Kind::Float);
        let features = network.forward(&xs, Mode::Train).unwrap();
        let weight = uniform("loss", &features.c5.size()).to_kind(Kind::Float);
        (features.c5 * weight).sum(Kind::Float).backward();
        for (name, variable) in store.variables() {
            if variable.requires_grad() {
                assert!(variable.grad().defined(), "{architecture}: {name} has no gradient");
            } else {
                assert!(!variable.equal(&before[&name]), "{architecture}: {name} did not change");
            }
        }
    }
}

/// The sizes of MobileFormer, with the parameters and multiply-adds that its paper reports in millions.
const MOBILEFORMERS: [(Architecture, f64, f64); 6] = [
    (Architecture::Mobileformer52m, 3.5, 52.0),
    (Architecture::Mobileformer96m, 4.6, 96.0),
    (Architecture::Mobileformer151m, 7.6, 151.0),
    (Architecture::Mobileformer214m, 9.4, 214.0),
    (Architecture::Mobileformer294m, 11.4, 294.0),
    (Architecture::Mobileformer508m, 14.0, 508.0),
];

#[test]
fn every_mobileformer_is_within_two_percent_of_its_paper() {
    for (architecture, parameters, macs) in MOBILEFORMERS {
        let (store, network) = build(architecture, setup(Form::Train), Kind::Float);
        let total = network.cost([224, 224]).total();
        let variables: i64 = store.trainable_variables().iter().map(|variable| variable.numel() as i64).sum();
        assert_eq!(total.parameters, variables, "{architecture}");
        let classifier = 1000 * network.channels()[3];
        for (found, published) in [(total.parameters + classifier + 1000, parameters), (total.macs + classifier, macs)]
        {
            let ratio = found as f64 / 1e6 / published;
            assert!((ratio - 1.0).abs() < 0.02, "{architecture}: {found}, published {published} M");
        }
    }
}

#[test]
fn every_mobileformer_has_one_function_in_both_forms_and_its_tokens_see_the_image() {
    for (architecture, ..) in MOBILEFORMERS {
        let (store, train) = build(architecture, setup(Form::Train), Kind::Double);
        randomise(&store, 3);
        let (deploy_store, deploy) = build(architecture, setup(Form::Deploy), Kind::Double);
        load(&deploy_store, &train.folded());
        let xs = support::images([2, 3, 64, 64], Kind::Double);
        let [.., c5] = features(&*train, &xs);
        assert_close(&features(&*deploy, &xs)[3], &c5, 1e-9);
        // Each image of a batch is computed by itself.
        assert_close(&features(&*train, &xs.narrow(0, 1, 1))[3], &c5.narrow(0, 1, 1), 1e-9);
        let other = Tensor::cat(&[xs.narrow(0, 0, 1), xs.narrow(0, 1, 1) * 2.0], 0);
        let moved = support::relative(&features(&*train, &other)[3].narrow(0, 1, 1), &c5.narrow(0, 1, 1));
        assert!(moved > 1e-3, "{architecture}: {moved:e}");
    }
}
