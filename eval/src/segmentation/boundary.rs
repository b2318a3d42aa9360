//! The boundary F-score of one class on one image, as DAVIS measures it (`f_measure` and `_seg2bmap` of
//! <https://github.com/davisvideochallenge/davis2017-evaluation>, after Perazzi et al., CVPR 2016, and Martin et al., 2004).
//!
//! A pixel is boundary if the one to its right, the one below, or the one to the lower right differs from it in being of the
//! class. A boundary pixel is matched if the other mask has boundary within `ceil(tolerance * diagonal)` pixels, measured
//! between pixel centres. Precision is the share of the predicted boundary that is matched, recall that of the true one, F
//! their harmonic mean. F is 1 if neither mask has boundary, and 0 if only one has.

/// The distance in pixels within which boundaries match, on an image of the given height and width.
pub(super) fn radius(tolerance: f64, [height, width]: [usize; 2]) -> usize {
    let diagonal = (height as f64 * height as f64 + width as f64 * width as f64).sqrt();
    (tolerance * diagonal).ceil() as usize
}

/// F of a predicted mask against a true one, both [H, W].
pub(super) fn f_score(predicted: &[bool], truth: &[bool], width: usize, radius: usize) -> f64 {
    let predicted = Boundary::of(predicted, width);
    let truth = Boundary::of(truth, width);
    match (predicted.pixels.len(), truth.pixels.len()) {
        (0, 0) => 1.0,
        (0, _) | (_, 0) => 0.0,
        (predicted_pixels, true_pixels) => {
            let precision = predicted.near(&truth, radius) as f64 / predicted_pixels as f64;
            let recall = truth.near(&predicted, radius) as f64 / true_pixels as f64;
            if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
        }
    }
}

struct Boundary {
    width: usize,
    /// [H, W], whether a pixel is boundary.
    map: Vec<bool>,
    /// The indices of the boundary pixels.
    pixels: Vec<usize>,
}

impl Boundary {
    fn of(mask: &[bool], width: usize) -> Boundary {
        let is_boundary = |pixel: usize| {
            let right = pixel % width + 1 < width;
            let below = pixel + width < mask.len();
            let differs = |other: usize| mask[other] != mask[pixel];
            (right && differs(pixel + 1))
                || (below && differs(pixel + width))
                || (right && below && differs(pixel + width + 1))
        };
        let map: Vec<bool> = (0..mask.len()).map(is_boundary).collect();
        let pixels = (0..map.len()).filter(|&pixel| map[pixel]).collect();
        Boundary { width, map, pixels }
    }

    /// The number of pixels of this boundary with one of the other within the radius.
    fn near(&self, other: &Boundary, radius: usize) -> usize {
        let distance = other.vertical_distance(radius);
        let near = |pixel: usize| {
            let column = pixel % self.width;
            let row = pixel - column;
            let columns = column.saturating_sub(radius)..=(column + radius).min(self.width - 1);
            columns.into_iter().any(|x| {
                let (across, along) = (x.abs_diff(column), distance[row + x]);
                along <= radius && across * across + along * along <= radius * radius
            })
        };
        self.pixels.iter().filter(|&&pixel| near(pixel)).count()
    }

    /// [H, W], the distance to the nearest boundary pixel of the same column, `radius + 1` if it is above `radius`.
    fn vertical_distance(&self, radius: usize) -> Vec<usize> {
        let beyond = radius + 1;
        let mut distance = vec![beyond; self.map.len()];
        for pixel in 0..self.map.len() {
            let above = pixel.checked_sub(self.width).map_or(beyond, |above| distance[above]);
            distance[pixel] = if self.map[pixel] { 0 } else { (above + 1).min(beyond) };
        }
        for pixel in (0..self.map.len().saturating_sub(self.width)).rev() {
            distance[pixel] = distance[pixel].min(distance[pixel + self.width] + 1);
        }
        distance
    }
}
