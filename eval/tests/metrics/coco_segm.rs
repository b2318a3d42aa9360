//! Masks: the numbers of pycocotools 2.0.11, and the place of invalid masks.

use annotation_files::coco::{Geometry, Results};
use eval::coco::{
    Annotation, Category, CocoEvaluator, CocoReport, Finding, GroundTruth, Image, IouType, Mask, MaskDetection,
    score_files,
};
use serde_json::{Value, json};

use crate::Outcome;
use crate::folder::{Folder, message};
use crate::golden::{assert_close, assert_statistics, golden, read_json};

fn golden_report() -> Result<CocoReport, eval::Error> {
    score_files(golden("coco_segm_annotations.json"), golden("coco_segm_predictions.json"), IouType::Segm)
}

#[test]
fn polygons_crowds_and_holes_give_the_twelve_statistics_of_pycocotools() -> Outcome {
    let report = golden_report()?;
    let expected: Value = read_json(golden("coco_segm_expected.json"))?;
    assert_statistics(&report, &expected["stats"]);
    for class in &report.per_class {
        assert_close(&class.name, class.ap, expected["ap"][class.id.to_string()].as_f64());
    }
    Ok(())
}

#[test]
fn the_report_says_whether_overlaps_are_of_boxes_or_masks() -> Outcome {
    let segm = golden_report()?;
    assert_eq!(segm.rule, "COCO segm, IoU .50:.05:.95, 101 recall points, as pycocotools 2.0.11");
    assert_eq!(serde_json::to_value(&segm)?["iou_type"], "segm");
    let bbox = score_files(golden("coco_annotations.json"), golden("coco_predictions.json"), IouType::Bbox)?;
    assert_eq!(serde_json::to_value(&bbox)?["iou_type"], "bbox");
    assert_eq!([IouType::Bbox, IouType::Segm].map(|kind| kind.to_string()), ["bbox", "segm"]);
    Ok(())
}

#[test]
fn masks_in_memory_score_as_those_of_the_files() -> Outcome {
    let folder = Folder::new()?;
    let original = GroundTruth::from_file_with_masks(golden("coco_segm_annotations.json"))?;
    let masks = original.masks().ok_or("no masks")?.to_vec();
    let parts: Vec<_> = original.annotations().iter().copied().zip(masks).rev().collect();
    let ground_truth =
        GroundTruth::from_parts_with_masks(original.images().to_vec(), original.categories().to_vec(), parts)?;
    ground_truth.write(folder.path("annotations.json"))?;
    let written = score_files(folder.path("annotations.json"), golden("coco_segm_predictions.json"), IouType::Segm)?;

    let predictions = Results::read(&golden("coco_segm_predictions.json"), Geometry::Masks)??.predictions;
    let mut evaluator = CocoEvaluator::with_masks(ground_truth)?;
    for image in original.images() {
        let of_image = predictions.iter().filter(|prediction| prediction.image_id.number() == Some(image.id));
        let detections = of_image.map(|prediction| {
            let mask = *prediction.mask.clone().ok_or("no mask")?;
            let category_id = prediction.category_id.number().ok_or("no number")?;
            Ok(MaskDetection { category_id, mask, bbox: None, score: prediction.score })
        });
        let detections: Vec<MaskDetection> = detections.collect::<Result<_, &str>>()?;
        evaluator.add(image.id, &detections)?;
    }
    let in_memory = evaluator.finish()?;
    assert_eq!(in_memory, written);
    assert_eq!(in_memory.stats, golden_report()?.stats);
    Ok(())
}

/// pycocotools takes a detection's area from a box beside its mask.
#[test]
fn a_box_beside_a_mask_gives_the_area_as_in_pycocotools() -> Outcome {
    let folder = Folder::new()?;
    let mut predictions: Value = read_json(golden("coco_segm_predictions.json"))?;
    let predictions = predictions.as_array_mut().ok_or("no array")?;
    for (index, prediction) in predictions.iter_mut().enumerate() {
        let side = [1.0, 40.0, 120.0][index % 3];
        prediction["bbox"] = json!([0.0, 0.0, side, side]);
    }
    let path = folder.file("predictions.json", Value::from(predictions.clone()).to_string())?;
    let report = score_files(golden("coco_segm_annotations.json"), path, IouType::Segm)?;
    let expected: Value = read_json(golden("coco_segm_expected.json"))?;
    assert_statistics(&report, &expected["stats_with_boxes"]);
    assert_ne!(report.stats, golden_report()?.stats);
    assert_eq!(report.findings, [Finding::AreaOfBoxes { predictions: predictions.len() }]);
    Ok(())
}

#[test]
fn boxes_without_masks_are_masks_as_in_pycocotools() -> Outcome {
    let folder = Folder::new()?;
    let mut predictions: Value = read_json(golden("coco_segm_predictions.json"))?;
    let predictions = predictions.as_array_mut().ok_or("no array")?;
    for (index, prediction) in predictions.iter_mut().enumerate() {
        let at = (index % 7) as f64 * 10.5;
        prediction["bbox"] = json!([at, at, 30.25, 20.0]);
        prediction.as_object_mut().ok_or("no object")?.remove("segmentation");
    }
    let path = folder.file("predictions.json", Value::from(predictions.clone()).to_string())?;
    let report = score_files(golden("coco_segm_annotations.json"), path, IouType::Segm)?;
    let expected: Value = read_json(golden("coco_segm_expected.json"))?;
    assert_statistics(&report, &expected["stats_of_boxes"]);
    Ok(())
}

#[test]
fn detections_with_and_without_a_box_do_not_mix() -> Outcome {
    let mut evaluator = CocoEvaluator::with_masks(truth(image(8, 6), square())?)?;
    let without = MaskDetection { category_id: 1, mask: square(), bbox: None, score: 0.5 };
    let with = MaskDetection { bbox: Some([0.0, 0.0, 4.0, 3.0]), ..without.clone() };
    let refused = message(evaluator.add(5, &[with, without]));
    assert_eq!(refused, "image 5: detections[1]: some masks have a box beside them and others have none");
    Ok(())
}

fn image(width: usize, height: usize) -> Image {
    Image { id: 5, width, height, file_name: String::new() }
}

const OBJECT: Annotation =
    Annotation { image_id: 5, category_id: 1, bbox: [0.0, 0.0, 4.0, 3.0], area: 12.0, crowd: false };

fn truth(image: Image, mask: Mask) -> Result<GroundTruth, eval::Error> {
    GroundTruth::from_parts_with_masks(vec![image], vec![Category { id: 1, name: "leaf".into() }], vec![(OBJECT, mask)])
}

fn square() -> Mask {
    Mask::polygons(vec![vec![0.0, 0.0, 4.0, 0.0, 4.0, 3.0, 0.0, 3.0]])
}

#[test]
fn all_formats_of_a_mask_are_equal() -> Outcome {
    // 3 x 4 pixels of an image of 6 x 8, down the columns.
    let runs = Mask::runs([6, 8], vec![0, 3, 3, 3, 3, 3, 3, 3, 27]);
    let string = Mask::compressed([6, 8], "03300000h0".to_owned());
    for mask in [square(), runs, string] {
        let mut evaluator = CocoEvaluator::with_masks(truth(image(8, 6), square())?)?;
        evaluator.add(5, &[MaskDetection { category_id: 1, mask: mask.clone(), bbox: None, score: 0.5 }])?;
        let report = evaluator.finish()?;
        assert!((report.ap() - 1.0).abs() < 1e-12, "{mask:?} has AP {}", report.ap());
        assert_eq!((report.ar_small(), report.ar_large()), (1.0, -1.0));
    }
    Ok(())
}

#[test]
fn a_mask_that_does_not_fit_its_image_is_refused_and_not_added() -> Outcome {
    let mut evaluator = CocoEvaluator::with_masks(truth(image(8, 6), square())?)?;
    let sides = [0.0, 0.0, 4.0, 0.0, 4.0, 3.0];
    let cases = [
        (Mask::polygons(Vec::new()), "the mask cannot be evaluated: there is none"),
        (
            Mask::polygons(vec![sides[..4].to_vec(), sides.to_vec()]),
            "the mask cannot be evaluated: polygon [0] has 4 numbers instead of x and y of 3 or more points",
        ),
        (
            Mask::polygons(vec![vec![0.0, 0.0, f64::INFINITY, 0.0, 4.0, 3.0]]),
            "the mask cannot be evaluated: polygon [0] has a number that is not finite",
        ),
        (
            Mask::runs([8, 6], vec![48]),
            "the mask cannot be evaluated: it is of 8 x 6 pixels (height x width), its image of 6 x 8",
        ),
        (Mask::runs([6, 8], vec![7, 7]), "the mask cannot be evaluated: its runs end after 14 of 48 pixels"),
        (
            Mask::compressed([6, 8], "0330".to_owned()),
            "the mask cannot be evaluated: its runs end after 9 of 48 pixels",
        ),
        (Mask::runs([6, 8], vec![u32::MAX; 3]), "the mask cannot be evaluated: invalid RLE"),
        (Mask::compressed([6, 8], "~~~~~~~~~~~~~~~~".to_owned()), "the mask cannot be evaluated: invalid RLE"),
        (Mask::compressed([6, 8], "\u{e9}\n".to_owned()), "the mask cannot be evaluated: invalid RLE"),
    ];
    for (mask, expected) in cases {
        let refused = evaluator.add(5, &[MaskDetection { category_id: 1, mask: mask.clone(), bbox: None, score: 0.5 }]);
        let text = message(refused);
        let start = format!("image 5: detections[0]: {expected}");
        assert!(text.starts_with(&start), "{mask:?} is refused with {text:?}, not {start:?}");
        let text = message(truth(image(8, 6), mask));
        assert!(text.starts_with(&format!("annotations[0]: {expected}")), "{text:?}");
    }
    let no_score = evaluator.add(5, &[MaskDetection { category_id: 1, mask: square(), bbox: None, score: f64::NAN }]);
    assert_eq!(message(no_score), "image 5: detections[0]: score is NaN instead of a finite number");
    evaluator.add(5, &[MaskDetection { category_id: 1, mask: square(), bbox: None, score: 0.5 }])?;
    assert_eq!(evaluator.finish()?.detections, 1);
    Ok(())
}

/// A polygon of two points beside a sound one has no pixel, and a number without its pair is ignored.
#[test]
fn degenerate_polygons_are_taken_as_in_pycocotools_and_reported() -> Outcome {
    let folder = Folder::new()?;
    let text = |polygons: &str| {
        format!(
            r#"{{"images":[{{"id":5,"width":8,"height":6}}],"categories":[{{"id":1,"name":"leaf"}}],"annotations":[
            {{"image_id":5,"category_id":1,"area":12,"segmentation":{polygons}}}]}}"#
        )
    };
    let results =
        folder.file("p.json", r#"[{"image_id":5,"category_id":1,"score":1,"segmentation":[[0,0,4,0,4,3,0,3]]}]"#)?;
    for polygons in ["[[0,0,4,0,4,3,0,3],[1,1,5,5]]", "[[0,0,4,0,4,3,0,3,7]]"] {
        let report = score_files(folder.file("t.json", text(polygons))?, &results, IouType::Segm)?;
        let expected = vec![Finding::DegeneratePolygons { annotations: 1 }];
        assert_eq!((report.ar_100(), report.findings), (1.0, expected), "{polygons}");
    }
    Ok(())
}

#[test]
fn an_image_without_a_size_has_no_masks() {
    for (image, size) in [(image(8, 0), "0 x 8"), (image(1 << 16, 1 << 16), "65536 x 65536")] {
        let problem = format!("its image is of {size} pixels (height x width)");
        let expected = format!("annotations[0]: the mask cannot be evaluated: {problem}");
        assert_eq!(message(truth(image, square())), expected);
    }
}

#[test]
fn polygons_far_outside_the_image_cost_no_more_than_it() -> Outcome {
    let far = Mask::polygons(vec![vec![-1e300, -1e300, 1e300, -1e300, 0.0, 1e300]]);
    let mut evaluator = CocoEvaluator::with_masks(truth(image(8, 6), square())?)?;
    evaluator.add(5, &[MaskDetection { category_id: 1, mask: far, bbox: None, score: 0.5 }])?;
    assert_eq!(evaluator.finish()?.ap(), 0.0);
    Ok(())
}

#[test]
fn ground_truth_of_boxes_is_not_scored_by_masks() -> Outcome {
    let boxes = GroundTruth::from_file(golden("coco_segm_annotations.json"))?;
    assert!(boxes.masks().is_none());
    let expected = "the ground truth was read without its masks, which the evaluation of masks needs";
    assert_eq!(message(CocoEvaluator::with_masks(boxes)), expected);
    Ok(())
}

#[test]
fn invalid_masks_in_files_are_named_with_the_place() -> Outcome {
    let folder = Folder::new()?;
    let annotations = |masks: &str| {
        format!(
            r#"{{"images":[{{"id":5,"width":8,"height":6}}],"categories":[{{"id":1,"name":"leaf"}}],"annotations":[
            {{"id":1,"image_id":9,"category_id":1,"bbox":[0,0,4,3],"segmentation":[[1,2]]}},
            {{"id":2,"image_id":5,"category_id":1,"bbox":[0,0,4,3],"area":12{masks}}}]}}"#
        )
    };
    let good = folder.file("good.json", annotations(r#","segmentation":[[0,0,4,0,4,3,0,3]]"#))?;
    let none = folder.file("none.json", "[]")?;
    assert_eq!(folder.message(score_files(&good, &none, IouType::Segm)), "no error");
    let cases = [
        ("", "f.json: annotations[1]: the mask cannot be evaluated: there is none"),
        (r#","segmentation":null"#, "f.json: annotations[1]: the mask cannot be evaluated: there is none"),
        (r#","segmentation":[]"#, "f.json: annotations[1]: the mask cannot be evaluated: there is none"),
        (
            r#","segmentation":{"size":[6,9],"counts":[54]}"#,
            "f.json: annotations[1]: the mask cannot be evaluated: it is of 6 x 9 pixels (height x width), its \
             image of 6 x 8",
        ),
    ];
    for (masks, expected) in cases {
        let path = folder.file("f.json", annotations(masks))?;
        assert_eq!(folder.message(score_files(&path, &none, IouType::Segm)), expected, "{masks}");
        assert_eq!(folder.message(score_files(&path, &none, IouType::Bbox)), "no error", "{masks}");
    }

    let prediction = |mask: &str| format!("[{{\"image_id\":5,\"category_id\":1,\"score\":0.5{mask}}}]");
    let cases = [
        ("", "cannot read p.json: the 1st prediction, image 5: bbox is missing"),
        (
            ",\"segmentation\":3",
            "cannot read p.json: the 1st prediction, image 5: segmentation is 3 instead of a list of polygons or an object",
        ),
        (
            ",\"segmentation\":{\"size\":[6,8],\"counts\":\"",
            "cannot read p.json:1:82: the JSON is cut short (EOF while parsing a string)",
        ),
        (
            ",\"segmentation\":{\"size\":[6,8],\"counts\":\"0330\"}",
            "p.json: predictions[0]: the mask cannot be evaluated: its runs end after 9 of 48 pixels",
        ),
    ];
    for (mask, expected) in cases {
        let text = prediction(mask);
        let text = if expected.contains("cut short") { text.trim_end_matches("}]") } else { &text };
        let refused = folder.message(score_files(&good, folder.file("p.json", text)?, IouType::Segm));
        assert!(refused.starts_with(expected), "{refused:?} is not {expected:?}");
    }
    Ok(())
}
