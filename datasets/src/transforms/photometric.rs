//! `RandomPhotometricDistort` of torchvision on bytes: brightness, contrast, saturation, hue and channel order.
//!
//! Images of other channels than red, green and blue have no saturation and no hue; their mean grey is the mean of all levels.
//!
//! Every step rounds to bytes as torchvision's does on a `uint8` tensor, so the result is the same except for rare pixels
//! on a rounding edge. Brightness and contrast are tables of 256 entries.

mod block;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::image::{Image, PixelWindow};
use crate::random::SampleRng;
use crate::settings::{check_probability, check_range};
use block::{Block, grey};

/// Settings of the distortion; each step is applied with probability `p`, with a factor uniform in its range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PhotometricDistort {
    /// Probability of each of the five steps.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
    /// Factors of brightness; 1 changes nothing.
    #[schemars(inner(range(min = 0.0)))]
    pub brightness: [f64; 2],
    /// Factors of contrast around the mean grey; 1 changes nothing.
    #[schemars(inner(range(min = 0.0)))]
    pub contrast: [f64; 2],
    /// Factors of saturation; 0 gives grey, 1 changes nothing.
    #[schemars(inner(range(min = 0.0)))]
    pub saturation: [f64; 2],
    /// Turns of hue, from -0.5 to 0.5; 0 changes nothing, 1 would be a full turn.
    #[schemars(inner(range(min = -0.5, max = 0.5)))]
    pub hue: [f64; 2],
    /// Whether channels are shuffled, with probability `p`.
    pub permute_channels: bool,
}

impl Default for PhotometricDistort {
    fn default() -> PhotometricDistort {
        PhotometricDistort {
            p: 0.5,
            brightness: [0.875, 1.125],
            contrast: [0.5, 1.5],
            saturation: [0.5, 1.5],
            hue: [-0.05, 0.05],
            permute_channels: true,
        }
    }
}

impl PhotometricDistort {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let factors = "two factors of 0 or more, the smaller first";
        check_probability("photometric.p", self.p)?;
        check_range("photometric.brightness", self.brightness, [0.0, f64::MAX], factors)?;
        check_range("photometric.contrast", self.contrast, [0.0, f64::MAX], factors)?;
        check_range("photometric.saturation", self.saturation, [0.0, f64::MAX], factors)?;
        check_range("photometric.hue", self.hue, [-0.5, 0.5], "two turns from -0.5 to 0.5, the smaller first")
    }

    /// The first setting that changes colours, which only images of red, green and blue have.
    pub(crate) fn needs_colour(&self) -> Option<&'static str> {
        let settings =
            [("photometric.saturation", self.saturation != [1.0; 2]), ("photometric.hue", self.hue != [0.0; 2])];
        settings.into_iter().find(|(_, changes)| *changes && self.p > 0.0).map(|(key, _)| key)
    }

    /// Draws which steps are applied to an image of this many channels, and how strongly.
    pub(crate) fn sample(&self, channels: usize, rng: &mut SampleRng) -> Distortion {
        let mut factor = |[low, high]: [f64; 2]| rng.chance(self.p).then(|| rng.uniform(low..=high));
        let brightness = factor(self.brightness);
        let contrast = factor(self.contrast);
        let saturation = factor(self.saturation);
        let hue = factor(self.hue);
        let contrast_first = rng.chance(0.5);
        let mut channels: Vec<usize> = (0..channels).collect();
        if self.permute_channels && rng.chance(self.p) {
            rng.shuffle(&mut channels);
        }
        Distortion {
            brightness,
            contrast: contrast.filter(|_| contrast_first),
            saturation,
            hue,
            contrast_last: contrast.filter(|_| !contrast_first),
            channels,
        }
    }
}

/// The drawn strengths, in the order in which they apply; `None` leaves a step out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Distortion {
    /// Factor of brightness.
    pub(crate) brightness: Option<f64>,
    /// Factor of contrast, before saturation and hue.
    pub(crate) contrast: Option<f64>,
    /// Factor of saturation.
    pub(crate) saturation: Option<f64>,
    /// Turn of hue.
    pub(crate) hue: Option<f64>,
    /// Factor of contrast, after saturation and hue.
    pub(crate) contrast_last: Option<f64>,
    /// For each new channel, the old one that it shows; without any they stay in order.
    pub(crate) channels: Vec<usize>,
}

type Table = [u8; 256];

impl Distortion {
    /// Distorts the pixels of a window in place.
    pub(crate) fn apply(&self, image: &mut Image, window: PixelWindow) {
        let mut table = identity();
        if let Some(factor) = self.brightness {
            table = table.map(|level| truncated(f32::from(level) * factor as f32));
        }
        if let Some(factor) = self.contrast {
            table = contrasted(table, mean_grey(image, window, &table), factor);
        }
        if image.is_rgb() && (self.saturation.is_some() || self.hue.is_some()) {
            self.colour(image, window, &table);
            table = identity();
        }
        if let Some(factor) = self.contrast_last {
            table = contrasted(table, mean_grey(image, window, &table), factor);
        }
        let in_order = self.channels.is_sorted();
        if table == identity() && in_order {
            return;
        }
        match self.channels[..] {
            _ if in_order => image.rows_mut(window).flatten().for_each(|level| *level = table[usize::from(*level)]),
            [red, green, blue] => {
                for pixel in image.rows_mut(window).flat_map(|row| row.chunks_exact_mut(3)) {
                    let old = [pixel[0], pixel[1], pixel[2]].map(|level| table[usize::from(level)]);
                    pixel.copy_from_slice(&[old[red], old[green], old[blue]]);
                }
            }
            ref order => {
                let mut old = vec![0; order.len()];
                for pixel in image.rows_mut(window).flat_map(|row| row.chunks_exact_mut(order.len())) {
                    old.copy_from_slice(pixel);
                    pixel.iter_mut().zip(order).for_each(|(level, &from)| *level = table[usize::from(old[from])]);
                }
            }
        }
    }

    fn colour(&self, image: &mut Image, window: PixelWindow, table: &Table) {
        let table = table.map(f32::from);
        for row in image.rows_mut(window) {
            for pixels in row.chunks_mut(3 * Block::PIXELS) {
                let mut block = Block::read(pixels, &table);
                if let Some(factor) = self.saturation {
                    block.saturate(factor);
                }
                if let Some(turn) = self.hue {
                    block.turn_hue(turn);
                }
                block.write(pixels);
            }
        }
    }
}

fn identity() -> Table {
    std::array::from_fn(|level| level as u8)
}

fn truncated(level: f32) -> u8 {
    level.clamp(0.0, 255.0) as u8
}

fn contrasted(table: Table, mean: f32, factor: f64) -> Table {
    let (own, shift) = (factor as f32, mean * (1.0 - factor) as f32);
    table.map(|level| truncated(f32::from(level) * own + shift))
}

fn mean_grey(image: &mut Image, window: PixelWindow, table: &Table) -> f32 {
    let (mut sum, mut count) = (0u64, 0u64);
    if !image.is_rgb() {
        for &level in image.rows_mut(window).flat_map(|row| &*row) {
            sum += u64::from(table[usize::from(level)]);
            count += 1;
        }
        return (sum as f64 / count.max(1) as f64) as f32;
    }
    let floats = table.map(f32::from);
    for row in image.rows_mut(window) {
        let greys = row.chunks_exact(3).map(|pixel| {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(|level| floats[usize::from(level)]);
            grey(red, green, blue) as u32
        });
        sum += u64::from(greys.sum::<u32>());
        count += row.len() as u64 / 3;
    }
    (sum as f64 / count.max(1) as f64) as f32
}
