//! The boundary F-score of one class on one image, as DAVIS measures it (`f_measure` and `_seg2bmap` of
//! <https://github.com/davisvideochallenge/davis2017-evaluation>, after Perazzi et al., CVPR 2016, and Martin et al., 2004).
//!
//! A pixel is boundary where the one to its right, the one below, or the one right of that differs from it in being of the
//! class. A boundary pixel is matched where the other mask has boundary within `ceil(tolerance * diagonal)` pixels, measured
//! between pixel centres. Precision is the share of predicted boundary that is matched, recall that of the true one, F their
//! harmonic mean. Where neither mask has boundary F is 1, where only one has F is 0.

/// The pixels within which boundaries match, on an image of the given height and width.
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
        (found, wanted) => {
            let precision = predicted.near(&truth, radius) as f64 / found as f64;
            let recall = truth.near(&predicted, radius) as f64 / wanted as f64;
            if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
        }
    }
}

struct Boundary {
    width: usize,
    /// [H, W], whether a pixel is boundary.
    map: Vec<bool>,
    /// Where it is.
    pixels: Vec<usize>,
}

impl Boundary {
    fn of(mask: &[bool], width: usize) -> Boundary {
        let is_boundary = |place: usize| {
            let right = place % width + 1 < width;
            let below = place + width < mask.len();
            let differs = |other: usize| mask[other] != mask[place];
            (right && differs(place + 1))
                || (below && differs(place + width))
                || (right && below && differs(place + width + 1))
        };
        let map: Vec<bool> = (0..mask.len()).map(is_boundary).collect();
        let pixels = (0..map.len()).filter(|&place| map[place]).collect();
        Boundary { width, map, pixels }
    }

    /// How many pixels of this boundary have one of the other within the radius.
    fn near(&self, other: &Boundary, radius: usize) -> usize {
        let distance = other.vertical_distance(radius);
        let near = |place: usize| {
            let column = place % self.width;
            let row = place - column;
            let columns = column.saturating_sub(radius)..=(column + radius).min(self.width - 1);
            columns.into_iter().any(|x| {
                let (across, along) = (x.abs_diff(column), distance[row + x]);
                along <= radius && across * across + along * along <= radius * radius
            })
        };
        self.pixels.iter().filter(|&&place| near(place)).count()
    }

    /// [H, W], how far the nearest boundary pixel of the same column lies, `radius + 1` where that is further than `radius`.
    fn vertical_distance(&self, radius: usize) -> Vec<usize> {
        let beyond = radius + 1;
        let mut distance = vec![beyond; self.map.len()];
        for place in 0..self.map.len() {
            let above = place.checked_sub(self.width).map_or(beyond, |above| distance[above]);
            distance[place] = if self.map[place] { 0 } else { (above + 1).min(beyond) };
        }
        for place in (0..self.map.len().saturating_sub(self.width)).rev() {
            distance[place] = distance[place].min(distance[place + self.width] + 1);
        }
        distance
    }
}
