//! The numbers are those of pycocotools 2.0.11 on a small problem made by `tools/golden/coco_eval.py`.

use eval::coco::{
    Annotation, ClassReport, CocoEvaluator, CocoReport, Detection, Finding, GroundTruth, Image, IouType,
    read_predictions, score_files,
};
use serde_json::Value;

use crate::Outcome;
use crate::golden::{assert_close, assert_statistics, golden, read_json};

fn golden_report() -> Result<CocoReport, eval::Error> {
    score_files(golden("coco_annotations.json"), golden("coco_predictions.json"), IouType::Bbox)
}

#[test]
fn ties_crowds_gaps_and_limits_give_the_twelve_statistics_of_pycocotools() -> Outcome {
    let report = golden_report()?;
    assert_statistics(&report, &read_json::<Value>(golden("coco_expected.json"))?["stats"]);
    assert_eq!(report.images, 30);
    assert_eq!(report.findings, [Finding::BeyondLimit { detections: 76, images: 1, limit: 100 }]);
    Ok(())
}

#[test]
fn each_class_has_the_ap_of_pycocotools_curves() -> Outcome {
    let report = golden_report()?;
    let expected = &read_json::<Value>(golden("coco_expected.json"))?["per_class"];
    let names: Vec<&str> = report.per_class.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["heap", "never seen", "washer", "bolt", "gear"], "the annotation file's order");
    for class in &report.per_class {
        let expected = &expected[class.id.to_string()];
        let ClassReport { id, name: _, objects, ap, ap50, ap75, ar1, ar10, ar100 } = class;
        assert_eq!(Some(*objects as u64), expected["objects"].as_u64(), "objects of category {id}");
        let values = [("ap", ap), ("ap50", ap50), ("ap75", ap75), ("ar1", ar1), ("ar10", ar10), ("ar100", ar100)];
        for (key, ours) in values {
            assert_close(&format!("{key} of category {id}"), *ours, expected[key].as_f64());
        }
    }
    Ok(())
}

/// Forty copies of the small problem are more than one batch; the engine alone matches the complete set at once.
#[test]
fn matching_in_parts_equals_matching_at_once() -> Outcome {
    const COPIES: u64 = 40;
    let small = GroundTruth::from_file(golden("coco_annotations.json"))?;
    let predictions = read_predictions(golden("coco_predictions.json"))?;

    let engine_image = |id| ::coco::Image { id, ..Default::default() };
    let engine_category = |id| ::coco::Category { id, name: id.to_string(), ..Default::default() };
    let (mut images, mut annotations, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for copy in 0..COPIES {
        let offset = copy * 10_000;
        images.extend(small.images().iter().map(|image| Image { id: image.id + offset, ..image.clone() }));
        annotations.extend(
            small.annotations().iter().map(|object| Annotation { image_id: object.image_id + offset, ..*object }),
        );
        results.extend(predictions.iter().map(|prediction| ::coco::Annotation {
            image_id: prediction.image_id + offset,
            category_id: prediction.category_id,
            bbox: Some(prediction.bbox),
            score: Some(prediction.score * (1.0 - copy as f64 / 1000.0)),
            ..Default::default()
        }));
    }
    let engine_object = |(object, id): (&Annotation, u64)| ::coco::Annotation {
        id,
        image_id: object.image_id,
        category_id: object.category_id,
        bbox: Some(object.bbox),
        area: Some(object.area),
        iscrowd: object.crowd,
        ..Default::default()
    };
    let dataset = ::coco::Dataset {
        images: images.iter().map(|image| engine_image(image.id)).collect(),
        categories: small.categories().iter().map(|category| engine_category(category.id)).collect(),
        annotations: annotations.iter().zip(1..).map(engine_object).collect(),
        ..Default::default()
    };

    let mut evaluator =
        CocoEvaluator::new(GroundTruth::from_parts(images.clone(), small.categories().to_vec(), annotations)?)?;
    for image in images.iter().rev() {
        let of_image = results.iter().filter(|result| result.image_id == image.id);
        let detections: Vec<Detection> = of_image
            .filter_map(|result| Some((result.category_id, result.bbox?, result.score?)))
            .map(|(category_id, bbox, score)| Detection { category_id, bbox, score })
            .collect();
        evaluator.add(image.id, &detections)?;
    }

    let dataset = ::coco::COCO::from_dataset(dataset);
    let results = dataset.load_res_anns(results)?;
    let mut at_once = ::coco::COCOeval::new(dataset, results, ::coco::IouType::Bbox);
    at_once.evaluate()?;
    at_once.accumulate();
    at_once.summarize_lines();
    assert_eq!(at_once.reference_deviations(), Vec::<String>::new());
    assert_eq!(at_once.stats(), Some(&evaluator.finish()?.stats[..]));
    Ok(())
}

#[test]
fn rows_are_the_lines_that_pycocotools_prints() -> Outcome {
    let ours: Vec<String> = golden_report()?.rows().map(|row| format!(" {} = {:.3}", row.label, row.value)).collect();
    let expected = &read_json::<Value>(golden("coco_expected.json"))?["lines"];
    assert_eq!(Value::from(ours), *expected);
    Ok(())
}

#[test]
fn a_report_serialises_with_its_statistics_by_name() -> Outcome {
    let report = golden_report()?;
    let value = serde_json::to_value(&report)?;
    let accessors = [
        ("AP", report.ap()),
        ("AP50", report.ap50()),
        ("AP75", report.ap75()),
        ("APs", report.ap_small()),
        ("APm", report.ap_medium()),
        ("APl", report.ap_large()),
        ("AR1", report.ar_1()),
        ("AR10", report.ar_10()),
        ("AR100", report.ar_100()),
        ("ARs", report.ar_small()),
        ("ARm", report.ar_medium()),
        ("ARl", report.ar_large()),
    ];
    assert_eq!(accessors.map(|(_, value)| value), report.stats);
    for (name, number) in accessors {
        assert_eq!(value["stats"][name], Value::from(number), "{name}");
    }
    assert_eq!(value["per_class"][1]["ap"], Value::Null);
    assert_eq!(value["rule"], "COCO bbox, IoU .50:.05:.95, 101 recall points, as pycocotools 2.0.11");
    Ok(())
}
