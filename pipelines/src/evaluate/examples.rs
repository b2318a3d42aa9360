//! Images that show what a network can do and cannot: chosen while a set is evaluated, in memory that does not grow with it.

use datasets::{Dataset, SampleRng};
use std::path::Path;

use crate::console;
use crate::failure::Failure;
use crate::model::Predictor;
use crate::report::page::{Example, ImageFile, Picture, Rank};
use crate::task::{Data, Evaluate};

/// Images of each rank.
const OF_EACH: usize = 6;
/// Steps of the quality in which images are counted: the typical ones are those around the middle of all.
const STEPS: usize = 200;

/// The best, the worst and the most typical images so far.
pub(super) struct Ranking {
    /// Quality and index; the best first, and the worst first.
    best: Vec<(f64, usize)>,
    worst: Vec<(f64, usize)>,
    steps: Vec<Step>,
}

/// Images of about the same quality.
#[derive(Clone, Default)]
struct Step {
    count: usize,
    /// Some of them, with their quality; three times as many as are shown, because some may be shown as best or worst.
    first: Vec<(f64, usize)>,
}

impl Default for Ranking {
    fn default() -> Self {
        Self { best: Vec::new(), worst: Vec::new(), steps: vec![Step::default(); STEPS] }
    }
}

impl Ranking {
    /// Takes the image at an index of the set, whose prediction has a quality from 0 to 1.
    pub(super) fn add(&mut self, index: usize, quality: f64) {
        insert(&mut self.best, (quality, index), |a, b| b.total_cmp(&a));
        insert(&mut self.worst, (quality, index), |a, b| a.total_cmp(&b));
        let step = &mut self.steps[((quality * STEPS as f64) as usize).min(STEPS - 1)];
        step.count += 1;
        if step.first.len() < 3 * OF_EACH {
            step.first.push((quality, index));
        }
    }

    /// The images to show with their qualities, each once: the worst from the worst on, the best from the best on.
    fn chosen(self) -> Vec<(Rank, usize, f64)> {
        let all: usize = self.steps.iter().map(|step| step.count).sum();
        let mut before = 0;
        let middle = self.steps.iter().position(|step| {
            before += step.count;
            2 * before >= all
        });
        let mut around: Vec<usize> = (0..STEPS).collect();
        around.sort_by_key(|step| step.abs_diff(middle.unwrap_or(0)));
        let typical = around.into_iter().flat_map(|step| self.steps[step].first.clone());
        let mut chosen: Vec<(Rank, usize, f64)> = Vec::new();
        let mut take = |rank, images: &mut dyn Iterator<Item = (f64, usize)>| {
            let mut taken = 0;
            for (quality, index) in images {
                if taken < OF_EACH && chosen.iter().all(|(_, known, _)| *known != index) {
                    chosen.push((rank, index, quality));
                    taken += 1;
                }
            }
        };
        take(Rank::Worst, &mut self.worst.into_iter());
        take(Rank::Best, &mut self.best.into_iter());
        take(Rank::Typical, &mut typical.into_iter());
        chosen.sort_by_key(|(rank, ..)| *rank);
        chosen
    }
}

/// Keeps the first few images in an order of their qualities, of equal ones those that came first.
fn insert(kept: &mut Vec<(f64, usize)>, new: (f64, usize), order: impl Fn(f64, f64) -> std::cmp::Ordering) {
    let place = kept.partition_point(|known| order(known.0, new.0).is_le());
    if place < OF_EACH {
        kept.insert(place, new);
        kept.truncate(OF_EACH);
    }
}

/// The chosen images of a set, read and predicted once more: during the evaluation nothing but their indices is kept. Names are
/// paths below `root`. An image that cannot be read or predicted any more is left out with a warning.
pub(super) fn examples<T: Evaluate>(
    task: &T,
    predictor: &dyn Predictor<T>,
    data: &Data<T::Dataset>,
    (ranking, root): (Ranking, &Path),
) -> Vec<Example> {
    let mut examples = Vec::new();
    for (rank, index, score) in ranking.chosen() {
        let path = data.samples.path(index);
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        match picture(task, predictor, data, index) {
            Ok(pictures) => examples.extend(pictures.into_iter().map(|picture| Example {
                name: name.clone(),
                rank,
                score,
                picture,
            })),
            Err(failure) => console::warning(format!("{name} is left out of the examples: {failure}")),
        }
    }
    examples
}

/// An image of a set with its truth and a prediction, as an image file.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The file of the image, below the data's folder.
    pub name: String,
    /// The truth beside the prediction.
    pub file: ImageFile,
}

/// A few images of a set, the same for a seed and spread over the set, predicted once more. One that cannot be read or predicted is
/// left out with a warning.
pub fn samples<T: Evaluate>(
    task: &T,
    predictor: &dyn Predictor<T>,
    data: &Data<T::Dataset>,
    (seed, root): (u64, &Path),
) -> Vec<Sample> {
    let mut samples = Vec::new();
    for index in spread(data.samples.len(), seed) {
        let path = data.samples.path(index);
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        let files = picture(task, predictor, data, index)
            .and_then(|pictures| pictures.iter().map(Picture::truth_beside_prediction).collect::<Result<Vec<_>, _>>());
        match files {
            Ok(files) => samples.extend(files.into_iter().map(|file| Sample { name: name.clone(), file })),
            Err(failure) => console::warning(format!("{name} is left out of the samples: {failure}")),
        }
    }
    samples
}

/// Images that are shown at each evaluation.
const SAMPLES: usize = 4;

/// Indices in equal distances; the seed decides where they begin.
fn spread(length: usize, seed: u64) -> Vec<usize> {
    let step = (length / SAMPLES).max(1);
    let first = (seed % step as u64) as usize;
    (first..length).step_by(step).take(SAMPLES).collect()
}

/// A picture of the image at an index.
fn picture<T: Evaluate>(
    task: &T,
    predictor: &dyn Predictor<T>,
    data: &Data<T::Dataset>,
    index: usize,
) -> Result<Vec<Picture>, Failure> {
    let sample = data.samples.load(index, 0, &mut SampleRng::for_sample(0, 0, index as u64))?;
    let samples = [sample];
    let predictions = predictor.predict(task, &samples)?;
    predictions.iter().zip(&samples).map(|(prediction, sample)| task.picture(prediction, sample)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(qualities: impl Iterator<Item = f64>) -> Vec<(Rank, usize, f64)> {
        let mut ranking = Ranking::default();
        qualities.enumerate().for_each(|(index, quality)| ranking.add(index, quality));
        ranking.chosen()
    }

    fn of(rank: Rank, chosen: &[(Rank, usize, f64)]) -> Vec<usize> {
        chosen.iter().filter(|(of, ..)| *of == rank).map(|(_, index, _)| *index).collect()
    }

    #[test]
    fn the_extremes_and_the_middle_of_a_large_set_are_chosen() {
        // Each of 0, 1, ... 1000 thousandths once, in a mixed order.
        let chosen = chosen((0..1001).map(|index| f64::from(index * 10 % 1001) / 1000.0));
        let qualities = |rank| -> Vec<usize> { of(rank, &chosen).iter().map(|index| index * 10 % 1001).collect() };
        assert_eq!(qualities(Rank::Worst), [0, 1, 2, 3, 4, 5]);
        assert_eq!(qualities(Rank::Best), [1000, 999, 998, 997, 996, 995]);
        let typical = qualities(Rank::Typical);
        assert!(typical.len() == OF_EACH && typical.iter().all(|quality| (490..=510).contains(quality)), "{typical:?}");
    }

    #[test]
    fn samples_are_spread_over_the_set_and_chosen_by_the_seed() {
        assert_eq!(spread(100, 0), [0, 25, 50, 75]);
        assert_eq!(spread(100, 27), [2, 27, 52, 77]);
        assert_eq!((spread(3, 7), spread(0, 7)), (vec![0, 1, 2], vec![]));
        assert!((0..50).all(|seed| spread(9, seed).iter().all(|index| *index < 9)));
    }

    #[test]
    fn an_image_of_a_small_set_is_chosen_once() {
        let chosen = chosen([0.5, 1.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5].into_iter());
        assert_eq!(of(Rank::Worst, &chosen), [2, 0, 3, 4, 5, 6]);
        assert_eq!((of(Rank::Best, &chosen), of(Rank::Typical, &chosen)), (vec![1], vec![7]));
    }

    #[test]
    fn equal_images_are_all_typical_and_memory_is_bounded() {
        let mut ranking = Ranking::default();
        (0..100_000).for_each(|index| ranking.add(index, 0.25));
        assert_eq!((ranking.best.len(), ranking.worst.len()), (OF_EACH, OF_EACH));
        assert!(ranking.steps.iter().map(|step| step.first.len()).sum::<usize>() <= 3 * OF_EACH);
        let chosen = ranking.chosen();
        assert_eq!(of(Rank::Worst, &chosen), (0..6).collect::<Vec<_>>());
        assert_eq!(of(Rank::Typical, &chosen), (6..12).collect::<Vec<_>>());
        assert!(of(Rank::Best, &chosen).is_empty());
    }
}
