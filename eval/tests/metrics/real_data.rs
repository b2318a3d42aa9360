//! Data sets and published cases that are not in the repository, below `shared/data` beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eval::coco::{self, CocoReport, IouType};
use eval::segmentation::{SegmentationOptions, score_folders};
use eval::voc::{Detection, FileIds, GroundTruth, Object, VocEvaluator, VocOptions, score_files};
use serde_json::{Value, json};

use crate::Outcome;
use crate::folder::Folder;
use crate::golden::{assert_statistics, assert_within, read_json};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name)
}

fn fake_detections(kind: &str, iou_type: IouType) -> Result<CocoReport, Box<dyn std::error::Error>> {
    let expected: Value = read_json(data("coco_eval/expected.json"))?;
    let file = |key: &str| data("coco_eval").join(expected[kind][key].as_str().unwrap_or_default());
    let report = coco::score_files(file("gt"), file("dt"), iou_type)?;
    assert_statistics(&report, &expected[kind]["stats"]);
    assert_eq!((report.images, report.findings.len()), (100, 0));
    Ok(report)
}

#[test]
#[ignore = "needs data: shared/data/coco_eval"]
fn coco_fake_detections_give_the_twelve_statistics_of_pycocotools() -> Outcome {
    assert_eq!(fake_detections("bbox", IouType::Bbox)?.per_class.len(), 80);
    Ok(())
}

#[test]
#[ignore = "needs data: shared/data/coco_eval"]
fn coco_fake_masks_give_the_twelve_statistics_of_pycocotools() -> Outcome {
    assert_eq!(fake_detections("segm", IouType::Segm)?.detections, 734);
    Ok(())
}

/// Lines of numbers after a class name, x y w h last.
fn lines(kind: &str, image: &str) -> Result<Vec<Vec<f64>>, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(data("coco_eval/voc_ap_case").join(kind).join(format!("{image}.txt")))?;
    let numbers = |line: &str| line.split_whitespace().skip(1).map(str::parse).collect();
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(numbers).collect::<Result<_, _>>()?)
}

/// The case of Padilla et al.'s review of detection metrics, from memory and from a file.
#[test]
#[ignore = "needs data: shared/data/coco_eval"]
fn the_case_of_the_review_of_detection_metrics_has_its_numbers() -> Outcome {
    let expected: Value = read_json(data("coco_eval/expected.json"))?;
    let expected = &expected["voc_ap_case"];
    let images: Vec<String> = (1..=7).map(|number| format!("{number:05}")).collect();
    let (mut objects, mut detections, mut predictions) = (Vec::new(), Vec::new(), Vec::new());
    for image in &images {
        // The last pixel of a box is x + w.
        for line in lines("gts", image)? {
            let [x, y, w, h] = line[..] else { return Err(format!("{line:?}").into()) };
            objects.push(Object { image: image.clone(), class: 0, bbox: [x, y, x + w, y + h], difficult: false });
        }
        let mut of_image = Vec::new();
        for line in lines("dets", image)? {
            let [score, x, y, w, h] = line[..] else { return Err(format!("{line:?}").into()) };
            of_image.push(Detection { class: 0, bbox: [x, y, x + w, y + h], score });
            let bbox = [x - 1.0, y - 1.0, w + 1.0, h + 1.0];
            predictions.push(json!({"image_id": image, "category_id": 1, "bbox": bbox, "score": score}));
        }
        detections.push(of_image);
    }
    assert_eq!((objects.len(), predictions.len()), (15, 24));
    let truth = Arc::new(GroundTruth::from_parts(images.clone(), ["object"], objects)?);
    let folder = Folder::new()?;
    let file = folder.file("f.json", Value::from(predictions).to_string())?;
    let eleven_points = expected["ap_by_iou_11point"].as_object().ok_or("no numbers")?;
    assert_eq!(eleven_points.len(), 4);
    for (iou, eleven_point) in eleven_points {
        let every_point = &expected["ap_by_iou_every_point"][iou];
        assert!(eleven_point.is_number() && every_point.is_number());
        let options = VocOptions { iou: iou.parse()? };
        let mut evaluator = VocEvaluator::new(truth.clone(), options)?;
        for (image, detections) in images.iter().zip(&detections) {
            evaluator.add(image, detections)?;
        }
        let from_file = score_files(truth.clone(), &FileIds::from_one(&truth), &file, options)?;
        for report in [evaluator.finish(), from_file] {
            // The file gives ten digits, cut off.
            assert_within(1e-10, "eleven points", report.voc_2007.map, eleven_point.as_f64());
            assert_within(1e-10, "every point", report.voc_2010.map, every_point.as_f64());
            assert_eq!(report.detections, 24);
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs data: shared/data/voc2012_subset"]
fn the_masks_of_voc_are_read_as_they_are() -> Outcome {
    let masks = data("voc2012_subset/VOCdevkit/VOC2012/SegmentationClass");
    let classes: Vec<String> = (0..21).map(|class| class.to_string()).collect();
    let report = score_folders(&masks, &masks, classes.clone(), Some(255), SegmentationOptions::default())?;
    assert_eq!((report.images, report.mean_iou, report.pixel_accuracy), (400, Some(1.0), Some(1.0)));
    assert!(report.ignored > 0 && report.per_class.iter().all(|class| class.pixels > 0));
    let refused = score_folders(&masks, &masks, classes, None, SegmentationOptions::default());
    assert!(refused.is_err_and(|error| error.to_string().contains("is 255 instead of")));
    Ok(())
}
