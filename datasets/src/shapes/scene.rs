//! One image: a noisy grey background with figures, and what each pixel shows.

use std::f64::consts::TAU;

use super::figure::{Figure, Outline};
use crate::draw::colour;
use crate::image::{Image, Size};
use crate::random::SampleRng;

/// The label of pixels on an outline, as in VOC.
const VOID: u8 = 255;
/// Half the width of the outline, in pixels.
const HALF_OUTLINE: f64 = 1.5;
/// Places to try for a figure before it is left out.
const MAX_PLACES: usize = 50;

/// A drawn image.
pub(super) struct Scene {
    pub(super) image: Image,
    /// For each pixel 0, or the index of the object that it shows plus one.
    pub(super) owners: Vec<u8>,
    /// For each pixel 0, the class plus one, or [`VOID`].
    pub(super) labels: Vec<u8>,
    /// The objects, from back to front.
    pub(super) figures: Vec<Figure>,
}

impl Scene {
    /// Up to `count` figures with diameters in this range of the shorter side; a smaller one may cover the edge of a larger.
    pub(super) fn crowded(size: Size, count: usize, diameter: [f64; 2], rng: &mut SampleRng) -> Scene {
        let short = size.height.min(size.width) as f64;
        let mut radii: Vec<f64> = (0..count).map(|_| 0.5 * short * rng.uniform(diameter[0]..=diameter[1])).collect();
        radii.sort_by(|a, b| b.total_cmp(a));
        let mut outlines: Vec<Outline> = Vec::new();
        for radius in radii {
            let figure = Figure::ALL[rng.below(Figure::ALL.len())];
            let turn = rng.uniform(0.0..=TAU);
            let free = (0..MAX_PLACES).find_map(|_| {
                let x = rng.uniform(radius..=size.width as f64 - radius);
                let y = rng.uniform(radius..=size.height as f64 - radius);
                let clear =
                    |other: &Outline| (x - other.centre[0]).hypot(y - other.centre[1]) >= other.radius + 0.2 * radius;
                outlines.iter().all(clear).then_some([x, y])
            });
            outlines.extend(free.map(|centre| Outline::new(figure, centre, radius, turn)));
        }
        Scene::draw(size, &outlines, rng)
    }

    /// One large figure near the centre.
    pub(super) fn portrait(size: Size, figure: Figure, rng: &mut SampleRng) -> Scene {
        let radius = 0.5 * size.height.min(size.width) as f64 * rng.uniform(0.5..=0.85);
        let mut near_centre = |side: usize| {
            let room = side as f64 / 2.0 - radius;
            side as f64 / 2.0 + rng.uniform(-0.7 * room..=0.7 * room)
        };
        let centre = [near_centre(size.width), near_centre(size.height)];
        Scene::draw(size, &[Outline::new(figure, centre, radius, rng.uniform(0.0..=TAU))], rng)
    }

    fn draw(size: Size, outlines: &[Outline], rng: &mut SampleRng) -> Scene {
        let mut scene = Scene {
            image: background(size, rng),
            owners: vec![0; size.pixels()],
            labels: vec![0; size.pixels()],
            figures: outlines.iter().map(|outline| outline.figure).collect(),
        };
        for (owner, outline) in (1..).zip(outlines) {
            scene.paint(outline, owner, figure_colour(outline.figure, rng));
        }
        scene
    }

    fn paint(&mut self, outline: &Outline, owner: u8, colour: [f64; 3]) {
        let range = |centre: f64, side: usize| {
            let reach = outline.radius + HALF_OUTLINE + 1.0;
            (centre - reach).max(0.0) as usize..((centre + reach).max(0.0) as usize).min(side)
        };
        for y in range(outline.centre[1], self.image.height) {
            for x in range(outline.centre[0], self.image.width) {
                let distance = outline.distance(x as f64 + 0.5, y as f64 + 0.5);
                let coverage = (0.5 - distance).clamp(0.0, 1.0);
                let place = y * self.image.width + x;
                for (level, colour) in self.image.data[place * 3..place * 3 + 3].iter_mut().zip(colour) {
                    *level = (f64::from(*level) * (1.0 - coverage) + colour * coverage).round() as u8;
                }
                if coverage > 0.5 {
                    self.owners[place] = owner;
                }
                if distance.abs() <= HALF_OUTLINE {
                    self.labels[place] = VOID;
                } else if distance < 0.0 {
                    self.labels[place] = outline.figure.index() as u8 + 1;
                }
            }
        }
    }
}

/// A random strong colour near the figure's hue.
fn figure_colour(figure: Figure, rng: &mut SampleRng) -> [f64; 3] {
    let hue = figure.index() as f64 / Figure::ALL.len() as f64 + rng.uniform(-0.04..=0.04);
    let (saturation, value) = (rng.uniform(0.7..=1.0), rng.uniform(0.75..=1.0));
    colour(hue, saturation, value)
}

/// Grey with a slight tint, blotches of random size, and grain.
fn background(size: Size, rng: &mut SampleRng) -> Image {
    let cell = rng.uniform(12.0..=60.0);
    let base: [f64; 3] = {
        let grey = rng.uniform(60.0..=150.0);
        [(); 3].map(|()| grey + rng.uniform(-10.0..=10.0))
    };
    let (blotch, grain) = (rng.uniform(10.0..=40.0), rng.uniform(4.0..=14.0));
    let columns = (size.width as f64 / cell) as usize + 2;
    let rows = (size.height as f64 / cell) as usize + 2;
    let knots: Vec<f64> = (0..rows * columns).map(|_| rng.uniform(-blotch..=blotch)).collect();
    let mut image = Image::filled(size, [0; 3]);
    let mut word = 0;
    for (place, pixel) in image.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((place % size.width) as f64 / cell, (place / size.width) as f64 / cell);
        let (column, row) = (x as usize, y as usize);
        let (right, down) = (x.fract(), y.fract());
        let knot = |row: usize, column: usize| knots[row * columns + column];
        let above = knot(row, column) * (1.0 - right) + knot(row, column + 1) * right;
        let below = knot(row + 1, column) * (1.0 - right) + knot(row + 1, column + 1) * right;
        word = if place % 8 == 0 { rng.word() } else { word >> 8 };
        let noise = (f64::from(word as u8) / 127.5 - 1.0) * grain;
        let shift = above * (1.0 - down) + below * down + noise;
        for (level, base) in pixel.iter_mut().zip(base) {
            *level = (base + shift).clamp(0.0, 255.0) as u8;
        }
    }
    image
}
