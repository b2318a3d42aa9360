//! Writes a detection problem of COCO's size: `coco_case FOLDER [SEED]` makes `annotations.json` and `predictions.json` there.
//!
//! 5,000 images with 37,061 objects of 80 categories, and ten detections for each object: some well placed and of high score,
//! most of them doubtful, as a detector's are at a low threshold. One seed, one pair of files, on every machine.

use std::path::PathBuf;

use eval::coco::{Annotation, Category, Detection, GroundTruth, Image, PredictionWriter};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

const IMAGES: u64 = 5_000;
const OBJECTS: u64 = 37_061;
const DETECTIONS_AN_OBJECT: u64 = 10;
const CATEGORIES: u64 = 80;
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 480.0;

struct Random(ChaCha8Rng);

impl Random {
    /// Uniform from `low` up to `high`.
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, count: u64) -> u64 {
        self.uniform(0.0, count as f64) as u64
    }

    /// A box of any size from 6 pixels to nearly the image, small ones the most frequent.
    fn bbox(&mut self) -> [f64; 4] {
        let size = 6.0 * (400.0f64 / 6.0).powf(self.uniform(0.0, 1.0));
        let (width, height) = (size * self.uniform(0.6, 1.1), size * self.uniform(0.6, 1.1));
        let (x, y) = (self.uniform(0.0, WIDTH - width), self.uniform(0.0, HEIGHT - height));
        [x, y, width, height].map(|value| rounded(value, 100.0))
    }

    fn moved(&mut self, [x, y, width, height]: [f64; 4], amount: f64) -> [f64; 4] {
        let mut shift = |side: f64| side * self.uniform(-amount, amount);
        [x + shift(width), y + shift(height), width + shift(width), height + shift(height)]
            .map(|value| rounded(value, 100.0))
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: coco_case FOLDER [SEED]")?);
    let seed = arguments.next().map_or(Ok(2017), |seed| seed.parse())?;
    let mut random = Random(ChaCha8Rng::seed_from_u64(seed));

    let image = |id| Image { id, width: WIDTH as usize, height: HEIGHT as usize, file_name: format!("{id:012}.jpg") };
    let images = (1..=IMAGES).map(image).collect();
    let categories = (1..=CATEGORIES).map(|id| Category { id, name: format!("category {id}") }).collect();
    let mut annotations = Vec::new();
    let mut detections: Vec<Vec<Detection>> = vec![Vec::new(); IMAGES as usize + 1];
    for _ in 0..OBJECTS {
        let image_id = 1 + random.below(IMAGES);
        // The square makes some categories frequent and some rare.
        let category_id = 1 + (CATEGORIES as f64 * random.uniform(0.0, 1.0).powi(2)) as u64;
        let bbox = random.bbox();
        let crowd = random.uniform(0.0, 1.0) < 0.01;
        let area = rounded(bbox[2] * bbox[3] * random.uniform(0.4, 0.9), 100.0);
        annotations.push(Annotation { image_id, category_id, bbox, area, crowd });
        for rank in 0..DETECTIONS_AN_OBJECT {
            let (class, place, most) = match rank {
                0 => (category_id, random.moved(bbox, 0.1), 1.0),
                1..4 => (category_id, random.moved(bbox, 0.4), 0.6),
                4..6 => (1 + random.below(CATEGORIES), random.moved(bbox, 0.2), 0.5),
                _ => (1 + random.below(CATEGORIES), random.bbox(), 0.4),
            };
            let score = rounded(random.uniform(0.0, most), 1e5);
            detections[image_id as usize].push(Detection { category_id: class, bbox: place, score });
        }
    }
    std::fs::create_dir_all(&folder)?;
    GroundTruth::from_parts(images, categories, annotations)?.write(folder.join("annotations.json"))?;
    let mut writer = PredictionWriter::create(folder.join("predictions.json"))?;
    for (image_id, detections) in (0..).zip(&detections) {
        writer.add(image_id, detections)?;
    }
    writer.finish()?;
    Ok(())
}
