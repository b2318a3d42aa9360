use heads::ssdlite::{FirstLevel, SsdLiteConfig};

use crate::support::{golden, head, rows};

#[track_caller]
fn assert_anchors(key: &str, size: [i64; 2], config: &SsdLiteConfig) {
    assert_eq!(head(size, 3, config).anchors().boxes(), rows(&golden("anchors")[key]));
}

#[test]
fn anchors_at_320_equal_torchvision() {
    assert_anchors("320x320", [320, 320], &SsdLiteConfig::default());
}

#[test]
fn anchors_of_an_input_that_no_stride_divides_equal_torchvision() {
    assert_anchors("200x328", [200, 328], &SsdLiteConfig::default());
}

#[test]
fn anchors_from_c3_with_a_range_of_scales_equal_torchvision() {
    let config =
        SsdLiteConfig { first_level: FirstLevel::C3, min_scale: 0.1, max_scale: 0.9, ..SsdLiteConfig::default() };
    assert_anchors("c3_range_64x64", [64, 64], &config);
}

#[test]
fn anchors_from_c3_with_explicit_scales_and_ratios_equal_torchvision() {
    let ratios: [&[f64]; 7] = [&[2.0], &[2.0, 3.0], &[2.0, 3.0], &[], &[3.0], &[2.0], &[1.5]];
    let config = SsdLiteConfig {
        first_level: FirstLevel::C3,
        scales: Some(vec![0.04, 0.1, 0.26, 0.42, 0.58, 0.74, 0.9, 1.06]),
        aspect_ratios: Some(ratios.map(<[f64]>::to_vec).to_vec()),
        ..SsdLiteConfig::default()
    };
    assert_anchors("c3_explicit_96x64", [96, 64], &config);
}

#[test]
fn anchors_have_the_size_of_the_input_and_their_number() {
    let head = head([64, 96], 3, &SsdLiteConfig::default());
    assert_eq!(head.anchors().size(), [64, 96]);
    assert_eq!(head.anchors().len(), 6 * (4 * 6 + 2 * 3 + 2 + 1 + 1 + 1));
    assert!(!head.anchors().is_empty());
}
