use backbone::{Form, OutputStride};
use heads::{
    HeadSpec,
    deeplabv3::{AuxiliaryConfig, DeepLabV3, DeepLabV3Config, OhemConfig},
};
use tch::{Device, nn::VarStore};

use crate::support::CHANNELS;

fn read(json: &str) -> Result<DeepLabV3Config, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn defaults_are_torchvisions() {
    let config = read("{}").unwrap();
    assert_eq!(config, DeepLabV3Config::default());
    config.validate().unwrap();
    assert_eq!((config.channels, config.dropout, config.extra_conv), (256, 0.5, true));
    let auxiliary = read(r#"{"auxiliary": {}}"#).unwrap().auxiliary.unwrap();
    assert_eq!(auxiliary, AuxiliaryConfig { weight: 0.5, channels: None, dropout: 0.1 });
    let ohem = read(r#"{"ohem": {"min_kept": 7}}"#).unwrap().ohem.unwrap();
    assert_eq!(ohem, OhemConfig { threshold: 0.7, min_kept: 7 });
}

#[test]
fn rates_follow_the_output_stride_unless_given() {
    let rates = |json| OutputStride::ALL.map(|stride| read(json).unwrap().resolved_rates(stride));
    assert_eq!(rates("{}"), [vec![12, 24, 36], vec![6, 12, 18], vec![3, 6, 9]]);
    assert_eq!(rates(r#"{"rates": [2, 4]}"#), [vec![2, 4], vec![2, 4], vec![2, 4]]);
}

#[test]
fn settings_are_written_and_read_back() {
    let config = read(
        r#"{"channels": 512, "rates": [1], "separable": true, "extra_conv": false, "auxiliary": {"weight": 0.4},
            "ignore_index": 0, "class_weights": [1, 2.5], "ohem": {"threshold": 0.9}}"#,
    );
    let config = config.unwrap();
    config.validate().unwrap();
    assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn unknown_settings_are_refused() {
    for (json, key) in [
        (r#"{"chanels": 5}"#, "`channels`"),
        (r#"{"auxiliary": {"wieght": 5}}"#, "`weight`"),
        (r#"{"ohem": {"keep": 5}}"#, "`min_kept`"),
    ] {
        let message = read(json).unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn numbers_outside_their_range_are_refused() {
    for (json, message) in [
        (r#"{"channels": 0}"#, "`channels` is 0, expected at least 1"),
        (r#"{"rates": [6, 0]}"#, "`rates` is 0, expected from 1 to 1024"),
        (r#"{"rates": [1025]}"#, "`rates` is 1025, expected from 1 to 1024"),
        (r#"{"dropout": 1}"#, "`dropout` is 1, expected a number from 0, below 1"),
        (r#"{"auxiliary": {"weight": -1}}"#, "`auxiliary.weight` is -1, expected 0 or a finite number above"),
        (r#"{"auxiliary": {"channels": 0}}"#, "`auxiliary.channels` is 0, expected at least 1"),
        (r#"{"auxiliary": {"dropout": 2}}"#, "`auxiliary.dropout` is 2, expected a number from 0, below 1"),
        (r#"{"class_weights": [0]}"#, "`class_weights` is 0, expected at least one number above 0"),
        (r#"{"ohem": {"threshold": 0}}"#, "`ohem.threshold` is 0, expected a number above 0, at most 1"),
        (r#"{"ohem": {"min_kept": 0}}"#, "`ohem.min_kept` is 0, expected at least 1"),
        (r#"{"bn_eps": 0}"#, "`bn_eps` is 0, expected a finite number above 0"),
        (r#"{"bn_momentum": 1.5}"#, "`bn_momentum` is 1.5, expected a number above 0, at most 1"),
    ] {
        assert_eq!(read(json).unwrap().validate().unwrap_err().to_string(), message);
    }
}

#[test]
fn a_head_that_cannot_be_built_registers_nothing() {
    let store = VarStore::new(Device::Cpu);
    let new = |channels, classes, json| {
        let config = read(json).unwrap();
        let spec = HeadSpec { channels, output_stride: OutputStride::Os16, classes, form: Form::Train };
        DeepLabV3::new(&store.root(), &spec, &config).unwrap_err().to_string()
    };
    assert_eq!(new(CHANNELS, 0, "{}"), "class count of a head must be at least 1, found 0");
    assert_eq!(new([4, 8, 0, 4], 3, "{}"), "channels of the features of a head must be at least 1, found 0");
    assert_eq!(
        new(CHANNELS, 3, r#"{"class_weights": [1, 2]}"#),
        "`class_weights` has 2 entries, expected 3 (one for each class)"
    );
    assert!(new(CHANNELS, 3, r#"{"bn_eps": -1}"#).starts_with("`bn_eps` is -1"));
    assert!(store.is_empty());
}
