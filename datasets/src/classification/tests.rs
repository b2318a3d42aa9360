//! The promises of the augmentation, of its phases and of its settings.

use proptest::prelude::*;

use super::augmentation::Plan;
use super::operation::Operation;
use super::*;
use crate::image::{Interpolation, Window};

const SOURCE: Size = Size { height: 90, width: 120 };
const SIZE: Size = Size { height: 48, width: 48 };

fn picture() -> Image {
    let mut image = Image::filled(SOURCE, [0; 3]);
    for (place, pixel) in image.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = (place % SOURCE.width, place / SOURCE.width);
        pixel.copy_from_slice(&[(2 * x) as u8, (2 * y) as u8, (x * y % 251) as u8]);
    }
    image
}

fn everything() -> ClassifyAugmentation {
    ClassifyAugmentation {
        rand_augment: Some(RandAugment { count: 4, ..RandAugment::default() }),
        color_jitter: Some(ColorJitter { hue: 0.1, ..ColorJitter::default() }),
        erasing: Some(RandomErasing { p: 0.5, ..RandomErasing::default() }),
        ..ClassifyAugmentation::default()
    }
}

fn plan(augmentation: &ClassifyAugmentation, strength: f64, index: u64) -> Plan {
    augmentation.plan(SOURCE, SIZE, strength, &mut SampleRng::for_sample(2, 0, index))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_image_gets_the_wanted_size(
        height in 1usize..80, width in 1usize..80, size in 1usize..40, strength in 0.0..=1.0f64, index in 0u64..1000,
    ) {
        let source = Image::filled(Size { height, width }, [10, 200, 90]);
        let size = Size { height: size, width: size + 3 };
        let policies = [everything(), ClassifyAugmentation {
            auto_augment: Some(AutoAugment {}), rand_augment: None, ..everything()
        }];
        for augmentation in policies {
            let mut rng = SampleRng::for_sample(4, 1, index);
            prop_assert_eq!(augmentation.apply(&source, size, strength, &mut rng).unwrap().size(), size);
        }
        let view = EvaluationView { crop_ratio: 0.5 + strength, ..EvaluationView::new(size) };
        prop_assert_eq!(view.apply(&source).unwrap().size(), size);
    }

    #[test]
    fn crops_lie_inside_with_whole_pixels(height in 1usize..500, width in 1usize..500, index in 0u64..1000) {
        let window = ResizedCrop::default().sample(Size { height, width }, &mut SampleRng::for_sample(0, 0, index));
        prop_assert!(window.left >= 0.0 && window.right() <= width as f64 && window.width >= 1.0);
        prop_assert!(window.top >= 0.0 && window.bottom() <= height as f64 && window.height >= 1.0);
        prop_assert_eq!([window.left, window.top, window.width, window.height].map(f64::fract), [0.0; 4]);
    }

    #[test]
    fn a_mix_s_share_is_what_its_window_leaves(height in 1usize..80, width in 1usize..80, index in 0u64..1000) {
        let mixing = Mixing { cutmix: 1.0, ..Mixing::default() };
        let size = Size { height, width };
        let mix = mixing.draw(size, &mut SampleRng::for_batch(0, 0, index)).expect("always on");
        let window = mix.window.expect("CutMix");
        prop_assert!(window.left + window.width <= width && window.top + window.height <= height);
        let share = 1.0 - (window.width * window.height) as f64 / size.pixels() as f64;
        prop_assert!((mix.lambda - share).abs() < 1e-12);
    }
}

#[test]
fn an_image_s_augmentation_depends_on_its_stream_alone() {
    let augment = |index| {
        let mut rng = SampleRng::for_sample(2, 0, index);
        everything().apply(&picture(), SIZE, 1.0, &mut rng).expect("a valid image")
    };
    assert_eq!(augment(3), augment(3));
    assert_ne!(augment(3), augment(4));
}

#[test]
fn the_default_crops_and_mirrors_half_of_the_images() {
    let augmentation = ClassifyAugmentation::default();
    let plans: Vec<Plan> = (0..2000).map(|index| plan(&augmentation, 1.0, index)).collect();
    let mirrored = plans.iter().filter(|plan| plan.mirrored).count();
    assert!((900..1100).contains(&mirrored), "{mirrored} of 2000 mirrored");
    assert!(plans.iter().all(|plan| plan.operations.is_empty() && plan.erased.is_none()));
    for (horizontal_flip, first) in [(0.0, 0), (1.0, SOURCE.width - 1)] {
        let only = ClassifyAugmentation { horizontal_flip, ..augmentation.clone() };
        let mut rng = SampleRng::for_sample(0, 0, 0);
        let mut plan = only.plan(SOURCE, SOURCE, 1.0, &mut rng);
        plan.window = Window::whole(SOURCE);
        let image = plan.render(&picture(), 1, &mut rng).expect("a valid image");
        assert_eq!(image.data[..3], picture().data[first * 3..first * 3 + 3]);
    }
}

/// The distance of an operation's argument from the value that changes nothing, in its own unit.
fn reach(operation: &Operation) -> f64 {
    match *operation {
        Operation::AutoContrast | Operation::Equalize | Operation::Invert => 0.0,
        Operation::Posterize(bits) => f64::from(8 - bits),
        Operation::Solarize(threshold) => 256.0 - threshold,
        Operation::SolarizeAdd(add) => f64::from(add),
        Operation::Color(factor)
        | Operation::Contrast(factor)
        | Operation::Brightness(factor)
        | Operation::Sharpness(factor) => (factor - 1.0).abs(),
        Operation::Hue(turn) => turn.abs(),
        Operation::Affine([a, b, c, d, e, f]) => {
            (a - 1.0).abs() + b.abs() + d.abs() + (e - 1.0).abs() + (c.abs() + f.abs()) / 1000.0
        }
    }
}

#[test]
fn strength_scales_what_operations_do_and_not_which_are_chosen() {
    let auto = ClassifyAugmentation {
        auto_augment: Some(AutoAugment {}),
        color_jitter: Some(ColorJitter { hue: 0.2, ..ColorJitter::default() }),
        ..ClassifyAugmentation::default()
    };
    for augmentation in [auto, everything()] {
        for index in 0..500 {
            let (weak, strong) = (plan(&augmentation, 0.3, index), plan(&augmentation, 1.0, index));
            assert_eq!(weak.operations.len(), strong.operations.len());
            assert_eq!((weak.window, weak.mirrored, weak.erased), (strong.window, strong.mirrored, strong.erased));
            for (weak, strong) in weak.operations.iter().zip(&strong.operations) {
                assert_eq!(std::mem::discriminant(weak), std::mem::discriminant(strong));
                assert!(reach(weak) <= reach(strong) + 1e-12, "{weak:?} at 0.3, {strong:?} at 1");
            }
        }
    }
}

#[test]
fn rand_augment_s_levels_choices_and_signs_are_distributed_as_its_settings_say() {
    let policy = RandAugment { count: 2, magnitude: 5.0, std: 0.5, p: 0.5, increasing: true };
    let mut rng = SampleRng::for_sample(8, 0, 0);
    let (mut total, mut shears, mut colours) = (0.0, Vec::new(), 0.0);
    let draws = 20_000;
    for _ in 0..draws {
        for operation in policy.sample(SIZE, 1.0, &mut rng) {
            total += 1.0;
            match operation {
                Operation::Affine([1.0, slope, 0.0, 0.0, 1.0, 0.0]) => shears.push(slope),
                Operation::Color(_) => colours += 1.0,
                _ => {}
            }
        }
    }
    let draws = f64::from(draws);
    assert!((total / draws - 1.0).abs() < 0.02, "{total} operations");
    assert!((colours / total * 15.0 - 1.0).abs() < 0.1, "{colours} of {total} are colour");
    let count = shears.len() as f64;
    assert!((count / total * 15.0 - 1.0).abs() < 0.1, "{count} of {total} are shears");
    let negative = shears.iter().filter(|&&slope| slope < 0.0).count() as f64;
    assert!((negative / count - 0.5).abs() < 0.06, "{negative} of {count} are negative");
    let mean = shears.iter().map(|slope| slope.abs()).sum::<f64>() / count;
    let deviation = (shears.iter().map(|slope| (slope.abs() - mean).powi(2)).sum::<f64>() / count).sqrt();
    assert!((mean - 0.15).abs() < 0.002 && (deviation - 0.015).abs() < 0.001, "{mean} with deviation {deviation}");
}

#[test]
fn plain_rand_augment_changes_nothing_where_timm_s_does_not() {
    let policy = RandAugment { count: 1, magnitude: 5.0, std: 0.0, p: 1.0, increasing: false };
    let mut rng = SampleRng::for_sample(8, 0, 0);
    for _ in 0..200 {
        match policy.sample(SIZE, 1.0, &mut rng)[0] {
            Operation::Color(factor) | Operation::Brightness(factor) => assert!((factor - 1.0).abs() < 1e-12),
            Operation::Posterize(bits) => assert_eq!(bits, 2),
            Operation::Solarize(threshold) => assert_eq!(threshold, 128.0),
            _ => {}
        }
    }
}

#[test]
fn auto_augment_s_choices_come_as_often_as_its_probabilities_say() {
    let mut rng = SampleRng::for_sample(5, 0, 0);
    let (draws, mut counts) = (40_000, [0.0; 3]);
    for _ in 0..draws {
        for operation in (AutoAugment {}).sample(SIZE, 1.0, &mut rng) {
            match operation {
                Operation::Equalize => counts[0] += 1.0,
                Operation::Posterize(_) => counts[1] += 1.0,
                Operation::Invert => counts[2] += 1.0,
                _ => {}
            }
        }
    }
    // Sums of the policy's probabilities over its 25 pairs.
    for (count, sum) in counts.into_iter().zip([10.8, 2.8, 1.8]) {
        let expected = f64::from(draws) * sum / 25.0;
        assert!((count / expected - 1.0).abs() < 0.05, "{count} instead of {expected}");
    }
}

#[test]
fn erasing_fills_its_rectangle_and_nothing_else() {
    let size = Size { height: 40, width: 60 };
    for (mode, p) in [(EraseMode::Const, 1.0), (EraseMode::Pixel, 1.0), (EraseMode::Pixel, 0.0)] {
        let erasing = RandomErasing { p, mode, area: [0.2, 0.3], ..RandomErasing::default() };
        let augmentation = ClassifyAugmentation { erasing: Some(erasing), ..ClassifyAugmentation::default() };
        let mut rng = SampleRng::for_sample(1, 0, 9);
        let image = augmentation.apply(&Image::filled(SOURCE, [1, 2, 3]), size, 1.0, &mut rng).expect("valid");
        let erased: Vec<&[u8]> = image.data.chunks_exact(3).filter(|pixel| *pixel != [1, 2, 3]).collect();
        let share = erased.len() as f64 / size.pixels() as f64;
        match (mode, p == 0.0) {
            (_, true) => assert!(erased.is_empty()),
            (EraseMode::Const, _) => {
                assert!((0.19..0.31).contains(&share), "{share}");
                assert!(erased.iter().all(|pixel| *pixel == augmentation.fill));
            }
            (EraseMode::Pixel, _) => {
                assert!((0.19..0.31).contains(&share), "{share}");
                let mean = erased.iter().map(|pixel| f64::from(pixel[1])).sum::<f64>() / erased.len() as f64;
                assert!((mean - 116.3).abs() < 12.0, "{mean}");
            }
        }
    }
}

#[test]
fn phases_change_size_and_strength_by_epoch() {
    let phase = |from_epoch, size, strength| Phase { from_epoch, size, strength };
    let phases = vec![phase(0, 160, 0.3), phase(38, 192, 0.7), phase(113, 224, 1.0)];
    let set = ClassificationSet { classes: Vec::new(), records: Vec::new(), findings: Findings::default() };
    let set = Arc::new(set);
    let training = |phases| {
        let augmentation = ClassifyAugmentation { phases, ..ClassifyAugmentation::default() };
        ClassificationDataset::for_training(Arc::clone(&set), SIZE, augmentation, PixelOptions::default())
    };
    let dataset = training(phases.clone()).expect("valid phases");
    let side = |epoch| dataset.size(epoch).height;
    assert_eq!([0, 37, 38, 112, 113, 999].map(side), [160, 160, 192, 192, 224, 224]);
    assert_eq!(training(Vec::new()).expect("valid").size(7), SIZE);
    let refused = |phases: Vec<Phase>| training(phases).expect_err("out of range").to_string();
    assert_eq!(refused(phases[1..].to_vec()), "phases.from_epoch is 38 instead of 0 in the first phase");
    assert!(refused(vec![phases[0], phases[2], phases[1]]).starts_with("phases.from_epoch is 38"));
    assert!(refused(vec![phase(0, 0, 1.0)]).starts_with("phases.size is 0"));
    assert!(refused(vec![phase(0, 8, f64::NAN)]).starts_with("phases.strength is NaN"));
}

#[test]
fn settings_out_of_range_are_refused_with_their_key() {
    let refused = |augmentation: ClassifyAugmentation| augmentation.validate().expect_err("out of range").to_string();
    let base = ClassifyAugmentation::default;
    assert!(base().validate().is_ok() && everything().validate().is_ok());
    let both = ClassifyAugmentation { auto_augment: Some(AutoAugment {}), ..everything() };
    assert!(refused(both).starts_with("rand_augment is given instead of null beside auto_augment"));
    let rand = |rand_augment| ClassifyAugmentation { rand_augment: Some(rand_augment), ..base() };
    assert!(refused(rand(RandAugment { magnitude: 11.0, ..RandAugment::default() })).starts_with("rand_augment.magn"));
    assert!(refused(rand(RandAugment { count: 0, ..RandAugment::default() })).starts_with("rand_augment.count is 0"));
    let crop = ResizedCrop { scale: [0.5, f64::INFINITY], ..ResizedCrop::default() };
    assert!(refused(ClassifyAugmentation { resized_crop: crop, ..base() }).starts_with("resized_crop.scale"));
    let jitter = ColorJitter { hue: 0.6, ..ColorJitter::default() };
    assert!(refused(ClassifyAugmentation { color_jitter: Some(jitter), ..base() }).starts_with("color_jitter.hue"));
    let erasing = RandomErasing { p: f64::NAN, ..RandomErasing::default() };
    assert!(refused(ClassifyAugmentation { erasing: Some(erasing), ..base() }).starts_with("erasing.p is NaN"));
    assert!(Mixing { mixup: -1.0, ..Mixing::default() }.validate().is_err());
    let view = EvaluationView { crop_ratio: 0.0, ..EvaluationView::new(SIZE) };
    assert!(view.validate().expect_err("out of range").to_string().starts_with("crop_ratio is 0"));
}

#[test]
fn a_configuration_overrides_parts_turns_steps_on_and_knows_its_keys() {
    let parse = |text| serde_json::from_str::<ClassifyAugmentation>(text);
    let read = parse(r#"{"auto_augment": {}, "resized_crop": {"interpolation": "bicubic"}}"#).expect("valid");
    assert_eq!(read.auto_augment, Some(AutoAugment {}));
    assert_eq!(read.resized_crop.interpolation, Interpolation::Bicubic);
    assert_eq!(parse("{}").expect("valid"), ClassifyAugmentation::default());
    assert!(parse(r#"{"autoaugment": {}}"#).is_err());
    assert!(parse(r#"{"auto_augment": {"policy": "cifar10"}}"#).is_err());
    assert!(parse(r#"{"erasing": {"mode": "noise"}}"#).is_err());
}
