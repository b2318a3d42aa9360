//! What holds for every VOC detection problem.

use std::sync::Arc;

use eval::voc::{Detection, GroundTruth, Object, VocEvaluator, VocOptions, VocReport};
use proptest::prelude::*;

const IMAGES: usize = 5;
const CLASSES: usize = 3;

/// For each image, objects and detections.
type Images = Vec<(Vec<Object>, Vec<Detection>)>;

fn bbox() -> impl Strategy<Value = [f64; 4]> {
    // Few places, so that boxes overlap.
    (0..6u8, 0..6u8, 1..6u8, 1..6u8).prop_map(|(x, y, w, h)| {
        let [x, y, w, h] = [x, y, w, h].map(f64::from);
        [x, y, x + w, y + h]
    })
}

/// Scores of few levels, which tie.
fn images() -> impl Strategy<Value = Images> {
    let object = (0..CLASSES, bbox(), prop::bool::weighted(0.2)).prop_map(|(class, bbox, difficult)| Object {
        image: String::new(),
        class,
        bbox,
        difficult,
    });
    let detection = (0..CLASSES, bbox(), 0..5u8).prop_map(|(class, bbox, level)| Detection {
        class,
        bbox,
        score: f64::from(level) / 4.0,
    });
    let image = (prop::collection::vec(object, 0..6), prop::collection::vec(detection, 0..8));
    prop::collection::vec(image, IMAGES)
}

fn ground_truth(images: &Images, order: &[usize]) -> Result<Arc<GroundTruth>, eval::Error> {
    let objects = images.iter().enumerate().flat_map(|(image, (objects, _))| {
        objects.iter().map(move |object| Object {
            image: image.to_string(),
            class: order.iter().position(|&class| class == object.class).unwrap_or(CLASSES),
            ..object.clone()
        })
    });
    let names = order.iter().map(|class| format!("class {class}"));
    Ok(Arc::new(GroundTruth::from_parts((0..IMAGES).map(|i| i.to_string()).collect(), names, objects.collect())?))
}

fn filled(
    truth: &Arc<GroundTruth>,
    images: &Images,
    chosen: &[usize],
    order: &[usize],
) -> Result<VocEvaluator, eval::Error> {
    let mut evaluator = VocEvaluator::new(truth.clone(), VocOptions::default())?;
    for &image in chosen {
        let detections: Vec<Detection> = images[image]
            .1
            .iter()
            .map(|detection| Detection {
                class: order.iter().position(|&class| class == detection.class).unwrap_or(CLASSES),
                ..*detection
            })
            .collect();
        evaluator.add(&image.to_string(), &detections)?;
    }
    Ok(evaluator)
}

fn evaluate(images: &Images, order: &[usize]) -> Result<VocReport, eval::Error> {
    let chosen: Vec<usize> = (0..IMAGES).collect();
    Ok(filled(&ground_truth(images, order)?, images, &chosen, order)?.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn order_and_parts_change_no_bit(
        images in images(),
        chosen in Just((0..IMAGES).collect::<Vec<_>>()).prop_shuffle(),
        cut in 0..=IMAGES,
    ) {
        let order: Vec<usize> = (0..CLASSES).collect();
        let whole = evaluate(&images, &order)?;
        let truth = ground_truth(&images, &order)?;
        let (first, second) = chosen.split_at(cut);
        let (mut first, second) = (filled(&truth, &images, first, &order)?, filled(&truth, &images, second, &order)?);
        first.merge(&second)?;
        prop_assert_eq!(first.finish(), whole);
    }

    #[test]
    fn permuted_classes_permute_the_report(
        images in images(),
        order in Just((0..CLASSES).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let report = evaluate(&images, &(0..CLASSES).collect::<Vec<_>>())?;
        let permuted = evaluate(&images, &order)?;
        prop_assert_eq!(permuted.voc_2007, report.voc_2007);
        prop_assert_eq!(permuted.voc_2010, report.voc_2010);
        for (place, &class) in order.iter().enumerate() {
            prop_assert_eq!(&permuted.per_class[place], &report.per_class[class]);
        }
    }

    #[test]
    fn ap_is_a_share_and_defined_where_there_are_objects(images in images()) {
        let report = evaluate(&images, &(0..CLASSES).collect::<Vec<_>>())?;
        for class in &report.per_class {
            prop_assert_eq!([class.ap_2007, class.ap_2010].map(|ap| ap.is_some()), [class.objects > 0; 2]);
            for ap in [class.ap_2007, class.ap_2010].into_iter().flatten() {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&ap), "{}", ap);
            }
            prop_assert!(class.right <= class.objects);
        }
    }
}
