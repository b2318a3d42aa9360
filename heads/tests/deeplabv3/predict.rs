use backbone::{Form, OutputStride};
use heads::{
    Error,
    deeplabv3::{Output, upsample},
};
use tch::{Device, Kind, Tensor};

use crate::support::{assert_close, build, small};

fn output(logits: Tensor) -> Output {
    Output { logits, auxiliary: None }
}

#[test]
fn each_pixel_gets_its_most_probable_class_at_any_size() {
    let (_, head) = build(&small(), OutputStride::Os16, Form::Deploy, Kind::Float);
    let ids = Tensor::from_slice(&[0_i64, 3, 2, 1]).view([1, 2, 2]);
    let logits = ids.one_hot(4).permute([0, 3, 1, 2]).to_kind(Kind::Float);
    let output = output(logits);
    assert_eq!(head.predict(&output, [2, 2]).unwrap(), ids);
    let large = head.predict(&output, [64, 32]).unwrap();
    let blocks = ids.repeat_interleave_self_int(32, 1, None).repeat_interleave_self_int(16, 2, None);
    assert_eq!((large.kind(), large.size()), (Kind::Int64, vec![1, 64, 32]));
    let differing = large.ne_tensor(&blocks).sum(Kind::Int64).int64_value(&[]);
    assert_eq!(differing, 0, "four corners, each its own class");
    let small = head.predict(&output, [1, 1]).unwrap();
    assert_eq!(small.size(), [1, 1, 1]);
}

#[test]
fn of_equally_probable_classes_the_first_is_taken() {
    let (_, head) = build(&small(), OutputStride::Os16, Form::Deploy, Kind::Float);
    let even = output(Tensor::ones([2, 4, 3, 3], (Kind::Float, Device::Cpu)));
    assert_eq!(head.predict(&even, [5, 7]).unwrap(), Tensor::zeros([2, 5, 7], (Kind::Int64, Device::Cpu)));
}

#[test]
fn half_precision_is_upsampled_in_single_precision() {
    let maps = Tensor::randn([2, 4, 3, 5], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
    let upsampled = upsample(&maps, [10, 11]).unwrap();
    assert_eq!(upsampled.kind(), Kind::Float);
    assert_close(&upsampled, &upsample(&maps.to_kind(Kind::Float), [10, 11]).unwrap(), 1e-12);
}

#[test]
fn outputs_of_another_head_and_empty_sizes_are_refused() {
    let (_, head) = build(&small(), OutputStride::Os16, Form::Deploy, Kind::Float);
    let zeros = |size: &[i64]| output(Tensor::zeros(size, (Kind::Float, Device::Cpu)));
    let error = head.predict(&zeros(&[2, 5, 3, 3]), [8, 8]).unwrap_err();
    assert_eq!(error.to_string(), "logits have shape [2, 5, 3, 3], expected [N, 4, h, w]");
    let error = head.predict(&zeros(&[2, 4, 3, 3]), [0, 8]).unwrap_err();
    assert!(matches!(error, Error::NotPositive { value: 0, .. }), "{error}");
}
