use backbone::{Fold, Form, Mode, OutputStride};
use heads::deeplabv3::DeepLabV3Config;
use tch::{CModule, Kind, Tensor};

use crate::support::{assert_close, auxiliary, build, load, names, random_features, randomise, small};

#[test]
fn deploy_form_matches_train_form_at_every_output_stride() {
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
        for output_stride in OutputStride::ALL {
            for (separable, extra_conv) in [(false, true), (false, false), (true, true), (true, false)] {
                let config = DeepLabV3Config { separable, extra_conv, auxiliary: auxiliary(), ..small() };
                let (train_store, train) = build(&config, output_stride, Form::Train, kind);
                let (deploy_store, deploy) = build(&config, output_stride, Form::Deploy, kind);
                randomise(&train_store, 1);
                let folded = train.folded();
                load(&deploy_store, &folded);
                assert!(names(&deploy_store).iter().all(|name| !name.starts_with("aux_classifier")));

                let features = random_features(2, [100, 135], output_stride, kind);
                let expected = train.forward(&features, Mode::Eval).unwrap().logits;
                for mode in [Mode::Eval, Mode::Train] {
                    assert_close(&deploy.forward(&features, mode).unwrap().logits, &expected, tolerance);
                }
                let again = deploy.folded();
                assert_eq!(again, folded);
            }
        }
    }
}

#[test]
fn a_traced_head_gives_class_maps_for_any_number_of_images_and_logits_for_any_size() {
    for separable in [false, true] {
        let config = DeepLabV3Config { separable, dropout: 0.5, ..small() };
        let (mut store, head) = build(&config, OutputStride::Os16, Form::Deploy, Kind::Float);
        randomise(&store, 10);
        store.freeze();
        let size = [96, 80];
        let run = |c4: &Tensor, c5: &Tensor| {
            let output = head.forward(&crate::support::features(c4, c5), Mode::Eval).unwrap();
            (head.predict(&output, size).unwrap(), output.logits)
        };
        let inputs = |images| {
            let features = random_features(images, size, OutputStride::Os16, Kind::Float);
            [features.c4, features.c5]
        };
        let mut traced = |xs: &[Tensor]| vec![run(&xs[0], &xs[1]).0];
        let module = CModule::create_by_tracing("segmenter", "forward", &inputs(1), &mut traced).unwrap();
        let [c4, c5] = inputs(3);
        let (expected, _) = run(&c4, &c5);
        let found = module.forward_ts(&[&c4, &c5]).unwrap();
        assert_eq!(found.size(), [3, 96, 80]);
        assert!(expected.max().int64_value(&[]) > expected.min().int64_value(&[]), "more than one class is predicted");
        let agreement = found.eq_tensor(&expected).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        assert!(agreement > 0.999, "{agreement}");

        let mut traced = |xs: &[Tensor]| vec![run(&xs[0], &xs[1]).1];
        let module = CModule::create_by_tracing("logits", "forward", &inputs(1), &mut traced).unwrap();
        let larger = random_features(2, [144, 176], OutputStride::Os16, Kind::Float);
        let found = module.forward_ts(&[&larger.c4, &larger.c5]).unwrap();
        assert_close(&found, &run(&larger.c4, &larger.c5).1, 1e-6);
    }
}
