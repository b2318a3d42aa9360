//! Train form and deploy form compute the same, at every variant and output stride; names are Apple's.

mod support;

use backbone::{Backbone, Error, Features, Fold, Form, MobileOne, Mode, OutputStride, Spec, StateDict, Variant};
use support::{assert_close, build, images, load, names, randomise, relative, spec};
use tch::{Device, Kind, Tensor, nn::VarStore};

fn each(features: &Features) -> [&Tensor; 4] {
    [&features.c2, &features.c3, &features.c4, &features.c5]
}

fn forms_match(spec: &Spec, output_stride: OutputStride, kind: Kind, tolerance: f64) {
    let (train_store, train) = build(spec, Form::Train, output_stride, kind);
    let (deploy_store, deploy) = build(spec, Form::Deploy, output_stride, kind);
    randomise(&train_store, 7);
    let folded = train.folded();
    load(&deploy_store, &folded);

    tch::no_grad(|| {
        let xs = images([2, 3, 72, 64], kind);
        let expected = train.forward(&xs, Mode::Eval).unwrap();
        let actual = deploy.forward(&xs, Mode::Eval).unwrap();
        for (actual, expected) in each(&actual).into_iter().zip(each(&expected)) {
            assert_close(actual, expected, tolerance);
        }
    });
}

fn all_variants_match(output_stride: OutputStride) {
    for variant in Variant::ALL {
        forms_match(&Spec::from(variant), output_stride, Kind::Float, 1e-5);
        forms_match(&Spec::from(variant), output_stride, Kind::Double, 1e-12);
    }
}

#[test]
fn deploy_form_matches_train_form_at_output_stride_32() {
    all_variants_match(OutputStride::Os32);
}

#[test]
fn deploy_form_matches_train_form_at_output_stride_16() {
    all_variants_match(OutputStride::Os16);
}

#[test]
fn deploy_form_matches_train_form_at_output_stride_8() {
    all_variants_match(OutputStride::Os8);
}

fn small() -> Spec {
    spec([(16, 1, 0), (24, 3, 1), (32, 3, 3), (40, 2, 0)], 3)
}

#[test]
fn deploy_form_matches_train_form_of_a_custom_specification() {
    for output_stride in OutputStride::ALL {
        for [scale, skip] in [[true, true], [true, false], [false, true], [false, false]] {
            forms_match(&Spec { scale, skip, ..small() }, output_stride, Kind::Double, 1e-12);
        }
    }
}

#[test]
fn folding_in_batch_statistics_mode_would_not_match() {
    let (train_store, train) = build(&small(), Form::Train, OutputStride::Os32, Kind::Double);
    randomise(&train_store, 7);
    let xs = images([2, 3, 72, 64], Kind::Double);
    let eval = train.forward(&xs, Mode::Eval).unwrap();
    assert!(relative(&train.forward(&xs, Mode::Train).unwrap().c5, &eval.c5) > 0.1);
}

#[test]
fn deploy_form_folds_into_itself() {
    let (store, network) = build(&small(), Form::Deploy, OutputStride::Os32, Kind::Float);
    randomise(&store, 3);
    let folded = network.folded();
    assert_eq!(folded.keys().cloned().collect::<Vec<_>>(), names(&store));
    assert!(store.variables().iter().all(|(name, variable)| *variable == folded[name]));
}

#[test]
fn features_have_the_documented_strides_and_channels() {
    let expected = |stride: OutputStride| match stride {
        OutputStride::Os32 => [[18, 16], [9, 8], [5, 4], [3, 2]],
        OutputStride::Os16 => [[18, 16], [9, 8], [5, 4], [5, 4]],
        OutputStride::Os8 => [[18, 16], [9, 8], [9, 8], [9, 8]],
    };
    for form in [Form::Train, Form::Deploy] {
        for output_stride in OutputStride::ALL {
            let (_store, network) = build(&small(), form, output_stride, Kind::Float);
            assert_eq!(network.channels(), [16, 24, 32, 40]);
            let features = network.forward(&images([2, 3, 72, 64], Kind::Float), Mode::Train).unwrap();
            for (i, feature) in each(&features).into_iter().enumerate() {
                let [height, width] = expected(output_stride)[i];
                assert_eq!(feature.size(), [2, network.channels()[i], height, width]);
            }
        }
    }
}

/// The reason for the convention of dilation: weights trained at stride 32 see the same spacing.
#[test]
fn finer_output_strides_contain_the_features_of_output_stride_32_on_their_grid() {
    let spec = small().without_squeeze_excite();
    for form in [Form::Train, Form::Deploy] {
        let (store, network) = build(&spec, form, OutputStride::Os32, Kind::Double);
        randomise(&store, 11);
        let weights: StateDict = store.variables().into_iter().collect();
        let xs = images([1, 3, 96, 128], Kind::Double);
        let coarse = network.forward(&xs, Mode::Eval).unwrap();
        for (output_stride, steps) in [(OutputStride::Os16, [1, 2]), (OutputStride::Os8, [2, 4])] {
            let (fine_store, network) = build(&spec, form, output_stride, Kind::Double);
            load(&fine_store, &weights);
            let fine = network.forward(&xs, Mode::Eval).unwrap();
            for ((fine, coarse), step) in [(&fine.c4, &coarse.c4), (&fine.c5, &coarse.c5)].into_iter().zip(steps) {
                let on_grid = fine.slice(2, 0, None, step).slice(3, 0, None, step);
                assert_close(&on_grid, coarse, 1e-12);
            }
        }
    }
}

/// Apple's code lists `num_batches_tracked` once for each normalisation; this crate keeps no such counts.
#[test]
fn published_variants_have_the_published_numbers_of_keys() {
    let keys = |variant, form| names(&build(&Spec::from(variant), form, OutputStride::Os32, Kind::Float).0);
    let classifier = 2;
    for (variant, apple, deploy, norms) in
        [(Variant::S0, 1323, 88, 226), (Variant::S1, 562, 88, 99), (Variant::S4, 610, 136, 99)]
    {
        let train = keys(variant, Form::Train);
        assert_eq!(train.iter().filter(|key| key.ends_with(".running_var")).count(), norms);
        assert_eq!(train.len() + norms + classifier, apple);
        assert_eq!(keys(variant, Form::Deploy).len() + classifier, deploy);
    }
}

#[test]
fn keys_and_shapes_are_apples_and_do_not_depend_on_the_output_stride() {
    for output_stride in OutputStride::ALL {
        let (store, _) = build(&Spec::from(Variant::S4), Form::Train, output_stride, Kind::Float);
        let variables = store.variables();
        for (key, shape) in [
            ("stage0.rbr_conv.0.conv.weight", &[64, 3, 3, 3][..]),
            ("stage0.rbr_scale.conv.weight", &[64, 3, 1, 1]),
            ("stage0.rbr_scale.bn.running_mean", &[64]),
            ("stage1.3.rbr_skip.weight", &[192]),
            ("stage3.0.rbr_conv.0.conv.weight", &[448, 1, 3, 3]),
            ("stage3.10.se.reduce.weight", &[56, 896, 1, 1]),
            ("stage3.19.se.expand.bias", &[896]),
            ("stage4.1.se.expand.weight", &[2048, 128, 1, 1]),
            ("stage4.1.rbr_conv.0.bn.bias", &[2048]),
        ] {
            assert_eq!(variables.get(key).map(Tensor::size).as_deref(), Some(shape), "{key}");
        }
        for absent in ["stage0.rbr_skip.weight", "stage3.0.rbr_skip.weight", "stage4.0.rbr_skip.weight"] {
            assert!(!variables.contains_key(absent), "{absent}");
        }
        assert!(!variables.keys().any(|key| key.starts_with("stage3.9.se") || key.starts_with("stage2.15.se")));
    }
}

#[test]
fn a_path_prefixes_every_key_but_not_those_of_the_network_in_deploy_form() {
    let store = VarStore::new(Device::Cpu);
    let network = MobileOne::new(&(store.root() / "backbone"), &small(), Form::Train, OutputStride::Os32);
    assert!(names(&store).iter().all(|name| name.starts_with("backbone.stage")));
    let folded = network.folded();
    assert!(folded.contains_key("backbone.stage3.1.reparam_conv.weight"));
    assert!(folded.keys().all(|name| name.starts_with("backbone.stage")));
    let deploy = network.to_deploy_form().unwrap();
    assert!(deploy.folded().into_iter().all(|(name, tensor)| tensor == folded[&format!("backbone.{name}")]));
}

#[test]
fn other_shapes_than_images_are_refused_and_nothing_is_recorded_in_a_trace() {
    let (store, network) = build(&small(), Form::Train, OutputStride::Os16, Kind::Float);
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
    for size in [&[2, 4, 64, 64][..], &[3, 64, 64], &[0, 3, 64, 64], &[2, 3, 0, 64], &[2, 3, 64, 0]] {
        let error = network.forward(&zeros(size), Mode::Eval).unwrap_err();
        assert_eq!(error.to_string(), format!("images have shape {size:?}, expected [N, 3, H, W]"));
    }
    let error = network.forward(&zeros(&[1, 3, 16, 9]), Mode::Train).unwrap_err();
    assert!(matches!(error, Error::SingleValueStatistics { height: 16, width: 9 }), "{error}");
    for (size, mode) in [([1, 3, 16, 9], Mode::Eval), ([2, 3, 16, 9], Mode::Train), ([1, 3, 17, 9], Mode::Train)] {
        let c5 = network.forward(&zeros(&size), mode).unwrap().c5;
        assert_eq!(c5.isfinite().all().int64_value(&[]), 1);
    }
    assert!(store.variables().values().all(|variable| variable.isfinite().all().int64_value(&[]) == 1));

    let (mut store, network) = build(&small(), Form::Deploy, OutputStride::Os32, Kind::Float);
    store.freeze();
    let parameters: Vec<_> = store.variables().into_iter().collect();
    let traced =
        tch_ext::jit::Tracing::new("MobileOne").parameters(&parameters).input("images", &zeros(&[1, 3, 32, 32]));
    let module = traced.record(|xs| Ok::<_, tch_ext::Error>(vec![network.forward(&xs[0], Mode::Eval).unwrap().c5]));
    assert!(!module.unwrap().graph("forward").unwrap().contains("aten::size"));
}

#[test]
fn contributions_name_every_branch_and_add_up_to_one() {
    let spec = Spec::from(Variant::S0);
    let store = VarStore::new(Device::Cpu);
    let network = MobileOne::new(&store.root(), &spec, Form::Train, OutputStride::Os32);
    let contributions = network.contributions();
    assert_eq!(contributions.len(), 43);
    for contribution in &contributions {
        let total: f64 = contribution.branches.iter().map(|(_, share)| share).sum();
        assert!((total - 1.0).abs() < 1e-12, "{contribution:?}");
    }
    let names = |index: usize| contributions[index].branches.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!((contributions[0].block.as_str(), names(0)), ("stage0", vec!["rbr_conv.0", "rbr_scale"]));
    let all = ["rbr_conv.0", "rbr_conv.1", "rbr_conv.2", "rbr_conv.3", "rbr_scale", "rbr_skip"];
    assert_eq!((contributions[3].block.as_str(), names(3)), ("stage1.2", all.to_vec()));

    // A branch whose scale is zero contributes nothing; the shares of the others grow.
    let gamma = &store.variables()["stage1.2.rbr_scale.bn.weight"];
    let _ = gamma.detach().zero_();
    let silent = &network.contributions()[3].branches;
    assert_eq!(silent[4], ("rbr_scale".to_owned(), 0.0));
    assert!(silent[5].1 > contributions[3].branches[5].1);

    let deploy = VarStore::new(Device::Cpu);
    let deploy = MobileOne::new(&deploy.root(), &spec, Form::Deploy, OutputStride::Os32);
    assert!(deploy.contributions().is_empty());
}
