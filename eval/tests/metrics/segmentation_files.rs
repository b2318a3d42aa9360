//! Folders of label images score as the labels in memory, and files that cannot be read are named.

use std::fs;
use std::path::Path;

use eval::segmentation::{SegmentationEvaluator, SegmentationOptions, SegmentationReport, score_folders};
use png::{BitDepth, ColorType};

use crate::Outcome;
use crate::folder::Folder;

const CLASSES: [&str; 3] = ["sky", "road", "car"];

struct Folders(Folder);

impl Folders {
    fn new() -> std::io::Result<Folders> {
        let folder = Folder::new()?;
        fs::create_dir(folder.path("truth"))?;
        fs::create_dir(folder.path("predicted"))?;
        Ok(Folders(folder))
    }

    fn score(&self) -> Result<SegmentationReport, eval::Error> {
        let options = SegmentationOptions { boundary_tolerance: Some(0.008), ..Default::default() };
        score_folders(self.0.path("truth"), self.0.path("predicted"), CLASSES, Some(255), options)
    }
}

fn write(path: &Path, [height, width]: [u32; 2], color: ColorType, depth: BitDepth, data: &[u8]) -> Outcome {
    let mut encoder = png::Encoder::new(fs::File::create(path)?, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![0; 3 << depth as usize]);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()?;
    Ok(())
}

#[test]
fn folders_score_as_the_labels_in_memory() -> Outcome {
    let folders = Folders::new()?;
    let mut evaluator = SegmentationEvaluator::new(
        CLASSES,
        Some(255),
        SegmentationOptions { boundary_tolerance: Some(0.008), ..Default::default() },
    )?;
    let size = [6, 7];
    for number in 0..40u8 {
        let label = |place: u8| (place / 5 + number) % 3;
        let truth: Vec<u8> = (0..42).map(|place| if place == number { 255 } else { label(place) }).collect();
        let predicted: Vec<u8> = (0..42).map(|place| label(place + number % 4)).collect();
        evaluator.add("in memory", &predicted, &truth, size)?;
        let name = format!("{number}.png");
        write(&folders.0.path("truth").join(&name), [6, 7], ColorType::Indexed, BitDepth::Eight, &truth)?;
        write(&folders.0.path("predicted").join(&name), [6, 7], ColorType::Grayscale, BitDepth::Eight, &predicted)?;
    }
    fs::write(folders.0.path("truth").join("readme.txt"), "ignored")?;
    let report = folders.score()?;
    assert_eq!(report, evaluator.finish());
    assert_eq!((report.images, report.ignored), (40, 40));
    assert!(report.mean_iou.is_some_and(|iou| iou > 0.1 && iou < 0.9), "{:?}", report.mean_iou);
    let threads = rayon::ThreadPoolBuilder::new().num_threads(3).build()?;
    assert_eq!(threads.install(|| folders.score())?, report);
    Ok(())
}

#[test]
fn labels_of_less_than_a_byte_are_indices_too() -> Outcome {
    let folders = Folders::new()?;
    // Two rows of three pixels: 2 1 0 and 1 2 2, in two bits and in four.
    write(
        &folders.0.path("truth").join("1.png"),
        [2, 3],
        ColorType::Indexed,
        BitDepth::Two,
        &[0b10_01_00_00, 0b01_10_10_00],
    )?;
    let four = [0x21, 0x00, 0x12, 0x20];
    write(&folders.0.path("predicted").join("1.png"), [2, 3], ColorType::Grayscale, BitDepth::Four, &four)?;
    let report = folders.score()?;
    assert_eq!(report.pixel_accuracy, Some(1.0));
    assert_eq!(report.per_class.iter().map(|class| class.pixels).collect::<Vec<_>>(), [1, 2, 3]);
    Ok(())
}

#[test]
fn folders_that_do_not_match_are_refused_with_the_file() -> Outcome {
    let folders = Folders::new()?;
    assert_eq!(folders.0.message(folders.score()), "cannot read truth: it is not a folder with label images (PNG)");
    let grey = |path: &str, size: [u32; 2], labels: &[u8]| {
        write(&folders.0.path(path), size, ColorType::Grayscale, BitDepth::Eight, labels)
    };
    for name in ["1", "2", "3"] {
        grey(&format!("truth/{name}.png"), [2, 2], &[0, 1, 2, 255])?;
    }
    grey("predicted/2.png", [2, 2], &[0, 1, 2, 0])?;
    let missing = "2 image(s) have no prediction in predicted, the first of them \"1.png\"";
    assert_eq!(folders.0.message(folders.score()), missing);
    grey("predicted/4.png", [2, 2], &[0, 1, 2, 0])?;
    assert_eq!(folders.0.message(folders.score()), "predicted: image \"4.png\" is not in truth");
    fs::remove_file(folders.0.path("predicted/4.png"))?;

    grey("predicted/1.png", [1, 4], &[0, 1, 2, 0])?;
    grey("predicted/3.png", [2, 2], &[0, 1, 2, 0])?;
    let size = "predicted/1.png: 1 x 4 pixels (height x width), but its truth is 2 x 2";
    assert_eq!(folders.0.message(folders.score()), size);
    grey("predicted/1.png", [2, 2], &[0, 1, 3, 9])?;
    let label = "predicted/1.png: the predicted label at row 1, column 0 is 3 instead of a class below 3";
    assert_eq!(folders.0.message(folders.score()), label);
    grey("truth/1.png", [2, 2], &[0, 7, 2, 255])?;
    let label = "truth/1.png: the true label at row 0, column 1 is 7 instead of a class below 3";
    assert_eq!(folders.0.message(folders.score()), label);
    grey("truth/1.png", [2, 2], &[0, 1, 2, 255])?;
    grey("predicted/1.png", [2, 2], &[0, 1, 2, 9])?;
    assert_eq!(folders.score()?.mean_iou, Some(1.0), "predictions on ignored pixels do not count");
    Ok(())
}

#[test]
fn files_without_label_images_are_refused() -> Outcome {
    let folders = Folders::new()?;
    let (truth, predicted) = (folders.0.path("truth/1.png"), folders.0.path("predicted/1.png"));
    let labels: Vec<u8> = (0..64 * 64).map(|place| (place / 7 % 3) as u8).collect();
    write(&truth, [64, 64], ColorType::Grayscale, BitDepth::Eight, &labels)?;
    let complete = fs::read(&truth)?;

    write(&predicted, [64, 64], ColorType::Rgb, BitDepth::Eight, &vec![0; 64 * 64 * 3])?;
    let rgb = "cannot read predicted/1.png: its pixels are Rgb of 8 bits instead of palette or grey of up to 8";
    assert_eq!(folders.0.message(folders.score()), rgb);
    write(&predicted, [64, 64], ColorType::Grayscale, BitDepth::Sixteen, &vec![0; 64 * 64 * 2])?;
    assert!(folders.0.message(folders.score()).contains("Grayscale of 16 bits"));

    for kept in [0, 20, 60, complete.len() - 30, complete.len() - 12, complete.len() - 1] {
        fs::write(&predicted, &complete[..kept])?;
        let text = folders.0.message(folders.score());
        assert!(text.starts_with("cannot read predicted/1.png: "), "{kept} bytes: {text}");
    }
    // A header that promises 2^62 pixels.
    let mut vast = complete.clone();
    vast[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    fs::write(&predicted, vast)?;
    assert!(folders.0.message(folders.score()).starts_with("cannot read predicted/1.png: "));
    fs::write(&predicted, "not an image")?;
    assert!(folders.0.message(folders.score()).starts_with("cannot read predicted/1.png: "));
    fs::write(&predicted, complete)?;
    assert_eq!(folders.score()?.pixel_accuracy, Some(1.0));
    Ok(())
}

#[test]
fn invalid_labels_are_refused_and_not_added() -> Outcome {
    let folders = Folders::new()?;
    let mut evaluator = SegmentationEvaluator::new(CLASSES, Some(255), SegmentationOptions::default())?;
    type Refused<'a> = (&'a [u8], &'a [u8], [usize; 2], &'a str);
    let cases: [Refused<'_>; 5] = [
        (&[0; 5], &[0; 6], [2, 3], "5 predicted pixels instead of 6"),
        (&[0; 6], &[0; 7], [2, 3], "7 true pixels instead of 6"),
        (&[0; 6], &[0; 6], [usize::MAX, 3], "6 predicted pixels instead of 18446744073709551615"),
        (&[0; 6], &[0, 0, 0, 0, 3, 0], [2, 3], "the true label at row 1, column 1 is 3 instead of a class below 3"),
        (
            &[0, 0, 255, 0, 0, 0],
            &[0; 6],
            [2, 3],
            "the predicted label at row 0, column 2 is 255 instead of a class below 3",
        ),
    ];
    for (predicted, truth, size, expected) in cases {
        let refused = evaluator.add("1.png", predicted, truth, size);
        assert_eq!(folders.0.message(refused), format!("image \"1.png\": {expected}"));
    }
    let other = SegmentationEvaluator::new(CLASSES, None, SegmentationOptions::default())?;
    let unlike = evaluator.merge(&other);
    assert_eq!(folders.0.message(unlike), "two evaluations with different ignored labels cannot be merged");
    evaluator.add("empty.png", &[], &[], [0, 5])?;
    let report = evaluator.finish();
    assert_eq!((report.images, report.pixels, report.mean_iou, report.pixel_accuracy), (1, 0, None, None));

    let many = SegmentationEvaluator::new((0..257).map(|n| n.to_string()), None, SegmentationOptions::default());
    assert_eq!(folders.0.message(many), "the number of classes is 257 instead of at most 256 (a label is a byte)");
    let options = SegmentationOptions { boundary_tolerance: Some(f64::NAN), ..Default::default() };
    let nan = SegmentationEvaluator::new(CLASSES, None, options);
    assert_eq!(folders.0.message(nan), "boundary_tolerance is NaN instead of a share of the diagonal from 0 to 0.1");
    Ok(())
}
