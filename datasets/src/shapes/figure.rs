//! The shapes, as signed distances to their outline.

/// A class of the synthetic set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    Circle,
    Cross,
    Square,
    Star,
    Triangle,
}

impl Figure {
    /// Sorted by name, so that collected and given class lists agree.
    pub(super) const ALL: [Figure; 5] = [Figure::Circle, Figure::Cross, Figure::Square, Figure::Star, Figure::Triangle];

    pub(super) fn name(self) -> &'static str {
        match self {
            Figure::Circle => "circle",
            Figure::Cross => "cross",
            Figure::Square => "square",
            Figure::Star => "star",
            Figure::Triangle => "triangle",
        }
    }

    /// Index in [`Figure::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The corners on and inside the unit circle; none for the circle itself.
    fn corners(self) -> Vec<[f64; 2]> {
        let regular = |count: usize, radius: &dyn Fn(usize) -> f64| {
            let corner = |place: usize| {
                let (sine, cosine) = (std::f64::consts::TAU * place as f64 / count as f64).sin_cos();
                [radius(place) * sine, -radius(place) * cosine]
            };
            (0..count).map(corner).collect()
        };
        match self {
            Figure::Circle => Vec::new(),
            Figure::Square => regular(4, &|_| 1.0),
            Figure::Triangle => regular(3, &|_| 1.0),
            Figure::Star => regular(10, &|place| if place % 2 == 0 { 1.0 } else { 0.42 }),
            Figure::Cross => {
                let (arm, half) = (0.94, 0.32);
                let quarter = [[-half, -arm], [half, -arm], [half, -half]];
                (0..4).flat_map(|turn| quarter.map(|corner| quarter_turns(corner, turn))).collect()
            }
        }
    }
}

fn quarter_turns([x, y]: [f64; 2], turns: usize) -> [f64; 2] {
    match turns % 4 {
        0 => [x, y],
        1 => [-y, x],
        2 => [-x, -y],
        _ => [y, -x],
    }
}

/// A figure with its place, size and rotation.
pub(super) struct Outline {
    pub(super) figure: Figure,
    pub(super) centre: [f64; 2],
    /// Radius of the circle around it, pixels.
    pub(super) radius: f64,
    corners: Vec<[f64; 2]>,
}

impl Outline {
    pub(super) fn new(figure: Figure, centre: [f64; 2], radius: f64, turn: f64) -> Outline {
        let (sine, cosine) = turn.sin_cos();
        let place = |[x, y]: [f64; 2]| {
            [centre[0] + radius * (x * cosine - y * sine), centre[1] + radius * (x * sine + y * cosine)]
        };
        Outline { figure, centre, radius, corners: figure.corners().into_iter().map(place).collect() }
    }

    /// Pixels from a point to the outline, negative inside.
    pub(super) fn distance(&self, x: f64, y: f64) -> f64 {
        if self.corners.is_empty() {
            return (x - self.centre[0]).hypot(y - self.centre[1]) - self.radius;
        }
        let mut nearest = f64::INFINITY;
        let mut inside = false;
        let mut from = self.corners[self.corners.len() - 1];
        for &to in &self.corners {
            let (edge, point) = ([to[0] - from[0], to[1] - from[1]], [x - from[0], y - from[1]]);
            let along = (point[0] * edge[0] + point[1] * edge[1]) / (edge[0] * edge[0] + edge[1] * edge[1]);
            let along = along.clamp(0.0, 1.0);
            nearest = nearest.min((point[0] - along * edge[0]).hypot(point[1] - along * edge[1]));
            if (from[1] > y) != (to[1] > y) && x < from[0] + (y - from[1]) / edge[1] * edge[0] {
                inside = !inside;
            }
            from = to;
        }
        if inside { -nearest } else { nearest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_negative_inside_zero_on_the_outline_and_never_inside_beyond_the_radius() {
        for figure in Figure::ALL {
            let outline = Outline::new(figure, [50.0, 40.0], 20.0, 0.3);
            assert!(outline.distance(50.0, 40.0) < -3.0, "{figure:?}");
            for step in 0..360 {
                let (sine, cosine) = f64::from(step).to_radians().sin_cos();
                assert!(outline.distance(50.0 + 20.5 * cosine, 40.0 + 20.5 * sine) > 0.0, "{figure:?}");
            }
            for corner in &outline.corners {
                assert!(outline.distance(corner[0], corner[1]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_square_s_distances_are_those_of_its_sides() {
        let square = Outline::new(Figure::Square, [0.0, 0.0], 2f64.sqrt(), std::f64::consts::FRAC_PI_4);
        assert!((square.distance(0.0, 0.0) + 1.0).abs() < 1e-9);
        assert!((square.distance(3.0, 0.5) - 2.0).abs() < 1e-9);
        assert!((square.distance(2.0, 2.0) - 2f64.sqrt()).abs() < 1e-9);
    }
}
