//! The golden case of VOC's development kit, for boxes in memory and in files.

use std::error::Error;
use std::sync::Arc;

use eval::voc::{Detection, GroundTruth, Object};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::golden::{golden, read_json};

/// Images with objects and detections.
#[derive(Deserialize)]
pub struct Case {
    classes: Vec<String>,
    pub images: Vec<String>,
    objects: Vec<Bbox>,
    pub detections: Vec<Bbox>,
}

#[derive(Deserialize)]
pub struct Bbox {
    pub image: String,
    pub class: usize,
    pub bbox: [f64; 4],
    #[serde(default)]
    difficult: bool,
    #[serde(default)]
    pub score: f64,
}

#[derive(Deserialize)]
struct GoldenFile<E> {
    #[serde(flatten)]
    case: Case,
    expected: Vec<E>,
}

/// The case, and the kit's numbers.
pub fn read<E: DeserializeOwned>() -> Result<(Case, Vec<E>), Box<dyn Error>> {
    let GoldenFile { case, expected } = read_json(golden("voc.json"))?;
    Ok((case, expected))
}

impl Case {
    pub fn truth(&self) -> Result<Arc<GroundTruth>, eval::Error> {
        let object = |o: &Bbox| Object { image: o.image.clone(), class: o.class, bbox: o.bbox, difficult: o.difficult };
        let objects = self.objects.iter().map(object).collect();
        GroundTruth::from_parts(self.images.clone(), self.classes.clone(), objects).map(Arc::new)
    }

    /// The detections in an image, each box converted with `of`.
    pub fn detected(&self, image: &str, of: impl Fn([f64; 4]) -> [f64; 4]) -> Vec<Detection> {
        let of_image = self.detections.iter().filter(|detection| detection.image == image);
        of_image.map(|d| Detection { class: d.class, bbox: of(d.bbox), score: d.score }).collect()
    }
}
