//! Specifications: the published ones, their names, and what is refused.

use backbone::{Error, OutputStride, Spec, Stage, Variant};

#[test]
fn names_of_variants_are_written_and_read() {
    for variant in Variant::ALL {
        assert_eq!(variant.to_string().parse::<Variant>().unwrap(), variant);
        assert_eq!(serde_json::to_value(variant).unwrap(), variant.name());
        assert_eq!(Spec::from(variant).variant(), Some(variant));
        Spec::from(variant).validate().unwrap();
    }
    assert_eq!("S3".parse::<Variant>().unwrap(), Variant::S3);
    let error = "s5".parse::<Variant>().unwrap_err().to_string();
    assert_eq!(error, "`s5` is not a MobileOne variant: expected s0, s1, s2, s3 or s4");
}

#[test]
fn specification_survives_serde_and_refuses_unknown_and_impossible_values() {
    let spec = Spec::from(Variant::S4);
    let json = serde_json::to_value(&spec).unwrap();
    assert_eq!(serde_json::from_value::<Spec>(json.clone()).unwrap(), spec);

    let mut unknown = json.clone();
    unknown["brunches"] = 4.into();
    assert!(serde_json::from_value::<Spec>(unknown).unwrap_err().to_string().contains("unknown field `brunches`"));
    let mut unknown = json.clone();
    unknown["stages"][1]["se"] = 4.into();
    assert!(serde_json::from_value::<Spec>(unknown).unwrap_err().to_string().contains("unknown field `se`"));
    let mut impossible = json;
    impossible["stages"][1]["blocks"] = 0.into();
    let error = serde_json::from_value::<Spec>(impossible).unwrap_err().to_string();
    assert_eq!(error, "`stages[1].blocks` is 0: expected 1 to 256");
}

#[test]
fn every_number_is_checked() {
    let change = |change: fn(&mut Spec)| {
        let mut spec = Spec::from(Variant::S4);
        change(&mut spec);
        spec.validate().unwrap_err()
    };
    let out_of_range = |error| match error {
        Error::OutOfRange { field, value, .. } => (field, value),
        other => panic!("{other}"),
    };
    assert_eq!(out_of_range(change(|spec| spec.stem = 0)), ("stem".to_owned(), 0));
    assert_eq!(out_of_range(change(|spec| spec.branches = -1)), ("branches".to_owned(), -1));
    assert_eq!(out_of_range(change(|spec| spec.stages[3].width = 1 << 40)), ("stages[3].width".to_owned(), 1 << 40));
    let error = out_of_range(change(|spec| spec.stages[2].squeeze_excite = 11));
    assert_eq!(error, ("stages[2].squeeze_excite".to_owned(), 11));

    let narrow = |before, width, squeeze_excite| {
        let mut spec = Spec::from(Variant::S0);
        spec.stages[0].width = before;
        spec.stages[1] = Stage { width, blocks: 2, squeeze_excite };
        spec.validate()
    };
    assert!(matches!(narrow(48, 15, 1), Err(Error::TooNarrow { stage: 1, channels: 15, needed: 16 })));
    assert!(matches!(narrow(8, 48, 2), Err(Error::TooNarrow { stage: 1, channels: 8, needed: 16 })));
    narrow(8, 48, 1).unwrap();
}

#[test]
fn output_stride_is_written_as_its_number() {
    for output_stride in OutputStride::ALL {
        let json = serde_json::to_value(output_stride).unwrap();
        assert_eq!(json, i64::from(output_stride));
        assert_eq!(serde_json::from_value::<OutputStride>(json).unwrap(), output_stride);
    }
    let error = serde_json::from_str::<OutputStride>("4").unwrap_err().to_string();
    assert_eq!(error, "the output stride is 4: expected 8, 16 or 32");
}

#[test]
fn dilation_starts_with_the_second_block_of_a_stage_whose_stride_it_replaces() {
    let depthwise = |output_stride, stage: usize| {
        let plan = Spec::from(Variant::S1).plan(output_stride);
        let layers = plan.stages[stage].iter().map(|block| block.geometry).filter(|geometry| geometry.kernel == 3);
        layers.map(|geometry| (geometry.stride, geometry.dilation, geometry.padding)).collect::<Vec<_>>()
    };
    assert_eq!(depthwise(OutputStride::Os32, 3), [(2, 1, 1)]);
    assert_eq!(depthwise(OutputStride::Os16, 2)[..2], [(2, 1, 1), (1, 1, 1)]);
    assert_eq!(depthwise(OutputStride::Os16, 3), [(1, 1, 1)]);
    assert_eq!(depthwise(OutputStride::Os8, 1)[..2], [(2, 1, 1), (1, 1, 1)]);
    assert_eq!(depthwise(OutputStride::Os8, 2)[..3], [(1, 1, 1), (1, 2, 2), (1, 2, 2)]);
    assert_eq!(depthwise(OutputStride::Os8, 3), [(1, 2, 2)]);
}
