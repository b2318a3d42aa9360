//! Channels-last memory, and a training step in it.

use tch::{Device, Kind, Tensor, nn};
use tch_ext::{Error, channels_last, convert_channels_last, is_channels_last};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

#[test]
fn converting_changes_the_memory_and_keeps_the_values() {
    let image = Tensor::arange(120, CPU).view([2, 3, 4, 5]);
    let converted = channels_last(&image);
    assert!(!is_channels_last(&image) && is_channels_last(&converted));
    assert_eq!(converted.stride(), [60, 1, 15, 3]);
    assert_eq!(converted, image);
    assert_eq!(channels_last(&converted).data_ptr(), converted.data_ptr());
}

#[test]
fn tensors_that_are_not_images_are_returned_unchanged() {
    let vector = Tensor::arange(6, CPU);
    assert_eq!(channels_last(&vector).data_ptr(), vector.data_ptr());
    assert!(!is_channels_last(&vector));
    assert!(!channels_last(&Tensor::new()).defined());
    assert!(!is_channels_last(&Tensor::new()));
}

#[test]
fn gradients_flow_through_the_conversion() {
    let image = Tensor::ones([1, 2, 2, 2], CPU).set_requires_grad(true);
    (channels_last(&image) * 3.0).sum(Kind::Float).backward();
    assert_eq!(image.grad(), Tensor::ones([1, 2, 2, 2], CPU) * 3.0);
}

/// A depthwise and a pointwise convolution, the two that MobileOne is made of.
fn separable(vs: &nn::VarStore) -> impl Fn(&Tensor) -> Tensor + use<> {
    let same = nn::ConvConfig { padding: 1, groups: 8, bias: false, ..Default::default() };
    let depthwise = nn::conv2d(vs.root() / "depthwise", 8, 8, 3, same);
    let pointwise = nn::conv2d(vs.root() / "pointwise", 8, 16, 1, nn::ConvConfig { bias: false, ..Default::default() });
    move |image| image.apply(&depthwise).relu().apply(&pointwise)
}

#[test]
fn parameters_converted_in_place_train_as_before() {
    tch::manual_seed(3);
    let vs = nn::VarStore::new(Device::Cpu);
    let net = separable(&vs);
    let image = Tensor::randn([2, 8, 9, 9], CPU);
    let mut params: Vec<_> = vs.variables().into_iter().collect();
    params.sort_by(|a, b| a.0.cmp(&b.0));
    let params: Vec<_> = params.into_iter().map(|(_, param)| param).collect();
    let step = |image: &Tensor| {
        tch_ext::foreach::clear_gradients(&params);
        let output = net(image);
        output.square().mean(Kind::Float).backward();
        let gradients = tch_ext::foreach::gradients(&params).into_iter().flatten().collect::<Vec<_>>();
        (output.detach(), gradients)
    };
    let (expected, expected_gradients) = step(&image);

    convert_channels_last(&params).unwrap();
    assert!(params.iter().all(|param| is_channels_last(param) && param.requires_grad() && param.is_leaf()));
    assert!(vs.variables().values().all(is_channels_last), "the variable store shares the parameters");
    let (found, gradients) = step(&channels_last(&image));
    assert!(is_channels_last(&found));
    assert!(found.allclose(&expected, 1e-5, 1e-6, false));
    assert_eq!(gradients.len(), 2);
    for (found, expected) in gradients.iter().zip(&expected_gradients) {
        assert!(found.allclose(expected, 1e-5, 1e-6, false));
    }
}

#[test]
fn vectors_among_the_parameters_are_not_changed() {
    let params = [Tensor::arange(4, CPU), Tensor::arange(16, CPU).view([2, 2, 2, 2])];
    let address = params[0].data_ptr();
    convert_channels_last(&params).unwrap();
    assert_eq!(params[0].data_ptr(), address);
    assert_eq!(params[1].stride(), [8, 1, 4, 2]);

    let error = convert_channels_last(&[Tensor::new()]).unwrap_err();
    assert!(matches!(error, Error::Undefined { list: "parameters", index: 0 }), "{error}");
}
