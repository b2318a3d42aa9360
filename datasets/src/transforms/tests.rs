//! Boxes follow pixels, and the promises of the augmentation.

use proptest::prelude::*;

use super::*;

const SOURCE: Size = Size { height: 240, width: 320 };

fn augmentation() -> Augmentation {
    Augmentation {
        photometric: None,
        zoom_out: Some(ZoomOut { p: 0.7, ..ZoomOut::default() }),
        scale_jitter: Some(ScaleJitter { p: 0.5, ..ScaleJitter::default() }),
        vertical_flip: 0.5,
        ..Augmentation::default()
    }
}

/// Extent of the red pixels.
fn red_extent(image: &Image) -> Option<[f64; 4]> {
    let mut extent: Option<[f64; 4]> = None;
    for (place, pixel) in image.data.chunks_exact(3).enumerate() {
        if pixel[0] > 128 && pixel[1] < 128 {
            let (x, y) = ((place % image.width) as f64, (place / image.width) as f64);
            let e = extent.get_or_insert([x, y, x + 1.0, y + 1.0]);
            *e = [e[0].min(x), e[1].min(y), e[2].max(x + 1.0), e[3].max(y + 1.0)];
        }
    }
    extent
}

fn with_rectangle([left, top, right, bottom]: [usize; 4]) -> Image {
    let mut image = Image::filled(SOURCE, [20, 200, 90]);
    for row in top..bottom {
        for pixel in image.data[(row * SOURCE.width + left) * 3..(row * SOURCE.width + right) * 3].chunks_exact_mut(3) {
            pixel.copy_from_slice(&[250, 10, 10]);
        }
    }
    image
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn boxes_follow_the_pixels_that_they_frame(
        left in 0usize..250, top in 0usize..180, width in 24usize..70, height in 24usize..60, index in 0u64..1000,
    ) {
        let rectangle = [left, top, left + width, top + height];
        let target = Target { class: 0, corners: rectangle.map(|pixels| pixels as f64) };
        let size = Size { height: 200, width: 160 };
        let mut rng = SampleRng::for_sample(1, 2, index);
        let (image, placed) = augmentation().apply(&with_rectangle(rectangle), &[target], size, &mut rng).unwrap();
        prop_assert_eq!(image.size(), size);
        // The only target is kept by every step, for each refuses a view without a centre.
        prop_assert_eq!(placed.len(), 1);
        let found = red_extent(&image).expect("the rectangle is in view");
        for (edge, expected) in found.iter().zip(placed[0].corners) {
            prop_assert!((edge - expected).abs() <= 1.0, "found {found:?}, expected {:?}", placed[0].corners);
        }
    }

    #[test]
    fn boxes_stay_inside_the_image_with_positive_area_and_their_classes(
        boxes in prop::collection::vec((0.0..300.0f64, 0.0..220.0f64, 0.5..200.0f64, 0.5..200.0f64), 0..12), index in 0u64..1000,
    ) {
        let targets: Vec<Target> = boxes
            .iter()
            .map(|&(x, y, w, h)| Target { class: 0, corners: [x, y, (x + w).min(320.0), (y + h).min(240.0)] })
            .collect();
        let size = Size { height: 96, width: 128 };
        let plan = augmentation().plan((SOURCE, 3), &targets, size, &mut SampleRng::for_sample(5, 0, index));
        for placed in &plan.placed {
            let [left, top, right, bottom] = placed.corners;
            prop_assert!(0.0 <= left && left < right && right <= 128.0, "{placed:?}");
            prop_assert!(0.0 <= top && top < bottom && bottom <= 96.0, "{placed:?}");
        }
        let mut order: Vec<usize> = plan.placed.iter().map(|placed| placed.target).collect();
        let count = order.len();
        order.dedup();
        prop_assert_eq!(order.len(), count);
        prop_assert!(order.is_sorted() && order.iter().all(|&target| target < targets.len()));
    }

    #[test]
    fn a_box_is_kept_exactly_if_its_centre_is_in_the_crop(
        boxes in prop::collection::vec((0.0..300.0f64, 0.0..220.0f64, 2.0..90.0f64, 2.0..90.0f64), 1..12), index in 0u64..1000,
    ) {
        let targets: Vec<Target> = boxes
            .iter()
            .map(|&(x, y, w, h)| Target { class: 0, corners: [x, y, (x + w).min(320.0), (y + h).min(240.0)] })
            .collect();
        let crop_only = Augmentation {
            zoom_out: None, photometric: None, min_box_side: 0.0, horizontal_flip: 0.0, ..Augmentation::default()
        };
        let plan = crop_only.plan((SOURCE, 3), &targets, SOURCE, &mut SampleRng::for_sample(6, 0, index));
        let window = plan.framing.window;
        let expected: Vec<usize> =
            (0..targets.len()).filter(|&target| window.holds_centre(&targets[target].corners)).collect();
        prop_assert_eq!(plan.placed.iter().map(|placed| placed.target).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn without_any_step_the_image_is_only_resized() {
    let none = Augmentation { horizontal_flip: 0.0, ..Augmentation::flip_only() };
    let image = with_rectangle([10, 20, 90, 100]);
    let target = Target { class: 3, corners: [10.0, 20.0, 90.0, 100.0] };
    let size = Size { height: 120, width: 80 };
    let (resized, placed) =
        none.apply(&image, &[target], size, &mut SampleRng::for_sample(0, 0, 0)).expect("a valid image");
    assert_eq!(resized, image.resize(size).expect("a valid image"));
    assert_eq!(placed, [Placed { target: 0, corners: [2.5, 10.0, 22.5, 50.0] }]);
}

#[test]
fn flipping_twice_gives_the_image_back() {
    let image = with_rectangle([10, 20, 90, 100]);
    for (horizontal_flip, vertical_flip) in [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let flip = Augmentation { horizontal_flip, vertical_flip, ..Augmentation::flip_only() };
        let once =
            |image: &Image| flip.apply(image, &[], SOURCE, &mut SampleRng::for_sample(0, 0, 0)).expect("valid").0;
        assert_ne!(once(&image), image);
        assert_eq!(once(&once(&image)), image);
    }
}

#[test]
fn zooming_out_surrounds_the_image_with_the_fill_and_distorts_only_the_image() {
    let fill = [123, 117, 104];
    let dark = PhotometricDistort { p: 1.0, brightness: [0.5, 0.5], ..PhotometricDistort::default() };
    let augmentation = Augmentation {
        photometric: Some(dark),
        zoom_out: Some(ZoomOut { p: 1.0, sides: [3.0, 3.0] }),
        iou_crop: None,
        ..Augmentation::default()
    };
    let white = Image::filled(SOURCE, [255; 3]);
    let (image, _) = augmentation.apply(&white, &[], SOURCE, &mut SampleRng::for_sample(0, 0, 4)).expect("valid");
    let filled = image.data.chunks_exact(3).filter(|pixel| *pixel == fill).count() as f64 / SOURCE.pixels() as f64;
    assert!((filled - 8.0 / 9.0).abs() < 0.02, "{filled} of the canvas is filled");
    assert!(image.data.chunks_exact(3).all(|pixel| pixel.iter().all(|&level| level < 140)), "some pixel stayed white");
}

#[test]
fn a_sample_s_augmentation_depends_on_its_stream_alone() {
    let targets = [Target { class: 0, corners: [30.0, 30.0, 150.0, 120.0] }];
    let plan =
        |index| Augmentation::default().plan((SOURCE, 3), &targets, SOURCE, &mut SampleRng::for_sample(9, 1, index));
    assert_eq!(plan(4), plan(4));
    assert_ne!(plan(4), plan(5));
}

#[test]
fn settings_out_of_range_are_refused_with_their_key() {
    let refused = |augmentation: Augmentation| augmentation.validate().expect_err("out of range").to_string();
    let base = Augmentation::default;
    assert_eq!(base().validate().ok(), Some(()));
    assert_eq!(
        refused(Augmentation { horizontal_flip: 1.5, ..base() }),
        "horizontal_flip is 1.5 instead of a probability from 0 to 1"
    );
    assert_eq!(
        refused(Augmentation { zoom_out: Some(ZoomOut { p: 0.5, sides: [4.0, 1.0] }), ..base() }),
        "zoom_out.sides is [4, 1] instead of two factors from 1 to 100, the smaller first"
    );
    let crop = IouCrop { overlaps: Vec::new(), ..IouCrop::default() };
    assert!(refused(Augmentation { iou_crop: Some(crop), ..base() }).starts_with("iou_crop.overlaps is []"));
    let hue = PhotometricDistort { hue: [-0.1, f64::NAN], ..PhotometricDistort::default() };
    assert!(refused(Augmentation { photometric: Some(hue), ..base() }).starts_with("photometric.hue"));
    let jitter = ScaleJitter { scale: [0.0, 1.0], ..ScaleJitter::default() };
    assert!(refused(Augmentation { scale_jitter: Some(jitter), ..base() }).starts_with("scale_jitter.scale"));
    assert!(refused(Augmentation { min_box_side: -1.0, ..base() }).starts_with("min_box_side"));
}

#[test]
fn a_configuration_overrides_parts_turns_steps_off_and_knows_its_keys() {
    let parse = |text| serde_json::from_str::<Augmentation>(text);
    let read = parse(r#"{"zoom_out": {"p": 0.3}, "photometric": null, "vertical_flip": 0.5}"#).expect("valid");
    let zoom_out = Some(ZoomOut { p: 0.3, ..ZoomOut::default() });
    assert_eq!(read, Augmentation { zoom_out, photometric: None, vertical_flip: 0.5, ..Augmentation::default() });
    assert_eq!(parse("{}").expect("valid"), Augmentation::default());
    assert!(parse(r#"{"zoomout": {}}"#).is_err());
    assert!(parse(r#"{"zoom_out": {"fill": 3}}"#).is_err());
}
