//! Averages over views, and outputs that are read back.

use datasets::Mask;
use tch::{Device, Kind};

use super::*;
use crate::task::{Evaluate, Export, OutputKind};

fn segment(eval: SegmentEval) -> (nn::VarStore, Segment, Segmenter) {
    let spec = "spec: { stem: 16, stages: [{ width: 16, blocks: 1 }, { width: 16, blocks: 1 }, { width: 16, blocks: 1 }, \
                { width: 16, blocks: 1 }], branches: 1 }";
    let backbone: crate::config::BackboneConfig = serde_yaml::from_str(spec).unwrap();
    let classes = ["a", "b", "c"].map(|name| Class { id: 0, name: name.to_owned() });
    let task = Segment {
        backbone: BackboneBuilder::new(&backbone, backbone::Purpose::Dense).unwrap(),
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
        let output =
            tch::no_grad(|| task.evaluation_output(&|images| task.forward(&model, images, Mode::Eval), images))
                .unwrap();
        output.logits.softmax(1, Kind::Float)
    };
    (probabilities(&images).flip([3]) - probabilities(&images.flip([3]))).abs().max().double_value(&[])
}

#[test]
fn averaging_with_the_mirror_image_makes_predictions_symmetric() {
    let averaged = SegmentEval { flip: true, scales: vec![0.75, 1.0], ..SegmentEval::default() };
    assert!(asymmetry(averaged) < 1e-5);
    assert!(asymmetry(SegmentEval::default()) > 1e-4);
    assert!(asymmetry(SegmentEval { scales: vec![0.75, 1.0], ..SegmentEval::default() }) > 1e-4);
}

#[test]
fn class_ids_of_a_file_are_checked() {
    let (_store, task, _) = segment(SegmentEval::default());
    let image = Image::new(datasets::Size { height: 2, width: 2 }, 3, vec![0; 12]);
    let sample = task.prepare(&image, "x.jpg".as_ref()).unwrap();
    let read = |output, kind| task.read_outputs(&[output], kind, std::slice::from_ref(&sample));
    let ids = |id: i64| Tensor::from_slice(&[0, 1, 2, id]).view([1, 2, 2]);
    assert_eq!(read(ids(2), OutputKind::Final).unwrap(), [Mask { height: 2, width: 2, data: vec![0, 1, 2, 2] }]);
    // 256 is 0 in a byte.
    for id in [-1, 3, 256] {
        let failure = read(ids(id), OutputKind::Final).unwrap_err().to_string();
        assert_eq!(failure, format!("an output names class {id}, but the classes are 0 to 2"));
    }
    let logits = Tensor::zeros([1, 4, 2, 2], (Kind::Float, Device::Cpu));
    let failure = read(logits, OutputKind::Raw).unwrap_err().to_string();
    assert!(failure.contains("expected [1, 3, H, W]"), "{failure}");
}

#[test]
fn views_are_no_part_of_the_network() {
    let (_store, task, model) = segment(SegmentEval { flip: true, scales: vec![0.75, 1.0], ..SegmentEval::default() });
    let images = Tensor::randn([1, 3, 64, 64], (Kind::Float, Device::Cpu));
    let forward = |images: &Tensor| task.forward(&model, images, Mode::Eval);
    let plain = tch::no_grad(|| forward(&images)).unwrap();
    let viewed = tch::no_grad(|| task.evaluation_output(&forward, &images)).unwrap();
    assert_eq!(viewed.logits.size(), [1, 3, 64, 64]);
    assert_eq!(plain.logits.size(), [1, 3, 2, 2]);
}
