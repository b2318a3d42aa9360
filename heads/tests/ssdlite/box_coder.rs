use heads::ssdlite::BoxCoder;
use proptest::prelude::*;
use tch::Tensor;

use crate::support::{any_box, golden, relative, rows};

const CODER_WEIGHTS: [f32; 4] = [10.0, 10.0, 5.0, 5.0];

fn tensor(boxes: &[[f32; 4]]) -> Tensor {
    Tensor::from_slice(boxes.as_flattened()).view([-1, 4])
}

#[test]
fn encoded_boxes_equal_torchvision() {
    let golden = golden("box_coder");
    let coder = BoxCoder::new(CODER_WEIGHTS);
    let pairs = rows(&golden["boxes"]).into_iter().zip(rows(&golden["anchors"]));
    let encoded: Vec<_> = pairs.map(|(bbox, anchor)| coder.encode(&bbox, &anchor)).collect();
    assert!(relative(&tensor(&encoded), &golden["encoded"]) < 1e-6);
}

#[test]
fn decoded_boxes_equal_torchvision_also_where_the_growth_is_limited() {
    let golden = golden("box_coder");
    let coder = BoxCoder::new(CODER_WEIGHTS);
    let pairs = rows(&golden["deltas"]).into_iter().zip(rows(&golden["anchors"]));
    let decoded: Vec<_> = pairs.map(|(deltas, anchor)| coder.decode(&deltas, &anchor)).collect();
    assert!(relative(&tensor(&decoded), &golden["decoded"]) < 1e-6);
}

#[test]
fn deltas_that_are_not_numbers_decode_to_boxes_that_are_not_numbers() {
    let coder = BoxCoder::new(CODER_WEIGHTS);
    for component in 0..4 {
        let mut deltas = [0.0; 4];
        deltas[component] = f32::NAN;
        let axis = component % 2;
        let decoded = coder.decode(&deltas, &[0.0, 0.0, 10.0, 10.0]);
        assert!(decoded[axis].is_nan() && decoded[axis + 2].is_nan(), "component {component}: {decoded:?}");
    }
}

proptest! {
    #[test]
    fn decoding_an_encoded_box_gives_it_back(bbox in any_box(), anchor in any_box(), weight in 0.5_f32..20.0) {
        // The limited growth is out of reach: sides differ by a factor of 62.5 at most where both are at least 3.
        let [bbox, anchor] = [bbox, anchor].map(|[x1, y1, x2, y2]| [x1, y1, x2 + 2.0, y2 + 2.0]);
        let coder = BoxCoder::new([weight, 2.0 * weight, weight, 0.5 * weight]);
        let decoded = coder.decode(&coder.encode(&bbox, &anchor), &anchor);
        for (decoded, corner) in decoded.into_iter().zip(bbox) {
            prop_assert!((decoded - corner).abs() < 1e-3, "{decoded} instead of {corner}");
        }
    }

    #[test]
    fn an_anchor_itself_encodes_to_nothing(anchor in any_box()) {
        prop_assert_eq!(BoxCoder::new(CODER_WEIGHTS).encode(&anchor, &anchor), [0.0; 4]);
    }
}
