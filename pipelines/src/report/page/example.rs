//! Images of a set, each with its truth and a prediction.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datasets::image::Interpolation;
use datasets::mask::Mask;
use datasets::{Encoding, Image, Size, draw};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::failure::Failure;

/// The longer side of a picture.
const SIDE: usize = 320;
pub(super) const JPEG_QUALITY: u8 = 80;
/// The opacity of a class's pixels over an image.
pub(super) const OPACITY: u8 = 150;

/// An image with its truth and a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The file, below the data's folder.
    pub name: String,
    /// Why it is shown.
    pub rank: Rank,
    /// How good the prediction is, from 0 to 1.
    pub score: f64,
    /// What is shown.
    pub picture: Picture,
}

/// Why an image is shown, in the order of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Its prediction is among the worst.
    Worst,
    /// Its prediction is about as good as half of all.
    Typical,
    /// Its prediction is among the best.
    Best,
}

/// A small picture with what is on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// The image as a data address.
    pub image: String,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What is there.
    pub truth: Vec<Mark>,
    /// What is predicted.
    pub prediction: Vec<Mark>,
}

/// Something on a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The index of its class.
    pub class: usize,
    /// The name of its class.
    pub name: String,
    /// The colour of its class, as CSS writes it.
    pub colour: String,
    /// How certain a prediction is, where it says.
    pub score: Option<f64>,
    /// Where it is.
    pub shape: Shape,
}

/// Where something is on a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// `[x, y, width, height]` in pixels of the picture.
    Box([f64; 4]),
    /// A layer over the picture, as a data address.
    Mask(String),
    /// The picture as a whole.
    Whole,
}

impl Picture {
    /// A small picture of an image that was `original` pixels before it was resized, without marks.
    ///
    /// # Errors
    /// When it cannot be resized or encoded.
    pub fn of(image: &Image, original: Size) -> Result<Self, Failure> {
        let size = within(original);
        let small = image.to_rgb_for_view().resize_antialiased(size, Interpolation::Bilinear);
        let file = small.and_then(|small| small.encode(Encoding::Jpeg(JPEG_QUALITY))).map_err(Failure::failed)?;
        let Size { width, height } = size;
        Ok(Self { image: address("jpeg", &file), width, height, truth: Vec::new(), prediction: Vec::new() })
    }

    /// A layer for each class of a mask of the image that is among `names`, in their order, but for those that are `hidden`.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn layers(&self, mask: &Mask, names: &[&str], hidden: &[u8]) -> Result<Vec<Mark>, Failure> {
        let small = mask.resize(Size { width: self.width, height: self.height });
        let shown = (0..=u8::MAX).zip(names).filter(|(class, _)| !hidden.contains(class) && small.data.contains(class));
        let layer = |(class, name): (u8, &&str)| {
            let [red, green, blue] = draw::class_colour(class.into());
            let file = small.layer(class, [red, green, blue, OPACITY]).map_err(Failure::failed)?;
            Ok(Mark::new(class.into(), name, None, Shape::Mask(address("png", &file))))
        };
        shown.map(layer).collect()
    }
}

impl Mark {
    /// A mark in the colour of its class.
    pub fn new(class: usize, name: &str, score: Option<f64>, shape: Shape) -> Self {
        let [red, green, blue] = draw::class_colour(class);
        let colour = format!("#{red:02x}{green:02x}{blue:02x}");
        Self { class, name: name.to_owned(), colour, score, shape }
    }
}

/// A size of the same proportions, with at most [`SIDE`] pixels along its longer side.
fn within(size: Size) -> Size {
    let longer = size.height.max(size.width).max(1);
    let side = |pixels: usize| match longer > SIDE {
        true => (pixels * SIDE / longer).max(1),
        false => pixels.max(1),
    };
    Size { height: side(size.height), width: side(size.width) }
}

fn address(kind: &str, file: &[u8]) -> String {
    format!("data:image/{kind};base64,{}", STANDARD.encode(file))
}

/// A class that is on some picture.
#[derive(Serialize)]
pub(super) struct ShownClass {
    index: usize,
    name: String,
    colour: String,
    /// How many marks it has, in truth and in prediction.
    truth: usize,
    prediction: usize,
}

/// The classes of the marks that are drawn on pictures.
pub(super) fn classes(examples: &[Example]) -> Vec<ShownClass> {
    let mut shown: BTreeMap<usize, ShownClass> = BTreeMap::new();
    for Example { picture: Picture { truth, prediction, .. }, .. } in examples {
        for (is_truth, mark) in truth.iter().map(|mark| (true, mark)).chain(prediction.iter().map(|mark| (false, mark)))
        {
            if mark.shape == Shape::Whole {
                continue;
            }
            let Mark { class, name, colour, .. } = mark;
            let new =
                || ShownClass { index: *class, name: name.clone(), colour: colour.clone(), truth: 0, prediction: 0 };
            let class = shown.entry(*class).or_insert_with(new);
            class.truth += usize::from(is_truth);
            class.prediction += usize::from(!is_truth);
        }
    }
    shown.into_values().collect()
}

/// Whether predictions can be chosen by their score: boxes can.
pub(super) fn have_scores(examples: &[Example]) -> bool {
    let mut marks = examples.iter().flat_map(|example| &example.picture.prediction);
    marks.any(|mark| mark.score.is_some() && matches!(mark.shape, Shape::Box(_)))
}
