//! Annotated images as a detector's samples.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datasets::{
    Augmentation, Class, Dataset, DetectionDataset, DetectionSet, Encoding, Error, Findings, Image, Object,
    Orientation, PixelOptions, Record, SampleRng, Size, TargetOptions,
};

use crate::files;

const STORED: Size = Size { height: 120, width: 160 };

fn object(bbox: [f64; 4]) -> Object {
    Object { class: 1, bbox, area: bbox[2] * bbox[3], crowd: false, difficult: false }
}

/// Records of one image file each, with these objects.
fn set(folder: &Path, encoding: Encoding, stored: Size, objects: Vec<Vec<Object>>) -> Arc<DetectionSet> {
    let mut image = Image::filled(stored, [30, 160, 60]);
    for (place, pixel) in image.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = (place % stored.width, place / stored.width);
        if (stored.width / 4..stored.width / 2).contains(&x) && (stored.height / 2..stored.height * 3 / 4).contains(&y)
        {
            pixel.copy_from_slice(&[240, 20, 20]);
        }
    }
    let bytes = image.encode(encoding).expect("encoded");
    let record = |(place, objects): (usize, Vec<Object>)| {
        let file = folder.join(format!("{place}.image"));
        fs::write(&file, &bytes).expect("written");
        Record { image_id: place as u64 + 10, file, width: stored.width, height: stored.height, objects }
    };
    let records = objects.into_iter().enumerate().map(record).collect();
    let classes = ["cat", "dog"].iter().zip(1..).map(|(name, id)| Class { id, name: (*name).to_owned() }).collect();
    Arc::new(DetectionSet { classes, records, ids: Default::default(), findings: Findings::default() })
}

fn load(dataset: &DetectionDataset, index: usize) -> Result<datasets::DetectionSample, Error> {
    dataset.load(index, 0, &mut SampleRng::for_sample(0, 0, index as u64))
}

#[test]
fn evaluation_has_every_image_resized_with_its_original_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let crowd = Object { crowd: true, ..object([0.0, 0.0, 9.0, 9.0]) };
    let set = set(folder.path(), Encoding::Png, STORED, vec![vec![object([40.0, 60.0, 40.0, 30.0]), crowd], vec![]]);
    let size = Size { height: 60, width: 40 };
    let dataset =
        DetectionDataset::for_evaluation(Arc::clone(&set), size, PixelOptions::default()).expect("a valid size");
    assert_eq!((dataset.len(), dataset.size()), (2, size));
    let sample = load(&dataset, 0).expect("a sample");
    assert_eq!((sample.image.size(), sample.original, sample.image_id), (size, STORED, 10));
    assert_eq!((sample.boxes.as_slice(), sample.labels.as_slice()), (&[[10.0, 30.0, 20.0, 45.0]][..], &[1][..]));
    assert_eq!(sample.path, set.records[0].file);
    let stored = Image::read(&sample.path, &PixelOptions::default()).expect("a complete file");
    assert_eq!(sample.image, stored.resize(size).expect("a valid size"));
    assert!(load(&dataset, 1).expect("a sample").boxes.is_empty());
}

#[test]
fn training_leaves_out_images_without_a_target_unless_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let difficult = Object { difficult: true, ..object([5.0, 5.0, 20.0, 20.0]) };
    let set =
        set(folder.path(), Encoding::Png, STORED, vec![vec![], vec![difficult], vec![object([5.0, 5.0, 20.0, 20.0])]]);
    let train = |targets| {
        DetectionDataset::for_training(
            Arc::clone(&set),
            STORED,
            Augmentation::flip_only(),
            targets,
            PixelOptions::default(),
        )
        .expect("valid options")
    };
    assert_eq!(train(TargetOptions::default()).len(), 1);
    assert_eq!(train(TargetOptions::default()).path(0), set.records[2].file);
    assert_eq!(train(TargetOptions { keep_difficult: true, ..TargetOptions::default() }).len(), 2);
    assert_eq!(train(TargetOptions { keep_empty: true, ..TargetOptions::default() }).len(), 3);
    let empty = DetectionSet { records: set.records[..2].to_vec(), ..DetectionSet::clone(&set) };
    let augmentation = Augmentation::default();
    let error = DetectionDataset::for_training(
        Arc::new(empty),
        STORED,
        augmentation,
        TargetOptions::default(),
        PixelOptions::default(),
    )
    .err();
    let error = error.expect("no targets").to_string();
    assert!(
        error.starts_with("none of the 2 images has an object to train on: all 1 objects are difficult"),
        "{error}"
    );
}

#[test]
fn a_large_jpeg_is_decoded_small_and_boxes_still_fit_the_pixels() {
    let folder = tempfile::tempdir().expect("a folder");
    // Neither side is a multiple of eight, so that the last block of a reduced image is partly beyond the image.
    let stored = Size { height: 1203, width: 1605 };
    let bbox = [401.0, 601.0, 401.0, 301.0];
    let set = set(folder.path(), Encoding::Jpeg(92), stored, vec![vec![object(bbox)]]);
    for side in [64, 150, 320, 700] {
        let size = Size { height: side, width: side };
        let dataset =
            DetectionDataset::for_evaluation(Arc::clone(&set), size, PixelOptions::default()).expect("a valid size");
        let sample = load(&dataset, 0).expect("a sample");
        let red = |x: f32, y: f32| {
            let place = (y as usize * side + x as usize) * 3;
            sample.image.data[place] > 128
        };
        let [left, top, right, bottom] = sample.boxes[0];
        let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        for (inside, outside) in [
            ((left + 1.5, y), (left - 1.5, y)),
            ((right - 1.5, y), (right + 1.5, y)),
            ((x, top + 1.5), (x, top - 1.5)),
            ((x, bottom - 1.5), (x, bottom + 1.5)),
        ] {
            assert!(red(inside.0, inside.1) && !red(outside.0, outside.1), "size {side}: {inside:?} {outside:?}");
        }
    }
}

#[test]
fn an_image_of_another_size_than_annotated_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    for encoding in [Encoding::Png, Encoding::Jpeg(90)] {
        let mut wrong = DetectionSet::clone(&set(folder.path(), encoding, STORED, vec![vec![]]));
        (wrong.records[0].width, wrong.records[0].height) = (STORED.height, STORED.width);
        let dataset =
            DetectionDataset::for_evaluation(Arc::new(wrong), STORED, PixelOptions::default()).expect("a valid size");
        let error = load(&dataset, 0).expect_err("another size").to_string();
        assert!(error.ends_with("0.image is 160x120 pixels, but its annotation says 120x160"), "{error}");
    }
}

#[test]
fn boxes_belong_to_the_frame_of_their_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let upright = Size { height: STORED.width, width: STORED.height };
    let of_size = |Size { height, width }, orientation| {
        let mut set = DetectionSet::clone(&set(folder.path(), Encoding::Jpeg(95), STORED, vec![vec![]]));
        let file = &set.records[0].file;
        fs::write(file, files::turned(&fs::read(file).expect("read"), 6)).expect("written");
        (set.records[0].width, set.records[0].height) = (width, height);
        let pixels = PixelOptions { orientation, ..PixelOptions::default() };
        let dataset = DetectionDataset::for_evaluation(Arc::new(set), Size { height, width }, pixels);
        load(&dataset.expect("a valid size"), 0)
    };
    // The red part is left of the middle and below it; turned clockwise, left of the middle and above it.
    let is_red = |sample: &datasets::DetectionSample, x: usize, y: usize| {
        let Size { height, width } = sample.image.size();
        let place = (y * height / 8 * width + x * width / 8) * 3;
        sample.image.data[place] > 128
    };
    let sample = of_size(upright, Orientation::Upright).expect("turned");
    assert!(is_red(&sample, 3, 3) && !is_red(&sample, 3, 5));
    for orientation in [Orientation::Upright, Orientation::Stored] {
        let sample = of_size(STORED, orientation).expect("as stored");
        assert!(is_red(&sample, 3, 5) && !is_red(&sample, 3, 3));
    }
    let error = of_size(upright, Orientation::Stored).expect_err("another size").to_string();
    let words = "is 160x120 pixels, but its annotation says 120x160; data.orientation decides whether its EXIF orientation \
                 turns it, and the other choice gives 120x160";
    assert!(error.ends_with(words), "{error}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = set(folder.path(), Encoding::Png, STORED, vec![vec![object([5.0, 5.0, 20.0, 20.0])]]);
    let error =
        DetectionDataset::for_evaluation(Arc::clone(&set), Size { height: 0, width: 3 }, PixelOptions::default()).err();
    assert_eq!(
        error.expect("refused").to_string(),
        "size is 3x0 instead of a width and a height from 1 to 65535 pixels"
    );
    let augmentation = Augmentation { horizontal_flip: 2.0, ..Augmentation::default() };
    assert!(
        DetectionDataset::for_training(set, STORED, augmentation, TargetOptions::default(), PixelOptions::default())
            .is_err()
    );
}
