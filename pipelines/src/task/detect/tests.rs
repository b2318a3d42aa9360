//! Exported detectors without a network: the final steps, and outputs that are read back.

use heads::ssdlite::{Decoded, SsdLiteConfig, select};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};
use tch_ext::jit::Module;

use super::*;
use crate::task::{Export, FinalSteps, OutputKind};

fn detect(head: SsdLiteConfig, classes: usize) -> Detect {
    let backbone = serde_yaml::from_str("variant: s0").unwrap();
    let class = |id| Class { id, name: id.to_string() };
    Detect {
        backbone: BackboneBuilder::new(&backbone, backbone::Purpose::Dense).unwrap(),
        head,
        size: ImageSize { height: 64, width: 64 },
        classes: (0..classes as u64).map(class).collect(),
    }
}

fn scripted(task: &Detect) -> Module {
    let FinalSteps { helpers, body, .. } = task.final_steps(OutputKind::Final);
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    let mut module = Module::new("Detector").unwrap();
    let result = "Tuple[Tensor, Tensor, Tensor, Tensor]";
    module.define(&format!("{helpers}\ndef forward(self, boxes, scores) -> {result}:\n{body}")).unwrap();
    module
}

/// Boxes on a coarse grid and scores of few values, so that overlaps meet the threshold exactly and scores are equal.
fn decoded(images: usize, anchors: usize, classes: usize, numbers: &[u8]) -> Decoded {
    let mut numbers = numbers.iter().copied().cycle();
    let mut next = |levels: u8| f32::from(numbers.next().unwrap_or(0) % levels);
    let mut boxes = Vec::new();
    let mut scores = Vec::new();
    for _ in 0..images * anchors {
        let (x, y, width, height) = (next(6), next(6), next(5), next(5));
        boxes.extend([x, y, x + width, y + height]);
        scores.extend((0..=classes).map(|_| next(9) / 8.0));
    }
    let (images, anchors) = (images as i64, anchors as i64);
    Decoded {
        boxes: Tensor::from_slice(&boxes).view([images, anchors, 4]),
        scores: Tensor::from_slice(&scores).view([images, anchors, -1]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The suppression inside an exported file keeps the same boxes in the same order as the head, ties included.
    #[test]
    fn suppression_in_torchscript_is_that_of_the_head(
        images in 1usize..3, anchors in 1usize..25, classes in 1usize..4,
        numbers in proptest::collection::vec(any::<u8>(), 97..398),
        (topk, most) in (1usize..12, 1usize..12),
        threshold in prop::sample::select(vec![0.0, 0.25, 1.0 / 3.0, 0.45, 0.5, 0.55, 1.0]),
    ) {
        let config = SsdLiteConfig {
            score_threshold: 0.2,
            nms_threshold: threshold,
            topk_candidates: topk,
            detections_per_image: most,
            ..SsdLiteConfig::default()
        };
        let decoded = decoded(images, anchors, classes, &numbers);
        let expected = select(&decoded, &config).unwrap();
        let task = detect(config, classes);
        let outputs = scripted(&task).run(&[decoded.boxes.shallow_clone(), decoded.scores.shallow_clone()]);
        prop_assert_eq!(&task.read(&outputs.unwrap(), OutputKind::Final, images).unwrap(), &expected);
        prop_assert_eq!(&task.read(&[decoded.boxes, decoded.scores], OutputKind::Raw, images).unwrap(), &expected);
    }
}

#[test]
fn an_image_without_detections_has_empty_outputs() {
    let empty = Decoded {
        boxes: Tensor::zeros([2, 3, 4], (Kind::Float, Device::Cpu)),
        scores: Tensor::zeros([2, 3, 5], (Kind::Float, Device::Cpu)),
    };
    let outputs = scripted(&detect(SsdLiteConfig::default(), 4)).run(&[empty.boxes, empty.scores]).unwrap();
    assert_eq!(outputs.iter().map(Tensor::size).collect::<Vec<_>>(), [vec![0, 4], vec![0], vec![0], vec![0]]);
    assert!(outputs[2].kind() == Kind::Int64 && outputs[3].kind() == Kind::Int64);
}

/// The error of reading one detection with this label in this image, for two classes and one image.
fn error(label: i64, image: i64) -> Option<String> {
    let boxes = Tensor::zeros([1, 4], (Kind::Float, Device::Cpu));
    let outputs = [boxes, Tensor::from_slice(&[0.9_f32]), Tensor::from_slice(&[label]), Tensor::from_slice(&[image])];
    let read = detect(SsdLiteConfig::default(), 2).read(&outputs, OutputKind::Final, 1);
    read.err().map(|failure| failure.to_string())
}

#[test]
fn labels_and_images_of_a_file_are_checked() {
    assert_eq!(error(1, 0).or(error(2, 0)), None);
    for label in [i64::MIN, -1, 0, 3, i64::MAX] {
        let expected = format!("an output names class {label}, but the classes are 1 to 2");
        assert_eq!(error(label, 0), Some(expected));
    }
    assert_eq!(error(1, 1), Some("an output names image 1 of 1".to_owned()));
    let raw = [4, 6].map(|side| Tensor::zeros([1, 3, side], (Kind::Float, Device::Cpu)));
    let failure = detect(SsdLiteConfig::default(), 2).read(&raw, OutputKind::Raw, 1).unwrap_err().to_string();
    assert!(failure.contains("expected scores [1, anchors, 3]"), "{failure}");
}
