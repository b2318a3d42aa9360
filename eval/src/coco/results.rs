//! Predictions of a file as detections on the images of the ground truth.

use std::collections::HashMap;
use std::path::Path;

use annotation_files::coco::{Id, Kind, Prediction};

use super::detected::{Detected, IouType};
use super::feed::check_detection;
use super::finding::{Finding, ImageMatch};
use super::ground_truth::GroundTruth;
use super::predictions::read_results;
use crate::{Error, Place};

/// How many categories a finding names.
const NAMED: usize = 3;

/// The detections of a file, by image, and what a user should know about it.
pub(super) struct FileDetections<D> {
    /// Each with its image.
    pub(super) detections: Vec<(u64, D)>,
    pub(super) findings: Vec<Finding>,
}

impl<D: Detected> FileDetections<D> {
    /// The detections of a results file; the ground truth lists their images.
    pub(super) fn read(ground_truth: &GroundTruth, path: &Path) -> Result<FileDetections<D>, Error> {
        let results = read_results(path, D::IOU_TYPE.geometry())?;
        let images = Images::of(ground_truth, &results.predictions);
        let (mut matched, mut of_boxes, mut degenerate, mut unlisted) = (0, 0, 0, 0);
        let mut categories: Vec<String> = Vec::new();
        let mut detections = Vec::with_capacity(results.predictions.len());
        for (index, prediction) in results.predictions.into_iter().enumerate() {
            let place = |error: Error| error.within(Place::element("predictions", index)).within(Place::file(path));
            let (image_id, as_written) = images.number(&prediction.image_id).map_err(place)?;
            matched += usize::from(!as_written);
            let category_id = ground_truth.ids().categories.number(&prediction.category_id);
            let Some(category_id) = category_id.filter(|&id| ground_truth.category_position(id).is_some()) else {
                unlisted += 1;
                let category = prediction.category_id.to_string();
                if categories.len() < NAMED && !categories.contains(&category) {
                    categories.push(category);
                }
                continue;
            };
            if let Some(mask) = &prediction.mask {
                of_boxes += usize::from(results.kind == Kind::Boxes && D::IOU_TYPE == IouType::Segm);
                degenerate += usize::from(mask.degenerate_polygons() > 0);
            }
            let position = ground_truth.image_position(image_id).map_err(place)?;
            let image = &ground_truth.images()[position];
            let detection = D::of_file(prediction, category_id, image).map_err(place)?;
            check_detection(ground_truth, position, &detection).map_err(place)?;
            detections.push((image_id, detection));
        }
        detections.sort_by_key(|(image_id, _)| *image_id);
        let counted = [
            (matched, Finding::MatchedImages { predictions: matched, by: images.by }),
            (unlisted, Finding::UnlistedPrediction { predictions: unlisted, categories }),
            (of_boxes, Finding::AreaOfBoxes { predictions: of_boxes }),
            (degenerate, Finding::DegeneratePolygons { annotations: degenerate }),
        ];
        let findings = counted.into_iter().filter_map(|(count, finding)| (count > 0).then_some(finding)).collect();
        Ok(FileDetections { detections, findings })
    }

    /// Calls `add` with each image's detections.
    pub(super) fn each_image(&self, mut add: impl FnMut(u64, &[D]) -> Result<(), Error>) -> Result<(), Error> {
        self.detections.chunk_by(|a, b| a.0 == b.0).try_for_each(|of_image| {
            let detections: Vec<D> = of_image.iter().map(|(_, detection)| detection.clone()).collect();
            add(of_image[0].0, &detections)
        })
    }
}

/// The images that the predictions of a file name.
struct Images<'a> {
    ground_truth: &'a GroundTruth,
    /// Names other than ids, where every prediction's image has one; empty where ids do.
    names: HashMap<String, u64>,
    by: ImageMatch,
}

impl<'a> Images<'a> {
    fn of(ground_truth: &'a GroundTruth, predictions: &[Prediction]) -> Images<'a> {
        let mut images = Images { ground_truth, names: HashMap::new(), by: ImageMatch::Number };
        if predictions.iter().all(|prediction| images.listed(&prediction.image_id).is_some()) {
            return images;
        }
        for by in [ImageMatch::Number, ImageMatch::FileName] {
            images.by = by;
            images.names = names(ground_truth, by);
            if predictions.iter().all(|prediction| images.number(&prediction.image_id).is_ok()) {
                return images;
            }
        }
        images.names = HashMap::new();
        images
    }

    /// The image with this id.
    fn listed(&self, id: &Id) -> Option<u64> {
        let number = self.ground_truth.ids().images.number(id)?;
        self.ground_truth.image_position(number).is_ok().then_some(number)
    }

    /// The image that is meant, and whether this is its id.
    fn number(&self, id: &Id) -> Result<(u64, bool), Error> {
        if let Some(number) = self.listed(id) {
            return Ok((number, true));
        }
        let name = match self.by {
            ImageMatch::Number => spelled(&id.text()),
            ImageMatch::FileName => Some(id.text()),
        };
        match name.and_then(|name| self.names.get(&name)) {
            Some(&number) => Ok((number, false)),
            None => Err(Error::unlisted_image(id)),
        }
    }
}

/// The names that one image only has.
fn names(ground_truth: &GroundTruth, by: ImageMatch) -> HashMap<String, u64> {
    let mut images: HashMap<String, Option<u64>> = HashMap::new();
    for image in ground_truth.images() {
        let mut of_image: Vec<String> = match by {
            ImageMatch::Number => spelled(&ground_truth.ids().images.id(image.id).text()).into_iter().collect(),
            ImageMatch::FileName => {
                let path = Path::new(&image.file_name);
                let parts = [path.file_name(), path.file_stem()].into_iter().flatten();
                let parts = parts.map(|part| part.to_string_lossy().into_owned());
                parts.chain([image.file_name.clone()]).filter(|name| !name.is_empty()).collect()
            }
        };
        of_image.sort();
        of_image.dedup();
        for name in of_image {
            images.entry(name).and_modify(|image| *image = None).or_insert(Some(image.id));
        }
    }
    images.into_iter().filter_map(|(name, image)| Some((name, image?))).collect()
}

/// A decimal number without the zeros in front.
fn spelled(text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.trim_start_matches('0');
    digits.then(|| if number.is_empty() { "0".to_owned() } else { number.to_owned() })
}
