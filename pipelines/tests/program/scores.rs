//! `pipeline score`: files of predictions against files of truth.

use crate::workshop::{Workshop, fail, output, read, succeed};
use serde_json::{Value, json};
use std::path::Path;

/// The true boxes of the validation images as COCO results: shifted by three pixels, of falling scores.
fn results(workshop: &Workshop) -> (String, String) {
    let truth = workshop.at("shapes/coco/instances_val.json");
    let annotations: Value = serde_json::from_str(&read(&truth)).unwrap();
    let found: Vec<Value> = annotations["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(index, object)| {
            let mut bbox = object["bbox"].clone();
            bbox[0] = json!(bbox[0].as_f64().unwrap() + 3.0);
            let score = 1.0 - index as f64 / 100.0;
            json!({ "image_id": object["image_id"], "category_id": object["category_id"], "bbox": bbox, "score": score })
        })
        .collect();
    std::fs::write(workshop.path("found.json"), Value::from(found).to_string()).unwrap();
    (truth, workshop.at("found.json"))
}

#[test]
fn detections_are_scored_as_csv_and_analysed() {
    let workshop = Workshop::new();
    let (truth, found) = results(&workshop);
    let files = ["score", "--task", "detect", "--annotations", &truth, "--predictions", &found];
    let with = |more: &[&str]| succeed(&[&files[..], more].concat());

    let shown = with(&[]);
    assert!(shown.contains("Comparable with a leaderboard: no"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    let csv = with(&["--csv"]);
    assert!(csv.starts_with("metric,value\nAP,0."), "{csv}");
    let classes = with(&["--csv", "--per-class"]);
    assert_eq!(classes.lines().count(), 1 + 5, "{classes}");

    let folder = workshop.at("analysis");
    let analysis = with(&["--analyze", "-o", &folder]);
    for word in ["best F1", "AP50 lost", "predicted as", "all, one threshold"] {
        assert!(analysis.contains(word), "{word}: {analysis}");
    }
    assert!(analysis.lines().all(|line| line.chars().count() <= 100), "{analysis}");
    for file in
        ["report.json", "report.md", "report.csv", "classes.csv", "plots/precision_recall.svg", "plots/confusion.svg"]
    {
        assert!(Path::new(&folder).join(file).is_file(), "{file}");
    }
    assert!(fail(&[&files[..], &["--per-class"]].concat(), 2).contains("--csv"));
    assert!(fail(&[&files[..], &["--split", "val"]].concat(), 2).contains("--split has no meaning"));
}

#[test]
fn detections_are_scored_against_a_voc_devkit() {
    let workshop = Workshop::new();
    let (_, found) = results(&workshop);
    let mut detections: Value = serde_json::from_str(&read(&found)).unwrap();
    let coco: Value = serde_json::from_str(&read(workshop.path("shapes/coco/instances_val.json"))).unwrap();
    let stem = |id: &Value| {
        let image = coco["images"].as_array().unwrap().iter().find(|image| image["id"] == *id).unwrap();
        image["file_name"].as_str().unwrap().trim_end_matches(".jpg").to_owned()
    };
    for detection in detections.as_array_mut().unwrap() {
        detection["image_id"] = stem(&detection["image_id"]).into();
    }
    std::fs::write(&found, detections.to_string()).unwrap();
    let names: Vec<&str> =
        coco["categories"].as_array().unwrap().iter().map(|category| category["name"].as_str().unwrap()).collect();
    std::fs::write(workshop.path("names.txt"), names.join("\n")).unwrap();

    let (root, names) = (workshop.at("shapes"), workshop.at("names.txt"));
    let files = ["score", "--task", "detect", "--annotations", &root, "--predictions", &found, "--class-names", &names];
    let report: Value = serde_json::from_str(&succeed(&[&files[..], &["--split", "val", "--json"]].concat())).unwrap();
    assert!(report["voc_2010"]["map"].as_f64().unwrap() > 0.9, "{report}");
    // The annotations state the sizes.
    std::fs::remove_dir_all(workshop.path("shapes/JPEGImages")).unwrap();
    let without_images = succeed(&[&files[..], &["--split", "val", "--json"]].concat());
    assert_eq!(serde_json::from_str::<Value>(&without_images).unwrap(), report);
    let shown = succeed(&[&files[..], &["--split", "val"]].concat());
    assert!(shown.contains("AP 2007") && shown.contains("AP 2010"), "{shown}");
    assert!(fail(&files, 2).contains("--split val"));

    detections[3]["image_id"] = "nowhere".into();
    std::fs::write(&found, detections.to_string()).unwrap();
    let errors = fail(&[&files[..], &["--split", "val"]].concat(), 1);
    assert!(errors.contains("found.json") && errors.contains("nowhere"), "{errors}");
}

#[test]
fn wrong_predictions_are_named_with_their_place() {
    let workshop = Workshop::new();
    let (truth, found) = results(&workshop);
    let complete = read(&found);
    let good: Value = serde_json::from_str(&complete).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut wrong = good.clone();
        change(&mut wrong[2]);
        wrong.to_string()
    };
    let cases = [
        (changed(&|entry| entry["image_id"] = json!(987)), "987"),
        (changed(&|entry| entry["bbox"] = json!([1, 2, 3])), "bbox has 3 numbers instead of 4"),
        (changed(&|entry| entry["bbox"][2] = json!("huge")).replace("\"huge\"", "1e999"), "bbox[2] is 1e999"),
        (complete[..complete.len() / 2].to_owned(), "cut short"),
    ];
    for (text, word) in cases {
        std::fs::write(&found, text).unwrap();
        let errors = fail(&["score", "--task", "detect", "--annotations", &truth, "--predictions", &found], 1);
        assert!(errors.contains("found.json") && errors.contains(word), "{word}: {errors}");
    }
    std::fs::write(&found, changed(&|entry| entry["category_id"] = json!(77))).unwrap();
    let scored = fail(&["score", "--task", "detect", "--annotations", &truth, "--predictions", &found], 0);
    assert!(scored.contains("left out 1 prediction(s) of categories"), "{scored}");
    let help = output(&mut crate::workshop::pipeline(&["score", "--help"]));
    assert!(String::from_utf8_lossy(&help.stdout).contains("--analyze"));
}
