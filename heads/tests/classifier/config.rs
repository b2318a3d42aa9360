use heads::{
    Error,
    classifier::{Classifier, ClassifierConfig},
};
use tch::{Device, nn::VarStore};

fn read(json: &str) -> Result<ClassifierConfig, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn settings_are_written_and_read_back() {
    assert_eq!(read("{}").unwrap(), ClassifierConfig::default());
    let config = read(r#"{"dropout": 0.2, "label_smoothing": 0.1, "class_weights": [1, 0, 2.5]}"#).unwrap();
    config.validate().unwrap();
    assert_eq!(config.class_weights, Some(vec![1.0, 0.0, 2.5]));
    assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    assert!(read(r#"{"drop_out": 0.2}"#).unwrap_err().to_string().contains("`dropout`"));
}

#[test]
fn numbers_outside_their_range_are_refused() {
    for (json, message) in [
        (r#"{"dropout": 1}"#, "`dropout` is 1, expected a number from 0, below 1"),
        (r#"{"label_smoothing": -0.1}"#, "`label_smoothing` is -0.1, expected a number from 0, below 1"),
        (r#"{"class_weights": [1, -1]}"#, "`class_weights` is -1, expected 0 or a finite number above"),
        (r#"{"class_weights": [0, 0]}"#, "`class_weights` is 0, expected at least one number above 0"),
    ] {
        assert_eq!(read(json).unwrap().validate().unwrap_err().to_string(), message);
    }
    let not_a_number = ClassifierConfig { dropout: f64::NAN, ..ClassifierConfig::default() };
    assert!(matches!(not_a_number.validate(), Err(Error::ConfigRange { key: "dropout", .. })));
}

#[test]
fn a_head_that_cannot_be_built_registers_nothing() {
    let store = VarStore::new(Device::Cpu);
    let new = |channels, classes, config: &ClassifierConfig| {
        Classifier::new(&store.root(), channels, classes, config).unwrap_err().to_string()
    };
    let plain = ClassifierConfig::default();
    assert_eq!(new(0, 3, &plain), "channels of the features of a head must be at least 1, found 0");
    assert_eq!(new(8, 0, &plain), "class count of a head must be at least 1, found 0");
    let weighted = ClassifierConfig { class_weights: Some(vec![1.0, 2.0]), ..plain };
    assert_eq!(new(8, 3, &weighted), "`class_weights` has 2 entries, expected 3 (one for each class)");
    assert!(store.is_empty());
}
