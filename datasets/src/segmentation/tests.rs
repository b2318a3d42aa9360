//! Image and mask stay together, and the promises of the augmentation.

use proptest::prelude::*;

use super::augmentation::Plan;
use super::*;
use crate::transforms::PhotometricDistort;

const SOURCE: Size = Size { height: 150, width: 200 };
const SIZE: Size = Size { height: 96, width: 112 };
const IGNORE: u8 = 255;

/// Discs and stripes, white on black, and the mask that says so.
fn picture(size: Size) -> (Image, Mask) {
    let mut mask = Mask::filled(size, 0);
    for (place, class) in mask.data.iter_mut().enumerate() {
        let (x, y) = ((place % size.width) as f64, (place / size.width) as f64);
        let disc = (x - 60.0).hypot(y - 70.0) < 40.0 || (x - 150.0).hypot(y - 40.0) < 25.0;
        *class = u8::from(disc || (x + 0.5 * y) % 90.0 < 18.0);
    }
    let data = mask.data.iter().flat_map(|&class| [class * 255; 3]).collect();
    (Image::new(size, 3, data), mask)
}

fn geometric() -> SegmentAugmentation {
    SegmentAugmentation {
        scale: Some(RandomScale { short_side: [60, 300], max_long_side: 400 }),
        photometric: None,
        ..SegmentAugmentation::default()
    }
}

/// Whether all pixels of the mask within two of this one are seen and alike.
fn is_calm(mask: &Mask, place: usize) -> bool {
    let (x, y) = (place % mask.width, place / mask.width);
    if x < 2 || y < 2 || x + 2 >= mask.width || y + 2 >= mask.height {
        return false;
    }
    let columns = x - 2..x + 3;
    let mut around =
        (y - 2..y + 3).flat_map(|row| columns.clone().map(move |column| mask.data[row * mask.width + column]));
    around.all(|class| class == mask.data[place])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_mask_of_the_bright_pixels_stays_one(index in 0u64..10_000, degrees in 0.0..60.0f64, flip in 0.0..=1.0f64) {
        let (image, mask) = picture(SOURCE);
        let rotation = Some(Rotation { p: 0.6, degrees });
        let augmentation = SegmentAugmentation { rotation, horizontal_flip: flip, fill: [99, 0, 0], ..geometric() };
        let mut rng = SampleRng::for_sample(3, 0, index);
        let (image, mask) = augmentation.apply(&image, &mask, SIZE, IGNORE, &mut rng).unwrap();
        prop_assert_eq!((image.size(), mask.size()), (SIZE, SIZE));
        let mut calm = 0;
        for (place, pixel) in image.data.chunks_exact(3).enumerate() {
            if is_calm(&mask, place) {
                calm += 1;
                match mask.data[place] {
                    IGNORE => prop_assert_eq!(pixel, [99, 0, 0], "pixel {}", place),
                    class => prop_assert_eq!(pixel[1] > 127, class == 1, "pixel {} of class {}", place, class),
                }
            }
        }
        prop_assert!(calm * 3 > SIZE.pixels(), "only {calm} pixels were compared");
    }

    #[test]
    fn any_image_and_mask_become_of_the_wanted_size(
        height in 1usize..60, width in 1usize..60, side in 1usize..50, index in 0u64..1000,
    ) {
        let source = Size { height, width };
        let (image, mask) = (Image::filled(source, [9, 8, 7]), Mask::filled(source, 3));
        let size = Size { height: side, width: 51 - side };
        let augmentation = SegmentAugmentation { scale: Some(RandomScale { short_side: [1, 80], max_long_side: 90 }),
            ..SegmentAugmentation::default() };
        let mut rng = SampleRng::for_sample(1, 0, index);
        let (image, mask) = augmentation.apply(&image, &mask, size, IGNORE, &mut rng).unwrap();
        prop_assert_eq!((image.size(), mask.size()), (size, size));
        prop_assert!(mask.data.iter().all(|&class| class == 3 || class == IGNORE) && mask.data.contains(&3));
    }
}

fn plan(augmentation: &SegmentAugmentation, mask: &Mask, index: u64) -> Plan {
    augmentation.plan((mask, 3), SIZE, IGNORE, &mut SampleRng::for_sample(0, 0, index))
}

#[test]
fn scales_keep_proportions_and_both_limits() {
    let mask = Mask::filled(Size { height: 100, width: 300 }, 0);
    let scale = RandomScale { short_side: [50, 200], max_long_side: 450 };
    let augmentation = SegmentAugmentation { scale: Some(scale), ..geometric() };
    let (mut least, mut most, mut limited) = (usize::MAX, 0, 0);
    for index in 0..1000 {
        let scaled = plan(&augmentation, &mask, index).framing.scaled;
        assert!(scaled.width.abs_diff(scaled.height * 3) <= 3 && scaled.width <= 450, "{scaled}");
        (least, most) = (least.min(scaled.height), most.max(scaled.height));
        limited += usize::from(scaled.width == 450);
    }
    assert_eq!((least, most), (50, 150));
    assert!((250..420).contains(&limited), "{limited} of 1000 reach the longer side's limit");
}

#[test]
fn a_crop_larger_than_the_image_is_padded_and_nothing_is_distorted_there() {
    let source = Size { height: 40, width: 50 };
    let dark = PhotometricDistort { p: 1.0, brightness: [0.5, 0.5], ..PhotometricDistort::default() };
    let flip_only = SegmentAugmentation { photometric: Some(dark), ..SegmentAugmentation::flip_only() };
    let (image, mask) = (Image::filled(source, [200; 3]), Mask::filled(source, 4));
    for (horizontal_flip, first) in [(0.0, 0), (1.0, SIZE.width - 50)] {
        let augmentation = SegmentAugmentation { horizontal_flip, ..flip_only.clone() };
        let mut rng = SampleRng::for_sample(0, 0, 1);
        let (image, mask) = augmentation.apply(&image, &mask, SIZE, IGNORE, &mut rng).expect("sizes agree");
        for (place, pixel) in image.data.chunks_exact(3).enumerate() {
            let (x, y) = (place % SIZE.width, place / SIZE.width);
            let inside = y < 40 && (first..first + 50).contains(&x);
            assert_eq!(mask.data[place], if inside { 4 } else { IGNORE }, "{x}, {y}");
            assert_eq!(*pixel == augmentation.fill, !inside, "{x}, {y}");
        }
    }
}

#[test]
fn a_crop_of_one_class_is_drawn_again() {
    // Class 1 fills the left nine tenths; a crop without class 0 is likely.
    let mut mask = Mask::filled(Size { height: 200, width: 1000 }, 1);
    for line in mask.data.chunks_exact_mut(1000) {
        line[900..].fill(0);
    }
    let share = |max_class_share| {
        let augmentation = SegmentAugmentation { max_class_share, ..SegmentAugmentation::flip_only() };
        let one_class = |index: &u64| {
            let mask = plan(&augmentation, &mask, *index).mask;
            mask.data.iter().filter(|&&class| class == 1).count() * 4 >= mask.data.len() * 3
        };
        (0..400u64).filter(one_class).count()
    };
    let (first, again) = (share(1.0), share(0.75));
    assert!(first > 320, "{first} of 400 first crops are of one class");
    // A crop passes with probability 56 / 889, so of ten none with 0.52.
    assert!((165..255).contains(&again), "{again} of 400 remain, {first} without the limit");
}

#[test]
fn a_sample_s_augmentation_depends_on_its_stream_alone() {
    let (_, mask) = picture(SOURCE);
    let augmentation = SegmentAugmentation::default();
    assert_eq!(plan(&augmentation, &mask, 4), plan(&augmentation, &mask, 4));
    assert_ne!(plan(&augmentation, &mask, 4), plan(&augmentation, &mask, 5));
}

#[test]
fn an_image_and_a_mask_of_another_size_are_refused() {
    let (image, mask) = (Image::filled(SOURCE, [0; 3]), Mask::filled(SIZE, 0));
    let mut rng = SampleRng::for_sample(0, 0, 0);
    let error = SegmentAugmentation::default().apply(&image, &mask, SIZE, IGNORE, &mut rng).expect_err("sizes differ");
    assert!(error.to_string().contains("its mask is 112x96"), "{error}");
}

#[test]
fn evaluation_sizes_are_torchvision_s() {
    let stored = Size { height: 375, width: 500 };
    let size = |size: EvaluationSize| size.of(stored);
    assert_eq!(size(EvaluationSize::Full), stored);
    assert_eq!(size(EvaluationSize::ShortSide(512)), Size { height: 512, width: 682 });
    assert_eq!(size(EvaluationSize::Exact { height: 9, width: 8 }), Size { height: 9, width: 8 });
    assert_eq!(EvaluationSize::ShortSide(520).of(Size { height: 500, width: 333 }), Size { height: 780, width: 520 });
}

#[test]
fn settings_out_of_range_are_refused_with_their_key() {
    let refused = |augmentation: SegmentAugmentation| augmentation.validate().expect_err("out of range").to_string();
    let base = SegmentAugmentation::default;
    assert!(base().validate().is_ok());
    let scale = |short_side| SegmentAugmentation {
        scale: Some(RandomScale { short_side, ..RandomScale::default() }),
        ..base()
    };
    assert!(refused(scale([9, 8])).starts_with("scale.short_side is [9, 8]"));
    assert!(refused(scale([0, 8])).starts_with("scale.short_side is [0, 8]"));
    let rotation = Some(Rotation { p: 0.5, degrees: f64::NAN });
    assert!(refused(SegmentAugmentation { rotation, ..base() }).starts_with("rotation.degrees is NaN"));
    assert!(refused(SegmentAugmentation { max_class_share: 1.5, ..base() }).starts_with("max_class_share is 1.5"));
}

#[test]
fn a_configuration_overrides_parts_and_knows_its_keys() {
    let parse = |text| serde_json::from_str::<SegmentAugmentation>(text);
    let read = parse(r#"{"scale": {"short_side": [100, 200]}, "rotation": null}"#).expect("valid");
    let scale = Some(RandomScale { short_side: [100, 200], ..RandomScale::default() });
    assert_eq!(read, SegmentAugmentation { scale, rotation: None, ..SegmentAugmentation::default() });
    assert!(parse(r#"{"rotate": {}}"#).is_err());
}

#[test]
fn sizes_of_evaluation_are_written_as_people_write_them() {
    for (written, size) in [
        ("\"full\"", EvaluationSize::Full),
        ("{\"short_side\":512}", EvaluationSize::ShortSide(512)),
        ("{\"height\":9,\"width\":8}", EvaluationSize::Exact { height: 9, width: 8 }),
    ] {
        assert_eq!(serde_json::from_str::<EvaluationSize>(written).expect("a size"), size);
        assert_eq!(serde_json::to_string(&size).expect("text"), written);
    }
    for wrong in ["\"half\"", "{\"height\":9}", "{\"short_side\":9,\"width\":8}"] {
        let error = serde_json::from_str::<EvaluationSize>(wrong).expect_err("no size").to_string();
        assert!(error.contains("short_side: PIXELS"), "{error}");
    }
}
