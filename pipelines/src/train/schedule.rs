//! The learning rate over a run.

use std::f64::consts::PI;

use crate::config::{ScheduleConfig, ScheduleKind};

/// The learning rate relative to its peak, at every step of a run of known length.
#[derive(Clone, Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    steps: u64,
}

impl Schedule {
    /// The schedule of a run of `steps` steps.
    pub fn new(config: &ScheduleConfig, steps: u64) -> Self {
        Self { config: config.clone(), steps }
    }

    /// The factor at `step` (from 0): a linear warm-up from `warmup_start` to 1, then the curve down to `end`.
    pub fn factor(&self, step: u64) -> f64 {
        let ScheduleConfig { kind, warmup_steps, warmup_start, end } = self.config;
        if step < warmup_steps {
            return warmup_start + (1.0 - warmup_start) * step as f64 / warmup_steps as f64;
        }
        match kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Cosine => {
                let length = self.steps.saturating_sub(warmup_steps).max(1);
                let done = ((step - warmup_steps) as f64 / length as f64).min(1.0);
                end + (1.0 - end) * 0.5 * (1.0 + (PI * done).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(warmup_steps: u64, end: f64) -> Schedule {
        let config = ScheduleConfig { kind: ScheduleKind::Cosine, warmup_steps, warmup_start: 0.1, end };
        Schedule::new(&config, 110)
    }

    #[test]
    fn the_warm_up_is_linear_and_ends_at_the_peak() {
        let schedule = cosine(10, 0.0);
        assert_eq!(schedule.factor(0), 0.1);
        assert!((schedule.factor(5) - 0.55).abs() < 1e-12);
        assert_eq!(schedule.factor(10), 1.0);
    }

    #[test]
    fn the_cosine_passes_its_middle_and_reaches_its_end() {
        let schedule = cosine(10, 0.2);
        assert!((schedule.factor(60) - 0.6).abs() < 1e-12);
        assert!((schedule.factor(110) - 0.2).abs() < 1e-12);
        assert!((schedule.factor(500) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_stays_finite() {
        let schedule = cosine(200, 0.0);
        assert!((0..=210).all(|step| schedule.factor(step).is_finite()));
    }
}
