//! Every report says whether its numbers may be compared with a leaderboard.

use eval::classification::{ClassificationEvaluator, ClassificationOptions};
use eval::coco::{AnalysisOptions, Category, CocoEvaluator, GroundTruth, Image, analyze_files};
use eval::segmentation::{SegmentationEvaluator, SegmentationOptions};
use eval::voc::{self, VocEvaluator, VocOptions, VocReport};

use crate::Outcome;
use crate::folder::Folder;
use crate::golden::golden;

fn coco(images: u64, classes: u64) -> Result<String, eval::Error> {
    let image = |id| Image { id, width: 0, height: 0, file_name: String::new() };
    let category = |id| Category { id, name: format!("class {id}") };
    let truth =
        GroundTruth::from_parts((0..images).map(image).collect(), (0..classes).map(category).collect(), vec![])?;
    Ok(CocoEvaluator::new(truth)?.finish()?.comparable)
}

#[test]
fn coco_numbers_compare_on_the_complete_val2017_only() -> Outcome {
    let complete = "with published numbers on val2017, if these are its images and annotations; COCO's server alone scores test-dev";
    assert_eq!(coco(5000, 80)?, complete);
    let part = "no: COCO val2017 has 5000 images of 80 classes, this set 206 of 80";
    assert_eq!(coco(206, 80)?, part);
    let folder = Folder::new()?;
    let annotation = r#"{"id": 0, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12}"#;
    let text = format!(
        r#"{{"images": [{{"id": 1}}], "categories": [{{"id": 1, "name": "a"}}], "annotations": [{annotation}]}}"#
    );
    let odd = CocoEvaluator::new(GroundTruth::from_file(folder.file("a.json", text)?)?)?.finish()?.comparable;
    assert_eq!(
        odd,
        "no: the annotation file has oddities (see findings) that pycocotools counts differently or not at all"
    );
    Ok(())
}

fn voc(images: usize, classes: usize, iou: f64) -> Result<VocReport, eval::Error> {
    let images = (0..images).map(|image| image.to_string()).collect();
    let truth = voc::GroundTruth::from_parts(images, (0..classes).map(|class| class.to_string()), Vec::new())?;
    Ok(VocEvaluator::new(truth, VocOptions { iou })?.finish())
}

#[test]
fn each_rule_of_voc_compares_on_its_own_set() -> Outcome {
    let test = voc(4952, 20, 0.5)?;
    assert!(test.voc_2007.comparable.starts_with("with published numbers on VOC2007 test, if"));
    assert!(test.voc_2010.comparable.starts_with("no: published numbers are on all of VOC2012 val (5823 images"));
    let val = voc(5823, 20, 0.5)?;
    let expected = "with published numbers on VOC2012 val, if these are its images and annotations; VOC's server alone scores \
                    the test sets of this rule";
    assert_eq!(val.voc_2010.comparable, expected);
    let loose = voc(4952, 20, 0.3)?;
    let expected = "no: an overlap of 0.3 counts as correct here, and 0.5 in published numbers";
    assert_eq!((loose.voc_2007.comparable.as_str(), loose.voc_2010.comparable.as_str()), (expected, expected));
    let report = serde_json::to_value(voc(2, 3, 0.5)?)?;
    assert!(
        report["voc_2007"]["comparable"]
            .as_str()
            .is_some_and(|text| text.ends_with("another set (2 images, 3 classes)"))
    );
    Ok(())
}

#[test]
fn pixels_compare_on_a_complete_set_whose_classes_all_occur() -> Outcome {
    let report = |images: usize, shown: u8| -> Result<String, eval::Error> {
        let names = (0..21).map(|class| class.to_string());
        let mut evaluator = SegmentationEvaluator::new(names, None, SegmentationOptions::default())?;
        let labels: Vec<u8> = (0..21).map(|label| label.min(shown)).collect();
        for image in 0..images {
            evaluator.add(&image.to_string(), &labels, &labels, [3, 7])?;
        }
        Ok(evaluator.finish().comparable)
    };
    let complete = "with published numbers on VOC2012 val at a single scale, if these are its images and annotations in their own size";
    assert_eq!(report(1449, 20)?, complete);
    let absent = "no: 2 of 21 classes are in neither truth nor prediction, and a published mean is over all";
    assert_eq!(report(1449, 18)?, absent);
    assert!(report(200, 20)?.ends_with("and this is another one (200 images, 21 classes)"));
    Ok(())
}

#[test]
fn class_scores_compare_on_the_complete_imagenet() -> Outcome {
    let report = |classes: usize, images: usize| -> Result<String, eval::Error> {
        let names = (0..classes).map(|class| class.to_string());
        let mut evaluator = ClassificationEvaluator::new(names, ClassificationOptions::default())?;
        let scores = vec![0.0; classes];
        for image in 0..images {
            evaluator.add(&image.to_string(), &scores, 0)?;
        }
        Ok(evaluator.finish().comparable)
    };
    let complete = "with published numbers on ImageNet's validation set, if these are its images, at the published resolution and crop";
    assert_eq!(report(1000, 50_000)?, complete);
    assert!(report(10, 500)?.ends_with("and this is another one (500 images, 10 classes)"));
    Ok(())
}

#[test]
fn an_analysis_compares_with_itself_only() -> Outcome {
    let report =
        analyze_files(golden("coco_annotations.json"), golden("coco_predictions.json"), AnalysisOptions::default())?;
    assert!(report.comparable.starts_with("no: no leaderboard ranks thresholds"));
    Ok(())
}
