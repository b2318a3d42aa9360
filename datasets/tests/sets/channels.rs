//! Images of other channels than red, green and blue, through augmentation, drawing, checking and prediction.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use datasets::check::{self, Kind};
use datasets::classification::{ClassificationDataset, ClassificationRecord, ClassificationSet, ResizedCrop};
use datasets::segmentation::{RandomScale, Rotation};
use datasets::transforms::{PhotometricDistort, ZoomOut};
use datasets::{
    Augmentation, AutoAugment, CheckOptions, Checked, Class, ClassifyAugmentation, ColorJitter, Dataset, Encoding,
    Error, EvaluationView, Findings, Image, InputOptions, Inputs, Interpolation, Mask, PixelOptions, RandAugment,
    SampleRng, SegmentAugmentation, Size, Split, draw, survey,
};
use proptest::prelude::*;

use crate::files::write;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/formats");
const SOURCE: Size = Size { height: 31, width: 43 };
const SIZE: Size = Size { height: 24, width: 20 };

fn of(channels: usize) -> PixelOptions {
    PixelOptions { channels, ..PixelOptions::default() }
}

/// Channels without any likeness.
fn picture(size: Size, channels: usize, seed: usize) -> Image {
    let level = |place: usize| (place * place * (seed * 7 + 3) / 5 + place * 13 + seed) % 251;
    Image::new(size, channels, (0..size.pixels() * channels).map(|place| level(place) as u8).collect())
}

fn plane(image: &Image, channel: usize) -> Image {
    let levels = image.data.iter().skip(channel).step_by(image.channels()).copied().collect();
    Image::new(image.size(), 1, levels)
}

/// Asserts that an operation does with all channels together what it does with each alone.
fn assert_by_planes(image: &Image, apply: impl Fn(&Image) -> Image) {
    let together = apply(image);
    assert_eq!(together.channels(), image.channels());
    for channel in 0..image.channels() {
        assert!(
            plane(&together, channel) == apply(&plane(image, channel)),
            "channel {channel} of {}",
            image.channels()
        );
    }
}

fn rng(index: u64) -> SampleRng {
    SampleRng::for_sample(0, 0, index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_channel_is_resized_as_if_alone(
        channels in 1usize..=16, seed in 0usize..1000, from in (1usize..40, 1usize..40), to in (1usize..40, 1usize..40),
    ) {
        let image = picture(Size { height: from.0, width: from.1 }, channels, seed);
        let size = Size { height: to.0, width: to.1 };
        assert_by_planes(&image, |image| image.resize(size).expect("a valid size"));
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            assert_by_planes(&image, |image| image.resize_antialiased(size, interpolation).expect("a valid size"));
            let view = EvaluationView { size, crop_ratio: 1.3, interpolation };
            assert_by_planes(&image, |image| view.apply(image).expect("a valid image"));
        }
    }

    #[test]
    fn every_channel_is_cut_and_mirrored_as_if_alone(channels in prop::sample::select(vec![1usize, 2, 4, 5, 8, 13, 16]), index in 0u64..500) {
        let image = picture(SOURCE, channels, index as usize);
        let crop = ClassifyAugmentation::default();
        assert_by_planes(&image, |image| crop.apply(image, SIZE, 1.0, &mut rng(index)).expect("a valid image"));
        let zoom = Augmentation { photometric: None, zoom_out: Some(ZoomOut { p: 1.0, sides: [1.0, 2.5] }), ..Augmentation::default() };
        assert_by_planes(&image, |image| zoom.apply(image, &[], SIZE, &mut rng(index)).expect("a valid image").0);
        let scale = Some(RandomScale { short_side: [10, 40], max_long_side: 60 });
        let rotation = Some(Rotation { p: 0.5, degrees: 40.0 });
        let turn = SegmentAugmentation { photometric: None, scale, rotation, ..SegmentAugmentation::default() };
        let mask = Mask::filled(SOURCE, 1);
        assert_by_planes(&image, |image| turn.apply(image, &mask, SIZE, 255, &mut rng(index)).expect("a valid image").0);
    }
}

#[test]
fn brightness_contrast_and_order_change_every_channel() {
    let grey = PhotometricDistort { p: 1.0, saturation: [1.0; 2], hue: [0.0; 2], ..PhotometricDistort::default() };
    let steps = Augmentation { photometric: Some(grey), horizontal_flip: 0.0, ..Augmentation::flip_only() };
    for channels in [1, 2, 5, 16] {
        // Each channel has its own level: the mean of all is what contrast refers to.
        let image = Image::filled(SIZE, (0..channels).map(|channel| 40 + 10 * channel as u8).collect::<Vec<u8>>());
        let mut seen = 0;
        for index in 0..8 {
            let changed = steps.apply(&image, &[], SIZE, &mut rng(index)).expect("a valid image").0;
            let pixel = &changed.data[..channels];
            assert!(changed.data.chunks_exact(channels).all(|other| other == pixel));
            let mut sorted = pixel.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), channels, "a channel is lost: {pixel:?}");
            seen += usize::from(pixel != &image.data[..channels]);
        }
        assert!(seen >= 6, "{seen} of 8 draws change {channels} channels");
    }
}

#[test]
fn a_fill_is_its_mean_grey_in_other_channels() {
    let zoom = Augmentation {
        photometric: None,
        zoom_out: Some(ZoomOut { p: 1.0, sides: [4.0, 4.0] }),
        iou_crop: None,
        fill: [10, 20, 60],
        ..Augmentation::default()
    };
    for (channels, fill) in [(1, vec![30]), (3, vec![10, 20, 60]), (4, vec![30; 4])] {
        let image = Image::filled(SOURCE, vec![200; channels]);
        let canvas = zoom.apply(&image, &[], SIZE, &mut rng(1)).expect("a valid image").0;
        let filled = canvas.data.chunks_exact(channels).filter(|pixel| *pixel == fill).count();
        assert!(filled > SIZE.pixels() / 2, "{filled} pixels of {channels} channels");
    }
}

#[test]
fn settings_for_colours_are_named_and_refused_for_other_channels() {
    let jitter = |saturation, hue| Some(ColorJitter { saturation, hue, ..ColorJitter::default() });
    let plain = ClassifyAugmentation::default();
    let cases = [
        (None, plain.clone()),
        (None, ClassifyAugmentation { color_jitter: jitter(0.0, 0.0), ..plain.clone() }),
        (Some("color_jitter.saturation"), ClassifyAugmentation { color_jitter: jitter(0.1, 0.1), ..plain.clone() }),
        (Some("color_jitter.hue"), ClassifyAugmentation { color_jitter: jitter(0.0, 0.1), ..plain.clone() }),
        (Some("auto_augment"), ClassifyAugmentation { auto_augment: Some(AutoAugment {}), ..plain.clone() }),
        (Some("rand_augment"), ClassifyAugmentation { rand_augment: Some(RandAugment::default()), ..plain.clone() }),
    ];
    for (needing, augmentation) in cases {
        assert_eq!(augmentation.needs_colour(), needing);
        let set = Arc::new(set(&["grey.png"]));
        let train =
            |channels| ClassificationDataset::for_training(set.clone(), SIZE, augmentation.clone(), of(channels));
        assert!(train(3).is_ok());
        for channels in [1, 2, 4] {
            let direct = augmentation.apply(&picture(SOURCE, channels, 1), SIZE, 1.0, &mut rng(0)).map(drop);
            for result in [train(channels).map(drop), direct] {
                match (needing, result) {
                    (None, result) => result.expect("no colours are needed"),
                    (Some(key), result) => {
                        let error = result.expect_err(key).to_string();
                        assert_eq!(
                            error,
                            format!("{key} is on instead of off: it needs images of red, green and blue")
                        );
                    }
                }
            }
        }
    }
    let photometric =
        |p, saturation, hue| Some(PhotometricDistort { p, saturation, hue, ..PhotometricDistort::default() });
    let settings = [
        (None, None),
        (photometric(0.5, [1.0; 2], [0.0; 2]), None),
        (photometric(0.0, [0.5, 1.5], [-0.1, 0.1]), None),
        (photometric(0.5, [0.5, 1.5], [-0.1, 0.1]), Some("photometric.saturation")),
        (photometric(0.5, [1.0; 2], [-0.1, 0.1]), Some("photometric.hue")),
    ];
    for (photometric, needing) in settings {
        let detect = Augmentation { photometric: photometric.clone(), ..Augmentation::default() };
        let segment = SegmentAugmentation { photometric, ..SegmentAugmentation::default() };
        assert_eq!((detect.needs_colour(), segment.needs_colour()), (needing, needing));
        let image = picture(SOURCE, 2, 1);
        assert_eq!(detect.apply(&image, &[], SIZE, &mut rng(0)).is_err(), needing.is_some());
        let segmented = segment.apply(&image, &Mask::filled(SOURCE, 0), SIZE, 255, &mut rng(0));
        assert_eq!(segmented.is_err(), needing.is_some());
    }
}

#[test]
fn the_number_of_channels_has_a_range() {
    for channels in [0, 17] {
        let error = of(channels).validate().expect_err("out of range").to_string();
        assert_eq!(error, format!("channels is {channels} instead of 1 to 16 channels"));
    }
    assert!((1..=16).all(|channels| of(channels).validate().is_ok()));
}

#[test]
fn any_image_can_be_looked_at_and_only_rgb_drawn_on() {
    let size = Size { height: 1, width: 2 };
    let view = |channels: usize, data: &[u8]| Image::new(size, channels, data.to_vec()).to_rgb_for_view().data;
    assert_eq!(view(1, &[7, 9]), [7, 7, 7, 9, 9, 9]);
    assert_eq!(view(2, &[7, 1, 9, 2]), [7, 7, 7, 9, 9, 9]);
    assert_eq!(view(3, &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(view(5, &[1, 2, 3, 0, 0, 4, 5, 6, 0, 0]), [1, 2, 3, 4, 5, 6]);
    let mut grey = picture(SIZE, 1, 1);
    let error = draw::boxes(&mut grey, &[]).expect_err("grey").to_string();
    assert_eq!(error, "cannot draw on an image of 20x24 pixels: it has 1 channels instead of red, green and blue");
    let masked = draw::mask(&mut grey, &Mask::filled(SIZE, 0), &[], 0.5, &[]);
    assert!(masked.expect_err("grey").to_string().contains("instead of red, green and blue"));
}

#[test]
fn a_grey_image_is_written_as_grey() {
    let image = picture(SIZE, 1, 3);
    let png = image.encode(Encoding::Png).expect("an image");
    assert_eq!(Image::decode(png, Path::new("a.png"), &of(1)).expect("a file"), image);
    let error = picture(SIZE, 4, 3).encode(Encoding::Png).expect_err("four channels").to_string();
    assert_eq!(error, "cannot encode an image of 20x24 pixels: it has 4 channels instead of 1 or 3");
}

/// A set of golden files, each of one class.
fn set(names: &[&str]) -> ClassificationSet {
    let record = |name: &&str| ClassificationRecord { file: Path::new(GOLDEN).join(name), class: 0 };
    let classes = vec![Class { id: 0, name: "a".to_owned() }];
    ClassificationSet { classes, records: names.iter().map(record).collect(), findings: Findings::default() }
}

#[test]
fn samples_have_the_channels_that_were_asked_for() {
    let (resized_crop, erasing) =
        (ResizedCrop::default(), Some(datasets::RandomErasing { p: 1.0, ..Default::default() }));
    let augmentation = ClassifyAugmentation { resized_crop, erasing, ..ClassifyAugmentation::default() };
    for (channels, name) in [(1, "rgb.jpg"), (2, "bands_2.tif"), (4, "alpha.png"), (16, "bands_16_deep.tif")] {
        let set = Arc::new(set(&[name]));
        let training = ClassificationDataset::for_training(set.clone(), SIZE, augmentation.clone(), of(channels));
        let evaluation = ClassificationDataset::for_evaluation(set, EvaluationView::new(SIZE), of(channels));
        for dataset in [training, evaluation] {
            let image = dataset.expect("settings").load(0, 0, &mut rng(0)).expect("a sample").image;
            assert_eq!((image.size(), image.channels()), (SIZE, channels));
        }
    }
}

#[test]
fn survey_and_check_name_the_images_of_other_channels() {
    let names = ["bands_5.tif", "rgb.jpg", "bands_5_planar.tif", "grey.png"];
    let mut errors = Vec::new();
    let mut collect = |error: Error| {
        errors.push(error.to_string());
        Ok(())
    };
    let unusable = survey::survey(&mut set(&names), &of(5), &mut collect, &|| ()).expect("errors are collected");
    assert_eq!(unusable, [false, true, false, true]);
    assert_eq!(errors.len(), 2);
    assert!(errors[0].ends_with("rgb.jpg: it has 3 channels, but the network takes 5"), "{errors:?}");

    let split = |pixels| {
        let split = Split::read("train", |_| Ok(Checked::Classification(set(&names))));
        check::check(&[split], &CheckOptions { pixels, ..CheckOptions::default() }, &|_, _| ()).expect("a report")
    };
    let unreadable = |channels| -> Vec<String> {
        let findings = split(of(channels)).findings;
        findings.into_iter().filter(|found| found.kind == Kind::Unreadable).map(|found| found.sentence).collect()
    };
    assert_eq!(unreadable(5), errors);
    assert!(unreadable(1).is_empty() && unreadable(3).is_empty());
}

#[test]
fn inputs_are_read_in_the_network_s_channels() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "a.png", &picture(SIZE, 3, 1).encode(Encoding::Png).expect("an image"));
    let file = folder.path().join("a.png").display().to_string();
    let read = |channels| {
        let options = InputOptions { pixels: of(channels), ..InputOptions::default() };
        let mut inputs = Inputs::new(std::slice::from_ref(&file), options, Cursor::new("")).expect("inputs");
        inputs.next().expect("an input").map(|input| input.image.channels())
    };
    assert_eq!((read(1).ok(), read(3).ok()), (Some(1), Some(3)));
    let error = read(5).expect_err("three channels").to_string();
    assert!(error.ends_with("a.png: it has 3 channels, but the network takes 5"), "{error}");
}
