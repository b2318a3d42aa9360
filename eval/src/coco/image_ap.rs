//! The AP of a single image, by which images are ranked from the worst to the best.

use super::background_confusion::iou;
use super::evaluator::MAX_DETECTIONS;
use super::ground_truth::GroundTruth;
use super::predictions::Detection;
use crate::Error;

/// Overlaps from which a detection is correct: .50, .55, ... .95.
const OVERLAPS: usize = 10;

impl GroundTruth {
    /// The AP of one image alone, averaged over IoU .50:.05:.95, with the best 100 detections of all classes in one ranking; `None`
    /// without objects. Crowds and detections on them are left out.
    ///
    /// # Errors
    /// The image is not in the ground truth.
    pub fn image_ap(&self, image_id: u64, detections: &[Detection]) -> Result<Option<f64>, Error> {
        let annotations = self.annotations_of(self.image_position(image_id)?);
        let (crowds, objects): (Vec<_>, Vec<_>) = annotations.iter().partition(|annotation| annotation.crowd);
        if objects.is_empty() {
            return Ok(None);
        }
        let mut ranked: Vec<&Detection> = detections.iter().collect();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        ranked.truncate(MAX_DETECTIONS);
        let overlaps: Vec<Vec<f64>> = ranked
            .iter()
            .map(|detection| {
                let of_class = |category| category == detection.category_id;
                let overlap = |object: &&super::Annotation| match of_class(object.category_id) {
                    true => iou(&detection.bbox, &object.bbox),
                    false => 0.0,
                };
                objects.iter().map(overlap).collect()
            })
            .collect();
        let on_crowd: Vec<bool> = ranked
            .iter()
            .map(|detection| {
                let covers = |crowd: &&super::Annotation| {
                    crowd.category_id == detection.category_id && iou(&detection.bbox, &crowd.bbox) > 0.0
                };
                crowds.iter().any(covers)
            })
            .collect();
        let sum: f64 = (0..OVERLAPS)
            .map(|step| {
                let least = 0.5 + 0.05 * step as f64;
                let mut found = vec![false; objects.len()];
                let outcomes = overlaps.iter().zip(&on_crowd).filter_map(|(overlaps, on_crowd)| {
                    let free = (0..found.len()).filter(|&object| !found[object] && overlaps[object] >= least);
                    match free.max_by(|&a, &b| overlaps[a].total_cmp(&overlaps[b])) {
                        Some(object) => {
                            found[object] = true;
                            Some(true)
                        }
                        None => (!on_crowd).then_some(false),
                    }
                });
                area(outcomes, objects.len())
            })
            .sum();
        Ok(Some(sum / OVERLAPS as f64))
    }
}

/// The area under the curve of precision over recall, with the best precision at a recall or more as the precision at that recall.
fn area(outcomes: impl Iterator<Item = bool>, objects: usize) -> f64 {
    let mut correct = 0;
    let mut precisions = Vec::new();
    for (rank, is_correct) in outcomes.enumerate() {
        if is_correct {
            correct += 1;
            precisions.push(f64::from(correct) / (rank + 1) as f64);
        }
    }
    let mut best = 0.0f64;
    let sum = precisions
        .iter()
        .rev()
        .map(|&precision| {
            best = best.max(precision);
            best
        })
        // Rust's sum of nothing is -0.
        .fold(0.0, |sum, best| sum + best);
    sum / objects as f64
}

#[cfg(test)]
mod tests {
    use super::super::{Annotation, Category, Image};
    use super::*;

    fn truth(crowd: bool) -> GroundTruth {
        let image = |id| Image { id, width: 100, height: 100, file_name: String::new() };
        let object =
            |x: f64, crowd| Annotation { image_id: 1, category_id: 5, bbox: [x, 0.0, 10.0, 10.0], area: 100.0, crowd };
        let categories = [5, 6].map(|id| Category { id, name: id.to_string() });
        let objects = vec![object(0.0, false), object(50.0, false), object(80.0, crowd)];
        GroundTruth::from_parts(vec![image(1), image(2)], categories.to_vec(), objects).expect("valid parts")
    }

    fn detection(category_id: u64, x: f64, score: f64) -> Detection {
        Detection { category_id, bbox: [x, 0.0, 10.0, 10.0], score }
    }

    #[test]
    fn an_image_is_as_good_as_its_ranked_detections() {
        let ap = |detections: &[Detection]| {
            let ap = truth(true).image_ap(1, detections).expect("the image is listed");
            (ap.expect("it has objects") * 1e9).round() / 1e9
        };
        assert_eq!(ap(&[detection(5, 0.0, 0.9), detection(5, 50.0, 0.8)]), 1.0);
        assert_eq!(ap(&[detection(5, 0.0, 0.9), detection(5, 50.0, 0.8), detection(5, 20.0, 0.7)]), 1.0);
        assert_eq!(ap(&[detection(5, 20.0, 0.9), detection(5, 0.0, 0.8)]), 0.25, "a wrong one comes first");
        assert_eq!(ap(&[detection(6, 0.0, 0.9)]), 0.0, "another class");
        assert_eq!(ap(&[detection(5, 0.0, 0.9), detection(5, 0.0, 0.8), detection(5, 50.0, 0.7)]), 0.833_333_333);
        assert_eq!(ap(&[detection(5, 81.0, 0.9), detection(5, 0.0, 0.8)]), 0.5, "on a crowd");
        // Overlaps of 7/13 and 9/11: enough for one and for seven of the ten thresholds.
        assert_eq!(ap(&[detection(5, 3.0, 0.9), detection(5, 51.0, 0.8)]), 0.1 + 0.6 * 0.25);
        assert_eq!(truth(false).image_ap(2, &[]).expect("the image is listed"), None);
        assert!(truth(false).image_ap(3, &[]).is_err());
    }
}
