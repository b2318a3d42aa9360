//! Apple's and timm's names.

use std::collections::BTreeSet;

use backbone::{
    Error, Form, Layout, MobileOne, OutputStride, Spec, StateDict, Variant,
    checkpoint::{
        Place,
        keys::{form, from_timm, in_layout, to_timm},
    },
};
use tch::{Device, Kind, Tensor, nn::VarStore};

fn mobileone() -> backbone::Design {
    Spec::from(Variant::S0).into()
}

/// Every tensor of a classifier.
fn classifier(variant: Variant, form: Form) -> StateDict {
    let store = VarStore::new(Device::Cpu);
    MobileOne::new(&store.root(), &Spec::from(variant), form, OutputStride::Os32);
    let mut tensors: StateDict = store.variables().into_iter().collect();
    tensors.insert("linear.weight".to_owned(), Tensor::zeros([1000, 1280], (Kind::Float, Device::Cpu)));
    tensors.insert("linear.bias".to_owned(), Tensor::zeros(1000, (Kind::Float, Device::Cpu)));
    tensors
}

#[test]
fn every_name_of_every_variant_goes_to_timm_and_back() {
    for variant in Variant::ALL {
        for form in [Form::Train, Form::Deploy] {
            let apple = in_layout(&classifier(variant, form), Layout::Apple, &mobileone()).unwrap();
            let timm: BTreeSet<String> = apple.keys().map(|name| to_timm(name).unwrap()).collect();
            assert_eq!(timm.len(), apple.len());
            let back: BTreeSet<String> = timm.iter().map(|name| from_timm(name).unwrap()).collect();
            assert!(back.iter().eq(apple.keys()));
            assert!(in_layout(&classifier(variant, form), Layout::Timm, &mobileone()).unwrap().keys().eq(&timm));
        }
    }
}

#[test]
fn layouts_of_others_have_the_published_numbers_of_keys() {
    for (variant, train, deploy) in [(Variant::S0, 1323, 88), (Variant::S2, 562, 88), (Variant::S4, 610, 136)] {
        for layout in [Layout::Apple, Layout::Timm] {
            let count = |form| in_layout(&classifier(variant, form), layout, &mobileone()).unwrap().len();
            assert_eq!((count(Form::Train), count(Form::Deploy)), (train, deploy));
        }
    }
}

#[test]
fn names_are_those_of_the_published_files() {
    for (apple, timm) in [
        ("stage0.rbr_conv.0.conv.weight", "stem.conv_kxk.0.conv.weight"),
        ("stage0.rbr_scale.bn.num_batches_tracked", "stem.conv_scale.bn.num_batches_tracked"),
        ("stage1.0.rbr_conv.3.bn.running_var", "stages.0.0.conv_kxk.3.bn.running_var"),
        ("stage2.15.rbr_skip.weight", "stages.1.15.identity.weight"),
        ("stage3.10.se.reduce.weight", "stages.2.10.attn.fc1.weight"),
        ("stage4.1.se.expand.bias", "stages.3.1.attn.fc2.bias"),
        ("stage4.0.reparam_conv.bias", "stages.3.0.reparam_conv.bias"),
        ("linear.weight", "head.fc.weight"),
    ] {
        assert_eq!(to_timm(apple).as_deref(), Some(timm));
        assert_eq!(from_timm(timm).as_deref(), Some(apple));
    }
    for name in
        ["stage5.0.rbr_skip.bias", "stage1.0.bn.bias", "stage1.rbr_conv", "stage0.se.reduced.bias", "classifier.bias"]
    {
        assert_eq!(to_timm(name), None, "{name}");
    }
    for name in ["stages.4.0.identity.bias", "stages.0.0.bn.bias", "stages.0", "stem.identity", "head.norm.bias"] {
        assert_eq!(from_timm(name), None, "{name}");
    }
}

#[test]
fn a_name_without_a_counterpart_is_an_error() {
    let mut tensors = classifier(Variant::S0, Form::Deploy);
    tensors.insert("head.0.weight".to_owned(), Tensor::zeros(1, (Kind::Float, Device::Cpu)));
    for layout in [Layout::Apple, Layout::Timm] {
        let error = in_layout(&tensors, layout, &mobileone()).unwrap_err();
        assert!(matches!(&error, Error::NoName { name, .. } if name == "head.0.weight"), "{error}");
    }
    assert_eq!(in_layout(&tensors, Layout::Own, &mobileone()).unwrap().len(), tensors.len());
}

#[test]
fn place_and_form_are_detected_from_names() {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    for (given, place, expected) in [
        (&["linear.bias", "stage0.rbr_conv.0.conv.weight"][..], Some(("", Layout::Apple)), Some(Form::Train)),
        (&["backbone.stage0.reparam_conv.weight"], Some(("", Layout::Apple)), Some(Form::Deploy)),
        (&["state_dict.backbone.stage0.reparam_conv.weight"], Some(("state_dict.", Layout::Apple)), None),
        (&["head.fc.bias", "stem.reparam_conv.weight"], Some(("", Layout::Timm)), None),
        (&["stem.conv_kxk.0.conv.weight"], Some(("", Layout::Timm)), None),
        (&["state_dict.backbone.stage0.branch_reparam.weight"], Some(("state_dict.", Layout::OpenMmlab)), None),
        (&["system.reparam_conv.weight", "backbone.layer1.weight", "reparam_conv.weight"], None, None),
        (&[], None, None),
    ] {
        let names = names(given);
        let place = place.map(|(prefix, layout)| Place { prefix: prefix.to_owned(), layout });
        assert_eq!(Place::all(names.iter()).into_iter().next(), place, "{given:?}");
        assert_eq!(form(names.iter()), expected, "{given:?}");
    }
}
