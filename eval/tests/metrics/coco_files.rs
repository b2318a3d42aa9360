//! Files: what is written is what was in memory, and what cannot be read is named with its place.

use std::fs;

use eval::coco::{
    Annotation, Category, CocoEvaluator, CocoReport, Detection, Finding, GroundTruth, Image, ImageMatch, IouType,
    Prediction, PredictionWriter, read_predictions, score_files, score_files_with, write_predictions,
};

use crate::Outcome;
use crate::folder::{Folder, message};

const BBOX: [f64; 4] = [10.0, 20.0, 30.0, 40.0];

fn image(id: u64) -> Image {
    Image { id, width: 640, height: 480, file_name: format!("{id}.jpg") }
}

fn category(id: u64) -> Category {
    Category { id, name: format!("class {id}") }
}

fn annotation(image_id: u64, category_id: u64) -> Annotation {
    Annotation { image_id, category_id, bbox: BBOX, area: 1000.0, crowd: false }
}

fn detection(category_id: u64, score: f64) -> Detection {
    Detection { category_id, bbox: BBOX, score }
}

/// Images 5 and 3, categories 9 and 2, an object of category 9 on image 5.
fn small() -> Result<GroundTruth, eval::Error> {
    GroundTruth::from_parts(vec![image(5), image(3)], vec![category(9), category(2)], vec![annotation(5, 9)])
}

#[test]
fn a_written_file_scores_as_the_predictions_in_memory() -> Outcome {
    let folder = Folder::new()?;
    let ground_truth = small()?;
    let third = 1.0 / 3.0;
    let of_image = [
        Detection { category_id: 9, bbox: [10.0 + third, 20.0, 30.0, 40.0], score: third },
        Detection { category_id: 9, bbox: [10.1, 20.0, 30.0, 1e-7], score: f64::from(0.7f32) },
        Detection { category_id: 2, bbox: [-0.0, 0.0, 1e21, 1e-300], score: -3.5 },
    ];
    let mut evaluator = CocoEvaluator::new(ground_truth.clone())?;
    let mut writer = PredictionWriter::create(folder.path("predictions.json"))?;
    for (image_id, detections) in [(5, &of_image[..]), (3, &of_image[1..])] {
        evaluator.add(image_id, detections)?;
        writer.add(image_id, detections)?;
    }
    assert_eq!(writer.finish()?, 5);
    ground_truth.write(folder.path("annotations.json"))?;

    let read = read_predictions(folder.path("predictions.json"))?;
    let bits = |d: &Detection| (d.category_id, d.bbox.map(f64::to_bits), d.score.to_bits());
    let read: Vec<_> = read.iter().map(|prediction| (prediction.image_id, bits(&prediction.detection()))).collect();
    let written = of_image.iter().map(|d| (5, bits(d))).chain(of_image[1..].iter().map(|d| (3, bits(d))));
    assert_eq!(read, written.collect::<Vec<_>>());

    let scored = score_files(folder.path("annotations.json"), folder.path("predictions.json"), IouType::Bbox)?;
    let in_memory = evaluator.finish()?;
    assert_eq!(scored, in_memory);
    assert_eq!(scored.detections, 5);
    assert!(scored.ap() > 0.0 && scored.ap() < 1.0, "AP {} could not tell the two apart", scored.ap());
    Ok(())
}

#[test]
fn written_ground_truth_reads_back_complete() -> Outcome {
    let folder = Folder::new()?;
    let crowd = Annotation { crowd: true, area: 0.1 + 0.2, ..annotation(3, 2) };
    let ground_truth = GroundTruth::from_parts(
        vec![image(5), image(3)],
        vec![category(9), category(2)],
        vec![crowd, annotation(5, 9), annotation(3, 9)],
    )?;
    assert_eq!(ground_truth.annotations(), [annotation(5, 9), crowd, annotation(3, 9)], "grouped by image");
    ground_truth.write(folder.path("annotations.json"))?;
    let read = GroundTruth::from_file(folder.path("annotations.json"))?;
    assert_eq!(read.images(), ground_truth.images());
    assert_eq!(read.categories(), ground_truth.categories());
    assert_eq!(read.annotations(), ground_truth.annotations());
    assert_eq!(read.findings(), []);

    let json: serde_json::Value = serde_json::from_slice(&fs::read(folder.path("annotations.json"))?)?;
    assert_eq!(json["annotations"][1]["id"], 2);
    assert_eq!(json["annotations"][1]["iscrowd"], 1);
    Ok(())
}

#[test]
fn no_predictions_score_zero_and_no_objects_score_minus_one() -> Outcome {
    let folder = Folder::new()?;
    assert_eq!(write_predictions(folder.path("none.json"), [])?, 0);
    small()?.write(folder.path("annotations.json"))?;
    let report = score_files(folder.path("annotations.json"), folder.path("none.json"), IouType::Bbox)?;
    // The object is of 1000 square pixels: medium and large have nothing to find.
    assert_eq!(report.stats, [0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0]);
    assert_eq!(report.per_class[0].ap, Some(0.0));
    assert_eq!(report.per_class[1].ap, None);

    let nothing = GroundTruth::from_parts(vec![image(5)], vec![category(9)], Vec::new())?;
    let mut evaluator = CocoEvaluator::new(nothing)?;
    evaluator.add(5, &[detection(9, 0.5)])?;
    assert_eq!(evaluator.finish()?.stats, [-1.0; 12]);

    let empty = GroundTruth::from_parts(Vec::new(), Vec::new(), Vec::new())?;
    let report = CocoEvaluator::new(empty)?.finish()?;
    assert_eq!((report.stats, report.per_class.len()), ([-1.0; 12], 0));
    Ok(())
}

#[test]
fn an_image_never_added_counts_as_missed() -> Outcome {
    let both = vec![annotation(5, 9), annotation(3, 9)];
    let ground_truth = GroundTruth::from_parts(vec![image(5), image(3)], vec![category(9)], both)?;
    let mut evaluator = CocoEvaluator::new(ground_truth)?;
    evaluator.add(3, &[detection(9, 0.5)])?;
    assert_eq!(evaluator.finish()?.ar_100(), 0.5);
    Ok(())
}

#[test]
fn invalid_detections_are_refused_and_not_added() -> Outcome {
    let folder = Folder::new()?;
    let mut evaluator = CocoEvaluator::new(small()?)?;
    let good = detection(9, 0.5);
    let unknown = evaluator.add(5, &[good, detection(1, 0.5)]);
    assert_eq!(folder.message(unknown), "image 5: detections[1]: category 1 is not in the ground truth");
    let not_finite = evaluator.add(5, &[Detection { bbox: [0.0, f64::INFINITY, 1.0, 1.0], ..good }]);
    assert_eq!(folder.message(not_finite), "image 5: detections[0]: bbox is inf instead of a finite number");
    let no_number = evaluator.add(5, &[detection(9, f64::NAN)]);
    assert_eq!(folder.message(no_number), "image 5: detections[0]: score is NaN instead of a finite number");
    let unlisted = evaluator.add(4, &[]);
    assert_eq!(folder.message(unlisted), "image 4 is not in the ground truth");
    evaluator.add(5, &[good])?;
    assert_eq!(folder.message(evaluator.add(5, &[good])), "image 5 occurs twice");
    let report = evaluator.finish()?;
    assert_eq!((report.ar_100(), report.detections), (1.0, 1));
    Ok(())
}

#[test]
fn predictions_for_unlisted_images_are_refused_and_of_unlisted_categories_left_out() -> Outcome {
    let folder = Folder::new()?;
    let annotations = folder.path("annotations.json");
    small()?.write(&annotations)?;
    let good = Prediction { image_id: 5, category_id: 9, bbox: BBOX, score: 0.5 };
    write_predictions(folder.path("image.json"), [good, Prediction { image_id: 4, ..good }])?;
    assert_eq!(
        folder.message(score_files(&annotations, folder.path("image.json"), IouType::Bbox)),
        "image.json: predictions[1]: image 4 is not in the ground truth"
    );
    write_predictions(folder.path("category.json"), [good, good, Prediction { category_id: 1, ..good }])?;
    let report = score_files(&annotations, folder.path("category.json"), IouType::Bbox)?;
    let left_out = Finding::UnlistedPrediction { predictions: 1, categories: vec!["1".to_owned()] };
    assert_eq!((report.detections, report.findings), (2, vec![left_out]));
    Ok(())
}

#[test]
fn files_without_predictions_are_named_with_the_place() -> Outcome {
    let folder = Folder::new()?;
    let incomplete = "[{\"image_id\":5,\"category_id\":9,\"bbox\":[1,2,3,4],\"score\":0.5,\"extra\":[1]},\n ";
    let cases = [
        ("", "cannot read f.json:1:0: the JSON is cut short (EOF while parsing a value)"),
        (incomplete, "cannot read f.json:2:1: the JSON is cut short (EOF while parsing a value)"),
        (" {\"images\":[]}", "cannot read f.json: it is not a COCO results file, an array of predictions"),
        (
            "[{\"image_id\":5,\n\"category_id\":9,\"score\":0.5}]",
            "cannot read f.json: the 1st prediction, image 5: bbox is missing",
        ),
        ("[{\"image_id\":\"5\"", "cannot read f.json:1:16: the JSON is cut short (EOF while parsing an object)"),
        (
            "[{\"image_id\":\"a\",\"category_id\":9,\"bbox\":[1,2,3,4],\"score\":1}]",
            "f.json: predictions[0]: image_id is \"a\" instead of a number from 0",
        ),
        (
            "[{\"image_id\":5,\"category_id\":9,\"bbox\":[1,2,3,4],\"score\":1e999}]",
            "cannot read f.json: the 1st prediction, image 5: score is 1e999",
        ),
        (
            "[{\"image_id\":5,\"category_id\":9,\"bbox\":[1,2,3,4],\"score\":NaN}]",
            "cannot read f.json: the 1st prediction, image 5: score is NaN",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(folder.message(read_predictions(folder.file("f.json", text)?)), expected, "{text:?}");
    }
    let absent = folder.message(read_predictions(folder.path("absent.json")));
    assert_eq!(absent, "cannot read absent.json: No such file or directory (os error 2)");
    Ok(())
}

#[test]
fn a_predictions_file_appears_complete_or_not_at_all() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.file("predictions.json", "old")?;
    let mut writer = PredictionWriter::create(&path)?;
    writer.add(5, &[detection(9, 0.5)])?;
    let refused = writer.add(5, &[detection(9, f64::NAN)]);
    assert_eq!(folder.message(refused), "image 5: detections[0]: score is NaN instead of a finite number");
    drop(writer);
    assert_eq!((fs::read_to_string(&path)?.as_str(), folder.names()?.len()), ("old", 1));

    let bad = Prediction { image_id: 5, category_id: 9, bbox: BBOX, score: f64::INFINITY };
    let refused = write_predictions(&path, [bad]);
    assert_eq!(folder.message(refused), "predictions[0]: score is inf instead of a finite number");
    assert_eq!((fs::read_to_string(&path)?.as_str(), folder.names()?.len()), ("old", 1));

    write_predictions(&path, [Prediction { score: 0.5, ..bad }])?;
    let text = "[{\"image_id\":5,\"category_id\":9,\"bbox\":[10.0,20.0,30.0,40.0],\"score\":0.5}]\n";
    assert_eq!((fs::read_to_string(&path)?.as_str(), folder.names()?.len()), (text, 1));

    let nowhere = folder.message(PredictionWriter::create(folder.path("absent/predictions.json")).map(drop));
    assert_eq!(nowhere, "cannot write absent/predictions.json: No such file or directory (os error 2)");
    Ok(())
}

#[test]
fn ground_truth_that_contradicts_itself_is_refused() {
    let none = || Vec::<Annotation>::new();
    let of = |annotation| GroundTruth::from_parts(vec![image(5)], vec![category(9)], vec![annotation]);
    let cases = [
        (GroundTruth::from_parts(vec![image(5), image(5)], vec![category(9)], none()), "image 5 occurs twice"),
        (GroundTruth::from_parts(vec![], vec![category(9), category(9)], none()), "category 9 occurs twice"),
        (of(annotation(4, 9)), "annotations[0]: image 4 is not in the ground truth"),
        (of(annotation(5, 1)), "annotations[0]: category 1 is not in the ground truth"),
        (
            of(Annotation { area: f64::NAN, ..annotation(5, 9) }),
            "annotations[0]: area is NaN instead of a finite number",
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(message(result), expected);
    }
}

#[test]
fn oddities_of_an_annotation_file_are_reported_and_do_not_fail() -> Outcome {
    let folder = Folder::new()?;
    let text = r#"{"images": [{"id": 5}], "categories": [{"id": 9, "name": "gear", "supercategory": "part"}], "annotations": [
        {"id": 0, "image_id": 5, "category_id": 9, "bbox": [10, 20, 30, 40], "iscrowd": false, "segmentation": [[1, 2]]},
        {"id": 7, "image_id": 5, "category_id": 9, "bbox": [100, 20, 30, 40], "iscrowd": true, "area": 5},
        {"id": 7, "image_id": 6, "category_id": 9, "bbox": [10, 20, 30, 40], "area": 5},
        {"id": 8, "image_id": 5, "category_id": 1, "bbox": [10, 20, 30, 40], "area": 5},
        {"id": 7, "image_id": 5, "category_id": 9, "bbox": [200, 20, 30, 40], "area": 5}]}"#;
    let ground_truth = GroundTruth::from_file(folder.file("f.json", text)?)?;
    let expected = [
        Finding::UnlistedImage { annotations: 1 },
        Finding::UnlistedCategory { annotations: 1 },
        Finding::NoArea { annotations: 1 },
        Finding::RepeatedId { annotations: 1 },
        Finding::ZeroId,
    ];
    assert_eq!(ground_truth.findings(), expected);
    let kept: Vec<_> = ground_truth.annotations().iter().map(|a| (a.bbox[0], a.area, a.crowd)).collect();
    assert_eq!(kept, [(10.0, 1200.0, false), (100.0, 5.0, true), (200.0, 5.0, false)]);

    let perfect = [detection(9, 0.9), Detection { bbox: [200.0, 20.0, 30.0, 40.0], ..detection(9, 0.8) }];
    let mut evaluator = CocoEvaluator::new(ground_truth)?;
    evaluator.add(5, &perfect)?;
    let report = evaluator.finish()?;
    assert_eq!((report.ar_100(), report.per_class[0].objects), (1.0, 2));
    assert_eq!(
        serde_json::to_value(&report)?["findings"][2],
        "1 annotation(s) without an area, taken as width x height of the box"
    );
    Ok(())
}

/// Two images and an object on each, with these ids; results with others.
fn with_ids(folder: &Folder, truth: [&str; 2], results: [&str; 2]) -> Result<CocoReport, Box<dyn std::error::Error>> {
    let image = |id: &str, name: &str| format!(r#"{{"id": {id}, "file_name": "{name}.jpg"}}"#);
    let object =
        |id: &str| format!(r#"{{"image_id": {id}, "category_id": 9, "bbox": [10, 20, 30, 40], "area": 1200}}"#);
    let result =
        |id: &str| format!(r#"{{"image_id": {id}, "category_id": 9.0, "bbox": [10, 20, 30, 40], "score": 1}}"#);
    let text = format!(
        r#"{{"images": [{}, {}], "categories": [{{"id": 9, "name": "a"}}], "annotations": [{}, {}]}}"#,
        image(truth[0], "001"),
        image(truth[1], "cat"),
        object(truth[0]),
        object(truth[1])
    );
    let truth = folder.file("truth.json", text)?;
    let results = folder.file("results.json", format!("[{}, {}]", result(results[0]), result(results[1])))?;
    Ok(score_files(truth, results, IouType::Bbox)?)
}

#[test]
fn images_are_found_by_ids_of_any_type() -> Outcome {
    let folder = Folder::new()?;
    for ids in
        [["-1", "-2"], ["\"a\"", "\"b\""], ["\"000000000001\"", "\"000000000002\""], ["99999999999999999999", "1"]]
    {
        let report = with_ids(&folder, ids, ids)?;
        assert_eq!((report.ar_100(), report.findings), (1.0, vec![]), "{ids:?}");
    }
    for (truth, results) in [(["1", "2"], ["1.0", "2.0"]), (["1.0", "2"], ["1", "2"])] {
        assert_eq!(with_ids(&folder, truth, results)?.findings, []);
    }
    let matched = |by| vec![Finding::MatchedImages { predictions: 2, by }];
    for (truth, results, by) in [
        (["1", "139"], ["\"000000000001\"", "\"000000000139\""], ImageMatch::Number),
        (["\"01\"", "\"02\""], ["1", "2"], ImageMatch::Number),
        (["7", "8"], ["\"001\"", "\"cat\""], ImageMatch::FileName),
        (["7", "8"], ["\"001.jpg\"", "\"cat.jpg\""], ImageMatch::FileName),
    ] {
        let report = with_ids(&folder, truth, results)?;
        assert_eq!((report.ar_100(), report.findings), (1.0, matched(by)), "{results:?}");
    }
    let error = with_ids(&folder, ["1", "2"], ["\"001\"", "\"dog\""]).map(drop).expect_err("no image dog");
    assert!(error.to_string().ends_with("predictions[0]: image \"001\" is not in the ground truth"), "{error}");
    Ok(())
}

#[test]
fn ids_are_written_as_the_annotation_file_writes_them() -> Outcome {
    let folder = Folder::new()?;
    let text = r#"{"images": [{"id": "f2"}, {"id": "f1"}], "categories": [{"id": "3", "name": "a"}],
        "annotations": [{"image_id": "f2", "category_id": 3, "bbox": [10, 20, 30, 40], "area": 1200}]}"#;
    let ground_truth = GroundTruth::from_file(folder.file("truth.json", text)?)?;
    let ids: Vec<u64> = ground_truth.images().iter().map(|image| image.id).collect();
    assert_eq!(ids, [2, 1]);
    let mut writer = PredictionWriter::create(folder.path("results.json"))?.with_ids(ground_truth.ids().clone());
    writer.add(2, &[detection(3, 0.5)])?;
    writer.finish()?;
    let written: serde_json::Value = serde_json::from_slice(&fs::read(folder.path("results.json"))?)?;
    assert_eq!((&written[0]["image_id"], &written[0]["category_id"]), (&"f2".into(), &"3".into()));
    ground_truth.write(folder.path("again.json"))?;
    let report = score_files(folder.path("again.json"), folder.path("results.json"), IouType::Bbox)?;
    assert_eq!((report.ar_100(), report.findings), (1.0, vec![]));
    Ok(())
}

#[test]
fn detections_beyond_the_limit_are_reported_and_the_limit_can_be_raised() -> Outcome {
    let folder = Folder::new()?;
    let boxes = (0..150u32).map(|index| [f64::from(index * 20), 0.0, 10.0, 10.0]);
    let objects: Vec<Annotation> = boxes.map(|bbox| Annotation { bbox, area: 100.0, ..annotation(5, 9) }).collect();
    let predictions =
        objects.iter().map(|object| Prediction { image_id: 5, category_id: 9, bbox: object.bbox, score: 0.5 });
    write_predictions(folder.path("p.json"), predictions.collect::<Vec<_>>())?;
    let (truth, results) = (folder.path("t.json"), folder.path("p.json"));
    GroundTruth::from_parts(vec![image(5)], vec![category(9)], objects)?.write(&truth)?;
    let cut = score_files(&truth, &results, IouType::Bbox)?;
    assert_eq!(cut.findings, [Finding::BeyondLimit { detections: 50, images: 1, limit: 100 }]);
    assert!((cut.ar_100() - 100.0 / 150.0).abs() < 1e-12, "{}", cut.ar_100());
    let complete = score_files_with(&truth, &results, IouType::Bbox, 300)?;
    assert_eq!((complete.ar_100(), complete.findings.len()), (1.0, 0));
    assert!(complete.comparable.starts_with("no:") && complete.rows().any(|row| row.label.contains("maxDets=300")));
    let refused = folder.message(score_files_with(&truth, &results, IouType::Bbox, 10));
    assert_eq!(refused, "max_dets is 10 instead of a number above 10");
    Ok(())
}

#[test]
fn masks_without_boxes_are_scored_by_their_boxes() -> Outcome {
    let folder = Folder::new()?;
    let text = r#"{"images": [{"id": 5, "width": 64, "height": 48}], "categories": [{"id": 9, "name": "a"}],
        "annotations": [{"image_id": 5, "category_id": 9, "bbox": [10, 20, 10, 10], "area": 100}]}"#;
    let results =
        r#"[{"image_id": 5, "category_id": 9, "segmentation": [[10, 20, 20, 20, 20, 30, 10, 30]], "score": 1}]"#;
    let (truth, results) = (folder.file("t.json", text)?, folder.file("p.json", results)?);
    assert_eq!(score_files(truth, results, IouType::Bbox)?.ar_100(), 1.0);
    Ok(())
}

#[test]
fn annotation_files_that_cannot_be_read_are_named_with_the_place() -> Outcome {
    let folder = Folder::new()?;
    let cases = [
        (
            "[]",
            "cannot read f.json: it is not a COCO annotation file, an object with images, categories and annotations",
        ),
        ("", "cannot read f.json:1:0: the JSON is cut short (EOF while parsing a value)"),
        (r#"{"images":[{"id":1}],"categories":[]}"#, "cannot read f.json:1:37: missing field `annotations`"),
        (r#"{"images":[{"id":1}"#, "cannot read f.json:1:19: the JSON is cut short (EOF while parsing a list)"),
        (r#"{"images":[{"id":1},{"id":1}],"categories":[],"annotations":[]}"#, "no error"),
        (
            r#"{"images":[{"id":null}],"categories":[],"annotations":[]}"#,
            "cannot read f.json: the 1st image: id is null",
        ),
        (
            r#"{"images":[],"categories":[],"annotations":[{"image_id":1,"category_id":1,"bbox":[1,2,3,4],"iscrowd":"x"}]}"#,
            "cannot read f.json: the 1st annotation, image 1: iscrowd is \"x\"",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(folder.message(GroundTruth::from_file(folder.file("f.json", text)?)), expected, "{text:?}");
    }
    Ok(())
}
