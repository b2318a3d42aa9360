//! The network of a segmenter, seen from both sides.

use super::*;

fn segment(eval: SegmentEval) -> (nn::VarStore, Segment, Network) {
    let spec = "spec: { stem: 16, stages: [{ width: 16, blocks: 1 }, { width: 16, blocks: 1 }, { width: 16, blocks: 1 }, \
                { width: 16, blocks: 1 }], branches: 1 }";
    let backbone: crate::config::BackboneConfig = serde_yaml::from_str(spec).unwrap();
    let classes = ["a", "b", "c"].map(|name| Class { id: 0, name: name.to_owned() });
    let task = Segment {
        body: Body::new(&backbone).unwrap(),
        head: DeepLabV3Config { channels: 16, ..DeepLabV3Config::default() },
        size: ImageSize { height: 64, width: 64 },
        eval,
        classes: classes.to_vec(),
    };
    tch::manual_seed(3);
    let store = nn::VarStore::new(Device::Cpu);
    let model = task.build(&store.root(), Form::Train).unwrap();
    (store, task, model)
}

/// How far the probabilities of a mirrored image are from the mirrored probabilities.
fn asymmetry(eval: SegmentEval) -> f64 {
    let (_store, task, model) = segment(eval);
    let images = Tensor::randn([1, 3, 64, 96], (Kind::Float, Device::Cpu));
    let probabilities = |images: &Tensor| {
        let output = tch::no_grad(|| task.forward(&model, images, Mode::Eval)).unwrap();
        output.logits.softmax(1, Kind::Float)
    };
    (probabilities(&images).flip([3]) - probabilities(&images.flip([3]))).abs().max().double_value(&[])
}

#[test]
fn averaging_with_the_mirror_image_takes_the_side_out() {
    let averaged = SegmentEval { flip: true, scales: vec![0.75, 1.0], ..SegmentEval::default() };
    assert!(asymmetry(averaged) < 1e-5);
    assert!(asymmetry(SegmentEval::default()) > 1e-4);
    assert!(asymmetry(SegmentEval { scales: vec![0.75, 1.0], ..SegmentEval::default() }) > 1e-4);
}
