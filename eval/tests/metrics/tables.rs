//! Reports as CSV tables: every number reads back to the same bits, and an undefined one is an empty cell.

use std::fs;

use eval::classification::{ClassificationEvaluator, ClassificationOptions};
use eval::coco::{AnalysisOptions, IouType, analyze_files, score_files};
use eval::segmentation::{SegmentationEvaluator, SegmentationOptions};
use eval::voc::{Detection, GroundTruth, Object, VocEvaluator, VocOptions};
use eval::{CsvReport, CsvTable};

use crate::Outcome;
use crate::folder::Folder;
use crate::golden::golden;

/// The value of a metric, as the table writes it.
fn metric(table: &CsvTable, name: &str) -> Option<String> {
    let text = table.to_string();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name},")).map(str::to_owned))
}

fn parsed(table: &CsvTable, name: &str) -> Option<f64> {
    metric(table, name).and_then(|value| value.parse().ok())
}

#[test]
fn fields_are_quoted_where_necessary_and_numbers_keep_all_digits() {
    let rows = [
        ("plain", 0.1 + 0.2, None),
        ("a, \"b\"", 1.0, Some(3.0)),
        ("two\nlines", -5e-324, Some(1e300)),
        ("", f64::INFINITY, None),
    ];
    let table = CsvTable::new("class,first,second", rows);
    let expected = "class,first,second\nplain,0.30000000000000004,\n\"a, \"\"b\"\"\",1.0,3.0\n\"two\nlines\",-5e-324,1e300\n,inf,\n";
    assert_eq!(table.to_string(), expected);
}

#[test]
fn a_table_is_written_completely_or_not_at_all() -> Outcome {
    let folder = Folder::new()?;
    let table = CsvTable::new("metric,value", [("AP", 0.25)]);
    table.write(folder.path("summary.csv"))?;
    assert_eq!(fs::read_to_string(folder.path("summary.csv"))?, "metric,value\nAP,0.25\n");
    assert_eq!(folder.names()?.len(), 1);
    let refused = table.write(folder.path("absent/summary.csv"));
    assert!(refused.is_err_and(|error| error.to_string().ends_with("No such file or directory (os error 2)")));
    Ok(())
}

#[test]
fn a_report_on_boxes_is_a_table_of_its_statistics_and_one_of_its_classes() -> Outcome {
    let report = score_files(golden("coco_annotations.json"), golden("coco_predictions.json"), IouType::Bbox)?;
    let summary = report.summary();
    for row in report.rows() {
        assert_eq!(parsed(&summary, row.name), Some(row.value).filter(|&value| value >= 0.0), "{}", row.name);
    }
    assert_eq!(parsed(&summary, "images"), Some(30.0));
    let classes = report.classes().to_string();
    let lines: Vec<&str> = classes.lines().collect();
    assert_eq!(lines[0], "class,id,objects,ap,ap50,ap75,ar1,ar10,ar100");
    assert_eq!(lines.len(), 1 + report.per_class.len());
    let unseen = report.per_class.iter().position(|class| class.ap.is_none()).ok_or("every class has objects")?;
    assert!(lines[1 + unseen].ends_with(",0,,,,,,"), "{}", lines[1 + unseen]);
    let heap: Vec<&str> = lines[1].split(',').collect();
    assert_eq!(heap[3].parse().ok(), report.per_class[0].ap);

    let nothing = eval::coco::GroundTruth::from_parts(Vec::new(), Vec::new(), Vec::new())?;
    let nothing = eval::coco::CocoEvaluator::new(nothing)?.finish()?;
    assert_eq!(metric(&nothing.summary(), "AP").as_deref(), Some(""), "pycocotools' -1 is no number");
    Ok(())
}

#[test]
fn an_analysis_is_a_table_of_thresholds_errors_and_curves() -> Outcome {
    let predictions = golden("coco_predictions.json");
    let report = analyze_files(golden("coco_annotations.json"), predictions, AnalysisOptions::default())?;
    let summary = report.summary();
    let best = report.best.ok_or("no operating point")?;
    let expected =
        [("threshold", best.threshold), ("precision", best.precision), ("recall", best.recall), ("f1", best.f1)];
    for (name, value) in expected {
        assert_eq!(parsed(&summary, name), Some(value), "{name}");
    }
    for error in &report.tide.errors {
        let name = error.name.to_lowercase();
        assert_eq!(metric(&summary, &format!("{name}_count")), Some(error.count.to_string()));
        assert_eq!(parsed(&summary, &format!("{name}_delta_ap")), Some(error.delta_ap));
    }
    let with_objects = report.per_class.iter().filter(|class| class.objects > 0).count();
    assert_eq!(report.curves().to_string().lines().count(), 1 + 101 * with_objects);
    assert_eq!(report.classes().to_string().lines().count(), 1 + report.per_class.len());
    Ok(())
}

#[test]
fn reports_on_voc_pixels_and_images_are_tables() -> Outcome {
    let object = Object { image: "1".to_owned(), class: 0, bbox: [0.0, 0.0, 9.0, 9.0], difficult: false };
    let truth = GroundTruth::from_parts(vec!["1".to_owned()], ["dog", "cat"], vec![object.clone()])?;
    let mut evaluator = VocEvaluator::new(truth, VocOptions::default())?;
    evaluator.add("1", &[Detection { class: 0, bbox: object.bbox, score: 0.5 }])?;
    let voc = evaluator.finish();
    assert_eq!(voc.summary().to_string(), "metric,value\nmap_2007,1.0\nmap_2010,1.0\nimages,1\ndetections,1\n");
    let classes = "class,objects,difficult,right,wrong,ap_2007,ap_2010\ndog,1,0,1,0,1.0,1.0\ncat,0,0,0,0,,\n";
    assert_eq!(voc.classes().to_string(), classes);

    let options = SegmentationOptions { boundary_tolerance: Some(0.008), ..Default::default() };
    let mut evaluator = SegmentationEvaluator::new(["sky", "road, wet", "car"], Some(255), options)?;
    evaluator.add("1.png", &[0, 0, 1, 1, 1, 1], &[0, 0, 0, 1, 1, 255], [2, 3])?;
    let pixels = evaluator.finish();
    assert_eq!(parsed(&pixels.summary(), "mean_iou"), pixels.mean_iou);
    assert_eq!(parsed(&pixels.summary(), "boundary_tolerance"), Some(0.008));
    assert_eq!(metric(&pixels.summary(), "ignored").as_deref(), Some("1"));
    let lines = pixels.classes().to_string();
    let third = 2.0 / 3.0;
    assert!(lines.contains(&format!("\n\"road, wet\",2,3,2,{third:?},1.0,{third:?},0.8,")), "{lines}");
    assert!(lines.ends_with("\ncar,0,0,0,,,,,\n"), "{lines}");

    let mut evaluator = ClassificationEvaluator::new(["cat", "dog", "gear"], ClassificationOptions::default())?;
    evaluator.add("1.jpg", &[4.0, 1.0, -2.0], 0)?;
    evaluator.add("2.jpg", &[3.0, 2.0, -2.0], 1)?;
    let images = evaluator.finish();
    let summary = images.summary();
    assert_eq!((parsed(&summary, "top1"), parsed(&summary, "top5")), (Some(0.5), Some(1.0)));
    assert_eq!(parsed(&summary, "negative_log_likelihood"), images.negative_log_likelihood);
    let classes =
        "class,images,predicted,correct,accuracy,precision\ncat,1,2,1,1.0,0.5\ndog,1,0,0,0.0,\ngear,0,0,0,,\n";
    assert_eq!(images.classes().to_string(), classes);
    Ok(())
}
