//! Masks, their readers, and the samples made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datasets::segmentation::pairs::{self, PairOptions};
use datasets::segmentation::{Unmapped, ade20k, voc};
use datasets::{
    Dataset, Encoding, Error, EvaluationSize, FindingKind, Image, Mask, Orientation, PixelOptions, SampleRng,
    SegmentAugmentation, SegmentationDataset, SegmentationSample, SegmentationSet, Size, voc_palette,
};
use png::{BitDepth, ColorType};

use crate::files::{self, jpeg, png, write};

fn decode(bytes: Vec<u8>) -> Result<Mask, Error> {
    Mask::decode(bytes, Path::new("somewhere/m.png"))
}

#[test]
fn masks_are_the_numbers_in_the_pixels_at_every_depth() {
    let read = |width, height, colour, depth, data: &[u8]| {
        let mask = decode(png(Size { height, width }, colour, depth, data)).expect("a mask");
        assert_eq!(mask.size(), Size { height, width });
        mask.data
    };
    assert_eq!(read(3, 2, ColorType::Indexed, BitDepth::Eight, &[0, 1, 15, 2, 3, 4]), [0, 1, 15, 2, 3, 4]);
    assert_eq!(read(3, 2, ColorType::Indexed, BitDepth::Four, &[0x1F, 0x20, 0x03, 0x40]), [1, 15, 2, 0, 3, 4]);
    assert_eq!(read(5, 1, ColorType::Indexed, BitDepth::Two, &[0b00_01_10_11, 0b10_00_00_00]), [0, 1, 2, 3, 2]);
    assert_eq!(read(9, 1, ColorType::Grayscale, BitDepth::One, &[0b1010_0001, 0x80]), [1, 0, 1, 0, 0, 0, 0, 1, 1]);
    assert_eq!(read(2, 1, ColorType::Grayscale, BitDepth::Eight, &[255, 7]), [255, 7]);
    assert_eq!(read(2, 1, ColorType::Grayscale, BitDepth::Sixteen, &[0, 255, 0, 7]), [255, 7]);
}

#[test]
fn masks_without_valid_ids_are_errors_that_name_the_file_and_the_pixel() {
    let wide = png(Size { height: 2, width: 2 }, ColorType::Grayscale, BitDepth::Sixteen, &[0, 1, 0, 2, 0, 3, 1, 0]);
    let error = decode(wide).expect_err("256 is not a byte").to_string();
    assert_eq!(error, "mask somewhere/m.png has id 256 at pixel (1, 1), which is more than 255");
    let colours = png(Size { height: 1, width: 1 }, ColorType::Rgb, BitDepth::Eight, &[1, 2, 3]);
    let error = decode(colours).expect_err("colours").to_string();
    assert!(error.starts_with("cannot read somewhere/m.png: its pixels are colours, but a mask has"), "{error}");
    assert!(decode(jpeg(SIZE, [0; 3])).expect_err("a JPEG").to_string().contains("a mask cannot be a JPEG"));
    let complete = png(Size { height: 1, width: 2 }, ColorType::Indexed, BitDepth::Eight, &[1, 2]);
    for length in 0..complete.len() {
        assert!(decode(complete[..length].to_vec()).is_err(), "{length} of {} bytes pass", complete.len());
    }
}

#[test]
fn a_mask_is_written_with_its_palette_and_read_back() {
    let mask = Mask { height: 2, width: 3, data: vec![0, 20, 255, 1, 2, 3] };
    let bytes = mask.encode(&voc_palette()).expect("colours for all");
    assert_eq!(decode(bytes.clone()).expect("a mask"), mask);
    let shown = Image::decode(bytes, Path::new("m.png"), &PixelOptions::default()).expect("an image");
    assert_eq!(shown.data[..9], [0, 0, 0, 0, 64, 128, 224, 224, 192]);
    assert_eq!(voc_palette()[3 * 15..3 * 16], [192, 128, 128]);
    let error = mask.encode(&voc_palette()[..60]).expect_err("too few colours").to_string();
    assert!(error.ends_with("class 255 is beyond the palette of 20 colours"), "{error}");
}

const SIZE: Size = Size { height: 4, width: 6 };

fn image(size: Size) -> Vec<u8> {
    Image::filled(size, [50, 100, 150]).encode(Encoding::Png).expect("a valid image")
}

fn mask(ids: &[u8]) -> Vec<u8> {
    let data: Vec<u8> = (0..SIZE.pixels()).map(|place| ids[place % ids.len()]).collect();
    png(SIZE, ColorType::Grayscale, BitDepth::Eight, &data)
}

fn sample(set: SegmentationSet, index: usize) -> Result<SegmentationSample, Error> {
    let dataset = SegmentationDataset::for_evaluation(Arc::new(set), EvaluationSize::Full, PixelOptions::default())
        .expect("a valid size");
    dataset.load(index, 0, &mut SampleRng::for_sample(0, 0, 0))
}

fn devkit(root: &Path, list: &str) {
    write(root, "ImageSets/Segmentation/train.txt", list.as_bytes());
    for id in ["a", "b"] {
        write(root, &format!("JPEGImages/{id}.png"), &image(SIZE));
        write(root, &format!("SegmentationClass/{id}.png"), &mask(&[0, 1, 20, 255]));
    }
}

#[test]
fn a_mask_belongs_to_the_frame_of_its_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let upright = Size { height: SIZE.width, width: SIZE.height };
    write(folder.path(), "i/a.jpg", &files::turned(&jpeg(SIZE, [9; 3]), 8));
    for size in [SIZE, upright] {
        let mask = png(size, ColorType::Grayscale, BitDepth::Eight, &vec![0; SIZE.pixels()]);
        write(folder.path(), "m/a.png", &mask);
        let options = PairOptions { classes: vec!["a".to_owned()], ..PairOptions::default() };
        let set = pairs::read(&folder.path().join("i"), &folder.path().join("m"), &options).expect("a set");
        let read = sample(set.clone(), 0).expect("a sample");
        assert_eq!((read.image.size(), read.mask.size()), (size, size));
        let pixels = PixelOptions { orientation: Orientation::Stored, ..PixelOptions::default() };
        let dataset = SegmentationDataset::for_evaluation(Arc::new(set), EvaluationSize::Full, pixels).expect("valid");
        match dataset.load(0, 0, &mut SampleRng::for_sample(0, 0, 0)) {
            Ok(_) => assert_eq!(size, SIZE),
            Err(error) => assert!(error.to_string().contains("data.orientation decides whether its EXIF"), "{error}"),
        }
    }
}

#[test]
fn a_voc_split_is_read_with_background_first_and_void_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    devkit(folder.path(), "b\na\n");
    let set = voc::read(folder.path(), "train", None).expect("a valid devkit");
    assert_eq!(set.classes.len(), 21);
    assert_eq!([0, 1, 20].map(|class| set.classes[class].name.as_str()), ["background", "aeroplane", "tvmonitor"]);
    assert_eq!(set.records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    let read = sample(set, 1).expect("a valid pair");
    assert_eq!((read.image.size(), read.mask.size(), read.original), (SIZE, SIZE, SIZE));
    assert_eq!((read.id.as_str(), read.index, &read.mask.data[..5]), ("a", 1, &[0, 1, 20, 255, 0][..]));
    let names = ["background", "cat"].map(str::to_owned);
    let set = voc::read(folder.path(), "train", Some(&names)).expect("a valid devkit");
    assert_eq!(set.classes.len(), 2);
    let error = sample(set, 0).expect_err("20 is not a class").to_string();
    let expected = "b.png has id 20 at pixel (2, 0), which is neither one of the 2 classes nor the ignore index 255";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn voc_lists_that_leave_the_folder_or_name_missing_files_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |list: &str| {
        devkit(folder.path(), list);
        voc::read(folder.path(), "train", None).expect_err("a wrong list").to_string()
    };
    assert!(refused("a\n../a\n").contains("a.png, is already that of \"a\""));
    assert!(refused("a\na\n").ends_with("train.txt:2: image \"a\" is listed twice"));
    assert!(refused("c\n").contains("JPEGImages/c: "));
    assert!(refused("").ends_with("train.txt contains no images"));
    fs::remove_file(folder.path().join("SegmentationClass/b.png")).expect("removed");
    write(folder.path(), "ImageSets/Segmentation/train.txt", b"b");
    let error = voc::read(folder.path(), "train", None).expect_err("no mask").to_string();
    assert!(error.contains("SegmentationClass/b: "), "{error}");
}

#[test]
fn an_image_of_another_size_than_its_mask_is_an_error_that_names_both() {
    let folder = tempfile::tempdir().expect("a folder");
    devkit(folder.path(), "a");
    write(folder.path(), "JPEGImages/a.png", &image(Size { height: 5, width: 6 }));
    let set = voc::read(folder.path(), "train", None).expect("a valid devkit");
    let error = sample(set, 0).expect_err("5 rows and 4").to_string();
    assert!(error.contains("SegmentationClass/a.png is 6x4 pixels, but image "), "{error}");
    assert!(error.ends_with("JPEGImages/a.png is 6x5"), "{error}");
}

#[test]
fn ade20k_s_ids_begin_at_one_and_zero_is_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "images/validation/ADE_val_1.png", &image(SIZE));
    write(folder.path(), "annotations/validation/ADE_val_1.png", &mask(&[0, 1, 150, 13]));
    let set = ade20k::read(folder.path(), "validation", None).expect("a valid folder");
    assert_eq!((set.classes.len(), set.ignore), (150, 255));
    assert_eq!([0, 12, 149].map(|class| set.classes[class].name.as_str()), ["wall", "person", "flag"]);
    assert_eq!(sample(set.clone(), 0).expect("a valid pair").mask.data[..4], [255, 0, 149, 12]);
    write(folder.path(), "annotations/validation/ADE_val_1.png", &mask(&[1, 151]));
    let error = sample(set, 0).expect_err("151 is not a class").to_string();
    assert!(error.contains("has id 151 at pixel (1, 0), which is neither one of the 150 classes"), "{error}");
}

fn options() -> PairOptions {
    PairOptions { classes: ["road", "car"].map(str::to_owned).to_vec(), ..PairOptions::default() }
}

#[test]
fn folders_pair_by_suffix_below_the_same_sub_folders_and_ids_are_mapped() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for name in ["ulm/1", "bonn/2"] {
        write(root, &format!("leftImg8bit/{name}_leftImg8bit.png"), &image(SIZE));
        write(root, &format!("gtFine/{name}_gtFine_labelIds.png"), &mask(&[7, 26, 3]));
        write(root, &format!("gtFine/{name}_gtFine_color.png"), b"");
    }
    let cityscapes = PairOptions {
        ids: BTreeMap::from([(7, 0), (26, 1)]),
        unmapped: Unmapped::Ignore,
        image_suffix: "_leftImg8bit".to_owned(),
        mask_suffix: "_gtFine_labelIds".to_owned(),
        ..options()
    };
    let read = |options| pairs::read(&root.join("leftImg8bit"), &root.join("gtFine"), options);
    let set = read(&cityscapes).expect("valid folders");
    assert_eq!(set.records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["bonn/2", "ulm/1"]);
    assert!(set.findings.is_empty());
    assert_eq!(sample(set, 0).expect("a valid pair").mask.data[..4], [0, 1, 255, 0]);
    let strict = PairOptions { unmapped: Unmapped::Error, ..cityscapes.clone() };
    let error = sample(read(&strict).expect("valid folders"), 1).expect_err("3 is not mapped").to_string();
    assert!(error.contains("has id 3 at pixel (2, 0), which is neither one of the 2 classes"), "{error}");
    let parsed: PairOptions = serde_json::from_str(
        r#"{"classes": ["road", "car"], "ids": {"7": 0, "26": 1}, "unmapped": "ignore",
            "image_suffix": "_leftImg8bit", "mask_suffix": "_gtFine_labelIds"}"#,
    )
    .expect("a valid configuration");
    assert_eq!(parsed, cityscapes);
}

#[test]
fn unpaired_files_and_wrong_class_lists_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let (images, masks) = (root.join("images"), root.join("masks"));
    write(&images, "a.png", &image(SIZE));
    write(&masks, "a.png", &mask(&[0, 1]));
    write(&masks, "notes.txt", b"");
    let set = pairs::read(&images, &masks, &options()).expect("a pair");
    assert_eq!((set.records.len(), set.findings.count(FindingKind::NotAnImage)), (1, 1));
    let refused = |options: &PairOptions| pairs::read(&images, &masks, options).expect_err("refused").to_string();
    assert!(refused(&PairOptions::default()).starts_with("classes is 0 instead of 1 to 255 classes"));
    assert!(refused(&PairOptions { ignore: 1, ..options() }).starts_with("ignore is 1 instead of an index"));
    assert!(refused(&PairOptions { ids: BTreeMap::from([(9, 2)]), ..options() }).starts_with("ids is {9: 2}"));
    write(&images, "b.png", &image(SIZE));
    assert!(refused(&options()).contains("images/b.png: there is no mask b for it in "));
    write(&masks, "b.png", &mask(&[0]));
    write(&masks, "c.png", &mask(&[0]));
    assert!(refused(&options()).contains("masks/c.png: there is no image c for it in "));
    write(&images, "a.jpg", b"");
    assert!(refused(&options()).contains("images/a.png: it has the same name as "));
}

#[test]
fn evaluation_keeps_the_stored_mask_and_training_has_both_at_its_size() {
    let folder = tempfile::tempdir().expect("a folder");
    devkit(folder.path(), "a\nb");
    let set = Arc::new(voc::read(folder.path(), "train", None).expect("a valid devkit"));
    let short =
        SegmentationDataset::for_evaluation(Arc::clone(&set), EvaluationSize::ShortSide(8), PixelOptions::default())
            .expect("valid");
    let sample = short.load(0, 0, &mut SampleRng::for_sample(0, 0, 0)).expect("a valid pair");
    assert_eq!((sample.image.size(), sample.mask.size()), (Size { height: 8, width: 12 }, SIZE));
    let size = Size { height: 16, width: 16 };
    let training =
        SegmentationDataset::for_training(set, size, SegmentAugmentation::default(), PixelOptions::default())
            .expect("valid");
    assert_eq!(training.len(), 2);
    for epoch in 0..5 {
        let sample = training.load(1, epoch, &mut SampleRng::for_sample(0, epoch, 1)).expect("a valid pair");
        assert_eq!((sample.image.size(), sample.mask.size(), sample.original), (size, size, SIZE));
        assert!(sample.mask.data.iter().all(|class| [0, 1, 20, 255].contains(class)));
    }
}

#[test]
fn masks_of_a_coco_file_are_drawn_in_its_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("instances.json");
    let text = r#"{"images": [{"id": 1, "file_name": "s/a.png", "width": 8, "height": 6}, {"id": 2, "file_name": "b.png", "width": 2, "height": 2}],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}], "annotations": [
        {"image_id": 1, "category_id": 7, "segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]]},
        {"image_id": 1, "category_id": 3, "iscrowd": 1, "segmentation": {"size": [6, 8], "counts": [18, 2, 28]}},
        {"image_id": 1, "category_id": 3, "bbox": [0, 0, 4, 3]},
        {"image_id": 2, "category_id": 3, "segmentation": {"size": [6, 8], "counts": [48]}}]}"#;
    fs::write(&json, text).expect("written");
    let mut problems = Vec::new();
    let set =
        datasets::segmentation::coco::read_with(folder.path(), &json, datasets::Orientation::default(), &mut |error| {
            problems.push(error.to_string().rsplit_once("instances.json: ").expect("the file is named").1.to_owned());
            Ok(())
        });
    let set = set.expect("a set");
    assert_eq!(
        problems,
        [
            "the 3rd annotation, image 1: segmentation is missing",
            "the 4th annotation, image 2: segmentation cannot be drawn: it is of 6 x 8 pixels (height x width), its image of 2 x 2",
        ]
    );
    assert_eq!(set.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["background", "cat", "dog"]);
    let rows = ["2221....", "2221....", "222.....", "........", "........", "........"];
    let expected: Vec<u8> = rows.concat().replace('.', "0").bytes().map(|digit| digit - b'0').collect();
    let mut expected_object = expected.clone();
    // The polygon reaches to the fourth column, too.
    for row in 0..3 {
        expected_object[row * 8 + 3] = if row < 2 { 1 } else { 2 };
    }
    assert_eq!(set.mask(0, datasets::Orientation::default()).expect("drawn").data, expected_object);
    assert_eq!(set.mask(1, datasets::Orientation::default()).expect("drawn").data, [0; 4]);
    assert_eq!(set.records[0].id, "s/a");
}
