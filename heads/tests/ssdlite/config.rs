use heads::{
    Error,
    ssdlite::{FirstLevel, SsdLiteConfig},
};

fn read(json: &str) -> Result<SsdLiteConfig, serde_json::Error> {
    serde_json::from_str(json)
}

#[track_caller]
fn assert_refused(json: &str, message: &str) {
    let error = read(json).unwrap().validate().unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn defaults_are_torchvisions() {
    let config = read("{}").unwrap();
    assert_eq!(config, SsdLiteConfig::default());
    config.validate().unwrap();
    let scales = config.resolved_scales();
    let expected = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0];
    assert!(scales.iter().zip(expected).all(|(scale, expected)| (scale - expected).abs() < 1e-12), "{scales:?}");
    assert_eq!(config.resolved_aspect_ratios(), vec![vec![2.0, 3.0]; 6]);
    assert_eq!(config.negatives_per_positive(), 3.0);
}

#[test]
fn settings_are_written_and_read_back() {
    let config = read(r#"{"first_level": "c3", "scales": [0.1, 0.2, 0.3, 0.4], "extra_channels": []}"#).unwrap();
    assert_eq!((config.first_level, config.levels()), (FirstLevel::C3, 3));
    config.validate().unwrap();
    assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn unknown_settings_are_refused() {
    let message = read(r#"{"iou_treshold": 0.5}"#).unwrap_err().to_string();
    assert!(message.contains("iou_treshold") && message.contains("`iou_threshold`"), "{message}");
}

#[test]
fn lists_must_fit_the_levels() {
    assert_refused(
        r#"{"scales": [0.1, 0.5]}"#,
        "`scales` has 2 entries, expected 7 (one for each of 6 levels, one more)",
    );
    assert_refused(
        r#"{"first_level": "c3", "aspect_ratios": [[2], [2], [2], [2], [2], [2]]}"#,
        "`aspect_ratios` has 6 entries, expected 7 (one list for each level)",
    );
}

#[test]
fn numbers_outside_their_range_are_refused() {
    assert_refused(r#"{"min_scale": 0}"#, "`min_scale` is 0, expected a finite number above 0");
    assert_refused(
        r#"{"min_scale": 0.5, "max_scale": 0.4}"#,
        "`max_scale` is 0.4, expected a finite number, at least `min_scale`",
    );
    assert_refused(
        r#"{"scales": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, -1]}"#,
        "`scales` is -1, expected a finite number above 0",
    );
    assert_refused(
        r#"{"aspect_ratios": [[2], [2], [2], [2], [0], [2]]}"#,
        "`aspect_ratios` is 0, expected a finite number above 0",
    );
    assert_refused(r#"{"extra_channels": [512, 1]}"#, "`extra_channels` is 1, expected at least 2");
    assert_refused(r#"{"positive_fraction": 0}"#, "`positive_fraction` is 0, expected a number above 0, at most 1");
    assert_refused(r#"{"box_weights": [10, 10, 0, 5]}"#, "`box_weights` is 0, expected a finite number above 0");
    assert_refused(
        r#"{"classification_weight": -1}"#,
        "`classification_weight` is -1, expected 0 or a finite number above",
    );
    assert_refused(
        r#"{"localization_weight": -1}"#,
        "`localization_weight` is -1, expected 0 or a finite number above",
    );
    assert_refused(r#"{"iou_threshold": 1.5}"#, "`iou_threshold` is 1.5, expected a number from 0 to 1");
    assert_refused(r#"{"score_threshold": -0.1}"#, "`score_threshold` is -0.1, expected a number from 0 to 1");
    assert_refused(r#"{"nms_threshold": 2}"#, "`nms_threshold` is 2, expected a number from 0 to 1");
    assert_refused(r#"{"topk_candidates": 0}"#, "`topk_candidates` is 0, expected at least 1");
    assert_refused(r#"{"detections_per_image": 0}"#, "`detections_per_image` is 0, expected at least 1");
    assert_refused(r#"{"bn_eps": 0}"#, "`bn_eps` is 0, expected a finite number above 0");
    assert_refused(r#"{"bn_momentum": 0}"#, "`bn_momentum` is 0, expected a number above 0, at most 1");
    assert_refused(r#"{"init_std": -0.03}"#, "`init_std` is -0.03, expected 0 or a finite number above");
}

#[test]
fn values_that_are_not_numbers_are_refused() {
    for config in [
        SsdLiteConfig { max_scale: f64::NAN, ..Default::default() },
        SsdLiteConfig { nms_threshold: f64::NAN, ..Default::default() },
        SsdLiteConfig { init_std: f64::INFINITY, ..Default::default() },
    ] {
        assert!(matches!(config.validate(), Err(Error::ConfigRange { .. })), "{config:?}");
    }
}
