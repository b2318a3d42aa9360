//! The outcome of each detection at each overlap, from which AP can be measured on any draw of the images.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use ::coco::params::Params;
use ::coco::{COCO, COCOeval, Dataset};

use super::detected::IouType;
use super::feed::{Batch, Matcher};
use super::ground_truth::GroundTruth;
use crate::Error;

/// Matches images and keeps the outcomes of their detections: 16 bytes for each.
pub(super) struct Outcomes {
    ground_truth: Arc<GroundTruth>,
    params: Params,
    /// The rank of each image in the order of the ids, which orders equal scores in pycocotools.
    image_ranks: HashMap<u64, u32>,
    classes: Vec<Class>,
}

#[derive(Default)]
struct Class {
    /// Images with their numbers of objects.
    objects: Vec<(u32, u32)>,
    ranked: Vec<Ranked>,
}

/// A detection among the best 100 of its class and image.
struct Ranked {
    score: f64,
    image: u32,
    /// Bit `t`: whether it is correct at overlap `t`.
    correct: u16,
    /// Bit `t`: whether it is ignored at overlap `t`.
    ignored: u16,
}

/// AP and AP50, as COCO's `AP` and `AP50`.
pub(super) struct Precision {
    pub(super) ap: Option<f64>,
    pub(super) ap50: Option<f64>,
}

impl Outcomes {
    pub(super) fn new(ground_truth: Arc<GroundTruth>, iou_type: IouType) -> Outcomes {
        let mut params = Params::new(iou_type.engine());
        // The first area range is "all".
        params.area_ranges.truncate(1);
        params.max_dets = vec![params.max_det()];
        let mut ids: Vec<u64> = ground_truth.images().iter().map(|image| image.id).collect();
        ids.sort_unstable();
        let image_ranks = ids.into_iter().zip(0..).collect();
        let classes = ground_truth.categories().iter().map(|_| Class::default()).collect();
        Outcomes { ground_truth, params, image_ranks, classes }
    }

    /// Sorts the detections by score; [`measure`](Self::measure) needs this.
    pub(super) fn rank(&mut self) {
        for class in &mut self.classes {
            class
                .ranked
                .sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then(a.image.cmp(&b.image)));
        }
    }

    /// The means over the classes; an image of weight `n` counts as `n` copies of it.
    pub(super) fn measure(&self, weights: &[u32]) -> Precision {
        let mut sums = [0.0, 0.0];
        let mut classes = 0;
        let mut curve = Vec::new();
        let mut counted = Vec::new();
        for class in &self.classes {
            let objects: u64 =
                class.objects.iter().map(|&(image, count)| weight(weights, image) * u64::from(count)).sum();
            if objects == 0 {
                continue;
            }
            classes += 1;
            counted.clear();
            let drawn =
                class.ranked.iter().map(|ranked| (weight(weights, ranked.image), ranked.correct, ranked.ignored));
            counted.extend(drawn.filter(|&(weight, _, _)| weight > 0));
            let mut at = |overlap| average_precision(&counted, overlap, objects, &self.params.rec_thrs, &mut curve);
            let ap50 = at(0);
            sums[0] += (1..self.params.iou_thrs.len()).map(at).fold(ap50, |sum, ap| sum + ap);
            sums[1] += ap50;
        }
        let mean = |sum: f64, of: usize| (of > 0).then(|| sum / of as f64);
        Precision { ap: mean(sums[0], classes * self.params.iou_thrs.len()), ap50: mean(sums[1], classes) }
    }
}

impl Matcher for Outcomes {
    fn match_images(&mut self, Batch { images, annotations, detections }: Batch) -> Result<(), Error> {
        let numbered = annotations.into_iter().zip(1..).map(|(annotation, id)| ::coco::Annotation { id, ..annotation });
        let dataset = COCO::from_dataset(Dataset {
            images,
            annotations: numbered.collect(),
            categories: self.ground_truth.engine_categories(),
            ..Default::default()
        });
        let results = dataset.load_res_anns(detections)?;
        let mut evaluation = COCOeval::new(dataset, results, self.params.iou_type);
        evaluation.params = self.params.clone();
        evaluation.evaluate()?;
        for cell in evaluation.eval_imgs().iter().flatten() {
            let Some(class) = self.ground_truth.category_position(cell.category_id) else { continue };
            let Some(&image) = self.image_ranks.get(&cell.image_id) else { continue };
            let class = &mut self.classes[class];
            let objects = cell.num_gt_in_denominator() as u32;
            if objects > 0 {
                class.objects.push((image, objects));
            }
            let bits = |outcomes: &::coco::ThreshMatrix<bool>, detection: usize| {
                let bit = |overlap: usize| u16::from(outcomes[(overlap, detection)]) << overlap;
                (0..self.params.iou_thrs.len()).map(bit).fold(0, |bits, bit| bits | bit)
            };
            class.ranked.extend(cell.dt_scores.iter().enumerate().map(|(detection, &score)| Ranked {
                score,
                image,
                correct: bits(&cell.dt_matched, detection),
                ignored: bits(&cell.dt_ignore, detection),
            }));
        }
        Ok(())
    }
}

fn weight(weights: &[u32], image: u32) -> u64 {
    u64::from(weights[image as usize])
}

/// pycocotools' AP at one overlap, over (weight, correct, ignored) of ranked detections.
///
/// Of the copies of a correct detection the last has the highest recall and precision, and copies of a wrong one add no
/// recall: counting them at once changes nothing.
fn average_precision(
    counted: &[(u64, u16, u16)],
    overlap: usize,
    objects: u64,
    recalls: &[f64],
    curve: &mut Vec<(f64, f64)>,
) -> f64 {
    curve.clear();
    let (mut correct, mut wrong) = (0, 0);
    for &(weight, matched, ignored) in counted {
        if ignored >> overlap & 1 == 1 {
            continue;
        }
        if matched >> overlap & 1 == 1 {
            correct += weight;
            // pycocotools adds numpy's spacing of 1 to the sum, which changes no sum from 2 upwards.
            let precision = correct as f64 / ((correct + wrong) as f64 + f64::EPSILON);
            curve.push((correct as f64 / objects as f64, precision));
        } else {
            wrong += weight;
        }
    }
    let mut best = 0.0f64;
    let mut sum = 0.0;
    let mut left = recalls.len();
    while let Some((recall, precision)) = curve.pop() {
        best = best.max(precision);
        let before = curve.last().map_or(f64::NEG_INFINITY, |&(recall, _)| recall);
        while left > 0 && recalls[left - 1] > recall {
            left -= 1;
        }
        while left > 0 && recalls[left - 1] > before {
            left -= 1;
            sum += best;
        }
    }
    sum / recalls.len() as f64
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::annotation::{Annotation, Image};
    use super::super::detected::Shape;
    use super::super::evaluator::MAX_DETECTIONS;
    use super::super::feed::Feed;
    use super::super::results::FileDetections;
    use super::super::{CocoEvaluator, Detection};
    use super::*;

    /// Between the ids of an image's copies.
    const ID_STEP: u64 = 100_000;

    fn detections_of(predictions: &[(u64, Detection)], image_id: u64) -> Vec<Detection> {
        predictions.iter().filter(|(id, _)| *id == image_id).map(|&(_, detection)| detection).collect()
    }

    fn golden() -> Result<(GroundTruth, Vec<(u64, Detection)>), Error> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let ground_truth = GroundTruth::from_file(folder.join("coco_annotations.json"))?;
        let mut predictions =
            FileDetections::<Detection>::read(&ground_truth, &folder.join("coco_predictions.json"))?.detections;
        // The order of copies would decide between equal scores of different images.
        for (rank, (_, detection)) in predictions.iter_mut().enumerate() {
            detection.score += rank as f64 * 1e-9;
        }
        Ok((ground_truth, predictions))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn weights_count_as_copies_of_the_images(weights in prop::collection::vec(0u32..4, 30)) {
            let (small, predictions) = golden()?;
            let small = Arc::new(small);
            let mut feed = Feed::new(small.clone(), Outcomes::new(small.clone(), Detection::IOU_TYPE), MAX_DETECTIONS)?;
            for image in small.images() {
                feed.add(image.id, &detections_of(&predictions, image.id))?;
            }
            let mut outcomes = feed.finish()?.matcher;
            outcomes.rank();
            let measured = outcomes.measure(&weights);

            let mut order: Vec<u64> = small.images().iter().map(|image| image.id).collect();
            order.sort_unstable();
            let copies: Vec<(u64, u64)> = order
                .iter()
                .zip(&weights)
                .flat_map(|(&id, &weight)| (0..u64::from(weight)).map(move |copy| (id, id + copy * ID_STEP)))
                .collect();
            let image = |&(_, id): &(u64, u64)| Image { id, width: 0, height: 0, file_name: String::new() };
            let annotations = copies.iter().flat_map(|&(of, image_id)| {
                let copied = small.annotations().iter().filter(move |annotation| annotation.image_id == of);
                copied.map(move |annotation| Annotation { image_id, ..*annotation })
            });
            let with_copies = GroundTruth::from_parts(
                copies.iter().map(image).collect(),
                small.categories().to_vec(),
                annotations.collect(),
            )?;
            let mut evaluator = CocoEvaluator::new(with_copies)?;
            for &(of, id) in &copies {
                evaluator.add(id, &detections_of(&predictions, of))?;
            }
            let report = evaluator.finish()?;
            for (ours, theirs) in [(measured.ap, report.ap()), (measured.ap50, report.ap50())] {
                prop_assert!((ours.unwrap_or(-1.0) - theirs).abs() <= 1e-12, "{:?} is not {}", ours, theirs);
            }
        }
    }
}
