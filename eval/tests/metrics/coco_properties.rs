//! What holds for every detection problem.

use eval::coco::{Annotation, Category, CocoEvaluator, CocoReport, Detection, GroundTruth, Image};
use proptest::prelude::*;
use proptest::sample::Index;

const IMAGES: u64 = 6;
const CATEGORIES: [u64; 3] = [2, 5, 40];

/// Detections of each image, by the image's place.
type Detections = Vec<(u64, Vec<Detection>)>;

fn bbox() -> impl Strategy<Value = [f64; 4]> {
    [0.0..500.0, 0.0..400.0, 1.0..200.0, 1.0..200.0]
}

fn category() -> impl Strategy<Value = u64> {
    proptest::sample::select(&CATEGORIES[..])
}

fn annotations() -> impl Strategy<Value = Vec<Annotation>> {
    let one = (0..IMAGES, category(), bbox(), 0.1..1.0, prop::bool::weighted(0.1));
    prop::collection::vec(one, 0..40).prop_map(|list| {
        let annotation = |(image_id, category_id, bbox, part, crowd): (_, _, [f64; 4], f64, _)| Annotation {
            image_id,
            category_id,
            bbox,
            area: bbox[2] * bbox[3] * part,
            crowd,
        };
        list.into_iter().map(annotation).collect()
    })
}

/// Detections near objects and elsewhere, with distinct scores.
fn detections(annotations: &[Annotation]) -> impl Strategy<Value = Detections> + use<> {
    let near: Vec<_> = annotations.iter().map(|a| (a.image_id, a.category_id, a.bbox)).collect();
    let one = (any::<Index>(), any::<bool>(), -0.1..0.1f64, 0..IMAGES, category(), bbox());
    let ranked = prop::collection::vec(one, 0..80).prop_flat_map(|list| {
        let ranks: Vec<usize> = (0..list.len()).collect();
        (Just(list), Just(ranks).prop_shuffle())
    });
    ranked.prop_map(move |(list, ranks)| {
        let mut by_image: Detections = (0..IMAGES).map(|image_id| (image_id, Vec::new())).collect();
        for ((index, elsewhere, shift, image, class, anywhere), rank) in list.into_iter().zip(ranks) {
            let (image_id, category_id, bbox) = if elsewhere || near.is_empty() {
                (image, class, anywhere)
            } else {
                let &(image_id, category_id, [x, y, w, h]) = index.get(&near);
                (image_id, category_id, [x + shift * w, y, w, h * (1.0 + shift)])
            };
            by_image[image_id as usize].1.push(Detection { category_id, bbox, score: rank as f64 / 100.0 });
        }
        by_image
    })
}

fn ground_truth(annotations: Vec<Annotation>) -> Result<GroundTruth, eval::Error> {
    let image = |id| Image { id, width: 700, height: 600, file_name: String::new() };
    let category = |id: u64| Category { id, name: String::new() };
    GroundTruth::from_parts((0..IMAGES).map(image).collect(), CATEGORIES.map(category).to_vec(), annotations)
}

fn evaluate(annotations: &[Annotation], detections: &Detections) -> Result<CocoReport, eval::Error> {
    let mut evaluator = CocoEvaluator::new(ground_truth(annotations.to_vec())?)?;
    for (image_id, detections) in detections {
        evaluator.add(*image_id, detections)?;
    }
    evaluator.finish()
}

fn problem() -> impl Strategy<Value = (Vec<Annotation>, Detections)> {
    annotations().prop_flat_map(|annotations| {
        let detections = detections(&annotations);
        (Just(annotations), detections)
    })
}

/// The problem with the same detections in another order, in images and between them.
fn shuffled() -> impl Strategy<Value = (Vec<Annotation>, Detections, Detections)> {
    problem().prop_flat_map(|(annotations, detections)| {
        let within: Vec<_> =
            detections.iter().map(|(id, list)| (Just(*id), Just(list.clone()).prop_shuffle())).collect();
        (Just(annotations), Just(detections), within.prop_flat_map(|images| Just(images).prop_shuffle()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn statistics_lie_between_zero_and_one_or_are_undefined((annotations, detections) in problem()) {
        let report = evaluate(&annotations, &detections)?;
        for row in report.rows() {
            prop_assert!((0.0..=1.0).contains(&row.value) || row.value == -1.0, "{row:?}");
        }
        for class in &report.per_class {
            let defined = [class.ap, class.ap50, class.ap75, class.ar100].map(|value| value.is_some());
            prop_assert_eq!(defined, [class.objects > 0; 4]);
        }
        let objects = annotations.iter().filter(|annotation| !annotation.crowd).count();
        prop_assert_eq!(report.per_class.iter().map(|class| class.objects).sum::<usize>(), objects);
        prop_assert_eq!(report.ap() >= 0.0, objects > 0);
    }

    #[test]
    fn ap_is_the_mean_over_the_classes_with_objects((annotations, detections) in problem()) {
        let report = evaluate(&annotations, &detections)?;
        let aps: Vec<f64> = report.per_class.iter().filter_map(|class| class.ap).collect();
        if !aps.is_empty() {
            prop_assert!((report.ap() - aps.iter().sum::<f64>() / aps.len() as f64).abs() < 1e-12);
        }
    }

    #[test]
    fn perfect_predictions_have_ap_one(annotations in annotations()) {
        let mut detections: Detections = (0..IMAGES).map(|image_id| (image_id, Vec::new())).collect();
        for object in annotations.iter().filter(|annotation| !annotation.crowd) {
            let list = &mut detections[object.image_id as usize].1;
            list.push(Detection { category_id: object.category_id, bbox: object.bbox, score: 0.5 });
        }
        let report = evaluate(&annotations, &detections)?;
        for row in report.rows().filter(|row| !["AR1", "AR10"].contains(&row.name)) {
            prop_assert!(row.value == -1.0 || (row.value - 1.0).abs() < 1e-12, "{row:?}");
        }
    }

    #[test]
    fn order_changes_nothing_between_distinct_scores((annotations, detections, shuffled) in shuffled()) {
        prop_assert_eq!(evaluate(&annotations, &detections)?, evaluate(&annotations, &shuffled)?);
    }
}
