//! Specifications detected from tensors.

use backbone::{Checkpoint, Error, Form, Layout, MobileOne, OutputStride, Spec, Stage, StateDict, Variant};
use proptest::prelude::*;
use tch::{Device, nn::VarStore};

fn checkpoint(spec: &Spec, form: Form) -> Checkpoint {
    let store = VarStore::new(Device::Cpu);
    MobileOne::new(&store.root(), spec, form, OutputStride::Os32);
    let tensors: StateDict = store.variables().into_iter().collect();
    Checkpoint {
        tensors,
        layout: Layout::Apple,
        prefix: String::new(),
        average: false,
        others: Vec::new(),
        passed_over: Vec::new(),
        form: Some(form),
        published: None,
        metadata: None,
    }
}

#[test]
fn published_variants_are_detected_in_both_forms() {
    for variant in Variant::ALL {
        for form in [Form::Train, Form::Deploy] {
            assert_eq!(checkpoint(&Spec::from(variant), form).spec().unwrap().variant(), Some(variant));
        }
    }
}

#[test]
fn missing_layers_are_named() {
    let mut cut = checkpoint(&Spec::from(Variant::S1), Form::Deploy);
    cut.tensors.retain(|name, _| !name.starts_with("stage3.4."));
    let error = cut.spec().unwrap_err();
    assert!(matches!(&error, Error::NotMobileOne { .. }), "{error}");
    cut.tensors.retain(|name, _| !name.starts_with("stage3.3."));
    let error = cut.spec().unwrap_err();
    assert!(error.to_string().contains("stage 3 has the layers {0, 1, 2, 5, "), "{error}");
    cut.tensors.clear();
    let error = cut.spec().unwrap_err();
    assert!(error.to_string().contains("stage0.reparam_conv.weight"), "{error}");
}

fn stage() -> impl Strategy<Value = Stage> {
    (16i64..40, 1i64..4).prop_flat_map(|(width, blocks)| {
        (0..=blocks).prop_map(move |squeeze_excite| Stage { width, blocks, squeeze_excite })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_train_form_is_detected(
        in_channels in 1i64..17,
        stem in 16i64..40,
        stages in prop::array::uniform4(stage()),
        branches in 1i64..5,
        [scale, skip] in any::<[bool; 2]>(),
    ) {
        let mut spec = Spec { in_channels, stem, stages, branches, scale, skip };
        // Where no block could have an identity branch, it is detected as wanted.
        let with_skip = Spec { skip: true, ..spec.clone() };
        spec.skip |= !with_skip.plan(OutputStride::Os32).blocks().any(|block| block.side_branches.skip);
        prop_assert_eq!(checkpoint(&spec, Form::Train).spec().unwrap(), spec);
    }
}
