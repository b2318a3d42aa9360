//! Files of class scores: what is written scores as what was in memory, and what cannot be read is named with its place.

use std::fs;

use eval::classification::{
    ClassificationEvaluator, ClassificationOptions, ClassificationReport, PredictionReader, PredictionWriter,
    RealLabels, ScoreKind, score_files, write_truth,
};

use crate::Outcome;
use crate::folder::Folder;

const CLASSES: [&str; 3] = ["tench, Tinca tinca", "a \"gear\"", "Schlüssel"];

fn score(folder: &Folder) -> Result<ClassificationReport, eval::Error> {
    score_files(folder.path("truth.csv"), folder.path("scores.csv"), ClassificationOptions::default(), None)
}

#[test]
fn a_written_file_scores_as_the_scores_in_memory() -> Outcome {
    let folder = Folder::new()?;
    let samples = [
        ("a.jpg", [1.0f32 / 3.0, -0.0, f32::MIN_POSITIVE / 8.0], 0),
        ("folder, with/b \"2\".jpg", [f32::MAX, f32::MIN, 1e-7], 1),
        ("two\nlines, ü.jpg", [0.1 + 0.2, 16_777_216.0, -1.5], 2),
        ("d.jpg", [2.0, 2.0, 2.0], 1),
    ];
    let mut evaluator = ClassificationEvaluator::new(CLASSES, ClassificationOptions::default())?;
    let mut writer = PredictionWriter::create(folder.path("scores.csv"), CLASSES)?;
    for (image, scores, truth) in &samples {
        evaluator.add(image, scores, *truth)?;
        writer.add(image, scores)?;
    }
    assert_eq!(writer.finish()?, 4);
    // The truth is in another order.
    let truth = samples.iter().rev().map(|&(image, _, truth)| (image, CLASSES[truth]));
    assert_eq!(write_truth(folder.path("truth.csv"), truth)?, 4);

    let mut reader = PredictionReader::open(folder.path("scores.csv"))?;
    assert_eq!(reader.class_names(), CLASSES);
    // The third name is on two lines.
    for (line, (image, scores, _)) in [2, 3, 4, 6].into_iter().zip(&samples) {
        let row = reader.next_row()?.expect("a line for each image");
        assert_eq!((row.line, row.image), (line, *image));
        let bits: Vec<u32> = row.scores.iter().map(|score| score.to_bits()).collect();
        assert_eq!(bits, scores.map(f32::to_bits));
    }
    assert_eq!(reader.next_row()?, None);

    let report = score(&folder)?;
    assert_eq!(report, evaluator.finish());
    assert_eq!((report.images, report.accuracy(1), report.accuracy(5)), (4, Some(0.25), Some(1.0)));
    Ok(())
}

#[test]
fn a_mark_and_other_encodings_are_no_part_of_the_names() -> Outcome {
    let folder = Folder::new()?;
    let (truth, scores) = ("image,class\ncafé.jpg,a\n", "image,a,b\ncafé.jpg,1,0\n");
    let marked: fn(&str) -> Vec<u8> = |text| format!("\u{feff}{text}").into_bytes();
    let wide = |text: &str| format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = |text: &str| text.chars().map(|letter| letter as u8).collect();
    for encode in [marked, wide, latin] {
        folder.file("truth.csv", encode(truth))?;
        folder.file("scores.csv", encode(scores))?;
        assert_eq!(score(&folder)?.accuracy(1), Some(1.0));
    }
    Ok(())
}

#[test]
fn real_labels_are_found_by_file_name() -> Outcome {
    let folder = Folder::new()?;
    let labels = RealLabels::from_file(folder.file("real.json", "[[1, 2], [], [0]]")?)?;
    assert_eq!((labels.len(), labels.is_empty()), (3, false));
    let empty = ClassificationEvaluator::new(CLASSES, ClassificationOptions::default())?;
    let mut evaluator = empty.clone().with_real_labels(labels.clone())?;
    evaluator.add("val/ILSVRC2012_val_00000001.JPEG", &[0.0, 1.0, 2.0], 0)?;
    evaluator.add("ILSVRC2012_val_00000002.JPEG", &[0.0, 1.0, 2.0], 2)?;
    evaluator.add("ILSVRC2012_val_00000003.JPEG", &[0.0, 1.0, 2.0], 2)?;
    for image in ["ILSVRC2012_val_00000004.JPEG", "ILSVRC2012_val_00000000.JPEG", "ILSVRC2012_val_1.JPEG", "a.jpg"] {
        let unknown = evaluator.add(image, &[0.0, 1.0, 2.0], 2);
        let labelled = "one with ReaL labels (ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_00000003.JPEG)";
        let expected = format!("image {image:?}: the file name is {image:?} instead of {labelled}");
        assert_eq!(folder.message(unknown), expected);
    }
    let report = evaluator.finish();
    let real = report.real.as_ref().expect("ReaL labels were given");
    assert_eq!((real.images, real.correct, real.accuracy), (2, 1, Some(0.5)));
    assert_eq!((report.images, report.accuracy(1)), (3, Some(2.0 / 3.0)));

    let outside = empty.clone().with_real_labels(RealLabels::from(vec![vec![], vec![0, 3]]));
    assert_eq!(folder.message(outside), "ReaL labels[1]: the class is 3 instead of an index below 3");
    let swapped = RealLabels::from_file(folder.file("other.json", "{}")?);
    assert_eq!(
        folder.message(swapped),
        "cannot read other.json: it is not a file of ReaL labels, a list of lists of class indices"
    );
    let negative = RealLabels::from_file(folder.file("other.json", "[[-1]]")?);
    assert_eq!(folder.message(negative), "cannot read other.json:1:4: invalid value: integer `-1`, expected usize");
    let mut other = empty.clone().with_real_labels(labels)?;
    assert_eq!(folder.message(other.merge(&empty)), "two evaluations with different ReaL labels cannot be merged");
    Ok(())
}

#[test]
fn invalid_scores_are_refused_and_not_added() -> Outcome {
    let folder = Folder::new()?;
    let mut logits = ClassificationEvaluator::new(CLASSES, ClassificationOptions::default())?;
    let options = ClassificationOptions { scores: ScoreKind::Probabilities, ..Default::default() };
    let mut probabilities = ClassificationEvaluator::new(CLASSES, options)?;
    let cases: [(&[f32], usize, &str); 4] = [
        (&[0.0, 1.0], 0, "2 scores instead of 3"),
        (&[0.0, 1.0, 2.0], 3, "the class is 3 instead of an index below 3"),
        (&[0.0, f32::NAN, 2.0], 0, "the score of class \"a \\\"gear\\\"\" is NaN instead of a finite number"),
        (&[0.0, 1.0, f32::INFINITY], 0, "the score of class \"Schlüssel\" is inf instead of a finite number"),
    ];
    for (scores, truth, expected) in cases {
        assert_eq!(folder.message(logits.add("1.jpg", scores, truth)), format!("image \"1.jpg\": {expected}"));
    }
    for (score, spelled) in [(-0.1, "-0.1"), (1.5, "1.5"), (f32::NAN, "NaN")] {
        let refused = probabilities.add("1.jpg", &[0.5, 0.5, score], 0);
        let expected = format!(
            "image \"1.jpg\": the score of class \"Schlüssel\" is {spelled} instead of a probability from 0 to 1"
        );
        assert_eq!(folder.message(refused), expected);
    }
    assert_eq!(folder.message(logits.merge(&probabilities)), "two evaluations with different options cannot be merged");
    let none = logits.finish();
    assert_eq!((none.images, none.accuracy(1), none.expected_calibration_error), (0, None, None));
    assert_eq!((none.mean_class_accuracy, none.negative_log_likelihood, none.real), (None, None, None));

    probabilities.add("1.jpg", &[0.0, 1.0, 0.0], 0)?;
    let likelihood = probabilities.finish().negative_log_likelihood;
    assert_eq!(likelihood, Some(-f64::from(f32::MIN_POSITIVE).ln()), "a probability of 0 has a finite loss");
    Ok(())
}

#[test]
fn options_and_classes_outside_their_range_are_refused() -> Outcome {
    let folder = Folder::new()?;
    let make = |classes: &[&str], options| folder.message(ClassificationEvaluator::new(classes.to_vec(), options));
    let default = ClassificationOptions::default;
    assert_eq!(make(&[], default()), "the number of classes is 0 instead of at least one");
    assert_eq!(make(&["a", "b", "a"], default()), "class \"a\" occurs twice");
    let repeated = ClassificationOptions { top_k: vec![1, 5, 1], ..default() };
    assert_eq!(make(&CLASSES, repeated), "top_k is [1, 5, 1] instead of different numbers from 1");
    let none = ClassificationOptions { top_k: vec![0], ..default() };
    assert_eq!(make(&CLASSES, none), "top_k is [0] instead of different numbers from 1");
    let bins = ClassificationOptions { calibration_bins: 0, ..default() };
    assert_eq!(make(&CLASSES, bins), "calibration_bins is 0 instead of a number from 1 to 1000");

    let read: ClassificationOptions = serde_json::from_str(r#"{"scores": "probabilities"}"#)?;
    assert_eq!(read, ClassificationOptions { scores: ScoreKind::Probabilities, ..default() });
    assert!(serde_json::from_str::<ClassificationOptions>(r#"{"bins": 3}"#).is_err());
    Ok(())
}

#[test]
fn confidences_on_a_boundary_belong_to_the_bin_below() -> Outcome {
    let options = ClassificationOptions { scores: ScoreKind::Probabilities, calibration_bins: 4, ..Default::default() };
    let mut evaluator = ClassificationEvaluator::new(["a", "b"], options)?;
    for confidence in [0.0, 0.25, 0.5, 0.75, 1.0, f32::from_bits(0.5f32.to_bits() + 1)] {
        evaluator.add("1.jpg", &[confidence, 0.0], 0)?;
    }
    let report = evaluator.finish();
    let bins: Vec<_> = report.calibration.iter().map(|bin| (bin.above, bin.up_to, bin.images)).collect();
    assert_eq!(bins, [(0.0, 0.25, 2), (0.25, 0.5, 1), (0.5, 0.75, 2), (0.75, 1.0, 1)]);
    assert_eq!(report.calibration[0].confidence, Some(0.125));
    assert_eq!(report.calibration[0].accuracy, Some(1.0));
    Ok(())
}

#[test]
fn files_without_valid_scores_are_named_with_the_line() -> Outcome {
    let folder = Folder::new()?;
    folder.file("truth.csv", "image,class\n1.jpg,a\n2.jpg,\"b,c\"\n")?;
    let long = format!("image,a,\"b,c\"\n1.jpg,{}\n", "1".repeat(5 << 20));
    let cases: [(&[u8], &str); 18] = [
        (b"", "cannot read scores.csv: it is not a file of class scores, CSV with the header image,<class names>"),
        (b"[1]\n", "cannot read scores.csv: it is not a file of class scores, CSV with the header image,<class names>"),
        (b"image,a,\"b,c\"", "cannot read scores.csv: it is cut short: line 1 does not end"),
        (b"image\n", "scores.csv:1: the number of classes is 0 instead of at least one"),
        (b"image,a,a\n", "scores.csv:1: class \"a\" occurs twice"),
        (b"image,a,\"b,c\"\n1.jpg,1,2\n2.jpg,1,1.2", "cannot read scores.csv: it is cut short: line 3 does not end"),
        (b"image,a,\"b,c\"\n1.jpg,1,2\n2.jp", "cannot read scores.csv: it is cut short: line 3 does not end"),
        (b"image,a,\"b,c\"\n1.jpg,1\n", "scores.csv:2: 2 columns instead of 3"),
        (b"image,a,\"b,c\"\n1.jpg,1,2,3,4\n", "scores.csv:2: 5 columns instead of 3"),
        (b"image,a,\"b,c\"\n\n", "2 image(s) have no prediction in scores.csv, the first of them \"1.jpg\""),
        (
            b"image,a,\"b,c\"\n1.jpg,1,x2\n",
            "scores.csv:2: the score of class \"b,c\" is \"x2\" instead of a finite number",
        ),
        (
            b"image,a,\"b,c\"\n1.jpg,NaN,2\n",
            "scores.csv:2: the score of class \"a\" is \"NaN\" instead of a finite number",
        ),
        (
            b"image,a,\"b,c\"\n1.jpg,1,1e39\n",
            "scores.csv:2: the score of class \"b,c\" is \"1e39\" instead of a finite number",
        ),
        (b"image,a,\"b,c\"\n\"1.jpg,1,2\n", "scores.csv:2: 1 columns instead of 3"),
        (b"image,a,\"b,c\"\n\"1.jpg\"x,1,2\n", "scores.csv:2: image \"1.jpgx\" is not in the ground truth"),
        (b"image,a,\"b,c\"\n1.jpg,1,2\n3.jpg,1,2\n", "scores.csv:3: image \"3.jpg\" is not in the ground truth"),
        (b"image,a,\"b,c\"\n1.jpg,1,2\n2.jpg,1,2\n1.jpg,1,2\n", "scores.csv:4: image \"1.jpg\" occurs twice"),
        (b"image,a,\"b,c\"\n2.jpg,1,2\n", "1 image(s) have no prediction in scores.csv, the first of them \"1.jpg\""),
    ];
    for (text, expected) in cases {
        folder.file("scores.csv", text)?;
        assert_eq!(folder.message(score(&folder)), expected, "{:?}", String::from_utf8_lossy(text));
    }
    folder.file("scores.csv", long)?;
    assert_eq!(folder.message(score(&folder)), "cannot read scores.csv: line 2 is longer than 4194304 bytes");
    fs::remove_file(folder.path("scores.csv"))?;
    assert_eq!(folder.message(score(&folder)), "cannot read scores.csv: No such file or directory (os error 2)");
    Ok(())
}

#[test]
fn files_without_valid_truth_are_named_with_the_line() -> Outcome {
    let folder = Folder::new()?;
    folder.file("scores.csv", "\u{FEFF}image,a,b\r\n1.jpg,1,2\r\n2.jpg,3,2\r\n")?;
    let cases = [
        ("", "cannot read truth.csv: it is not a file of true classes, CSV with the header image,class"),
        ("image,a,b\n", "cannot read truth.csv: it is not a file of true classes, CSV with the header image,class"),
        ("image,class\n1.jpg,a\n2.jpg,c\n", "truth.csv:3: class \"c\" is not in the file of scores"),
        ("image,class\n1.jpg\n", "truth.csv:2: 1 columns instead of 2"),
        ("image,class\n1.jpg,a,b\n", "truth.csv:2: 3 columns instead of 2"),
        ("image,class\n1.jpg,a\n2.jpg,b\n1.jpg,b\n", "truth.csv:4: image \"1.jpg\" occurs twice"),
        ("image,class\n1.jpg,a\n2.jpg,b", "cannot read truth.csv: it is cut short: line 3 does not end"),
    ];
    for (text, expected) in cases {
        folder.file("truth.csv", text)?;
        assert_eq!(folder.message(score(&folder)), expected, "{text:?}");
    }
    folder.file("truth.csv", "image,class\n2.jpg,\"a\"\n1.jpg,b\n")?;
    assert_eq!(score(&folder)?.accuracy(1), Some(1.0), "line breaks and byte order marks of other systems are read");
    Ok(())
}

#[test]
fn a_scores_file_appears_complete_or_not_at_all() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.file("scores.csv", "old")?;
    let mut writer = PredictionWriter::create(&path, CLASSES)?;
    writer.add("1.jpg", &[1.0, 2.0, 3.0])?;
    let refused = writer.add("2.jpg", &[1.0, f32::NAN, 3.0]);
    let expected = "image \"2.jpg\": the score of class \"a \\\"gear\\\"\" is NaN instead of a finite number";
    assert_eq!(folder.message(refused), expected);
    let short = writer.add("2.jpg", &[1.0]);
    assert_eq!(folder.message(short), "image \"2.jpg\": 1 scores instead of 3");
    assert_eq!(fs::read_to_string(&path)?, "old");
    drop(writer);
    assert_eq!((fs::read_to_string(&path)?.as_str(), folder.names()?.len()), ("old", 1));

    let mut writer = PredictionWriter::create(&path, ["a", "b,c"])?;
    writer.add("1.jpg", &[1.0, -0.25])?;
    assert_eq!(writer.finish()?, 1);
    assert_eq!(fs::read_to_string(&path)?, "image,a,\"b,c\"\n1.jpg,1.0,-0.25\n");
    Ok(())
}
