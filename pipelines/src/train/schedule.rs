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
        let ScheduleConfig { kind, warmup_steps, warmup_start, end, power } = self.config;
        if step < warmup_steps {
            return warmup_start + (1.0 - warmup_start) * step as f64 / warmup_steps as f64;
        }
        let done = progress(step - warmup_steps, self.steps.saturating_sub(warmup_steps));
        match kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Cosine => end + (1.0 - end) * half_cosine(done),
            ScheduleKind::Poly => end + (1.0 - end) * (1.0 - done).powf(power),
        }
    }

    /// Half a cosine from 1 at the first step to 0 after the last, independent of the learning rate.
    pub fn annealed(&self, step: u64) -> f64 {
        half_cosine(progress(step, self.steps))
    }
}

fn progress(step: u64, steps: u64) -> f64 {
    (step as f64 / steps.max(1) as f64).min(1.0)
}

fn half_cosine(done: f64) -> f64 {
    0.5 * (1.0 + (PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(warmup_steps: u64, end: f64) -> Schedule {
        let config = ScheduleConfig { warmup_steps, warmup_start: 0.1, end, ..ScheduleConfig::default() };
        Schedule::new(&config, 110)
    }

    #[test]
    fn poly_is_torchs_polynomial_rate_and_annealing_ignores_the_warm_up() {
        let config = ScheduleConfig { kind: ScheduleKind::Poly, warmup_steps: 10, ..ScheduleConfig::default() };
        let schedule = Schedule::new(&config, 110);
        assert_eq!(schedule.factor(10), 1.0);
        assert!((schedule.factor(60) - 0.5f64.powf(0.9)).abs() < 1e-12);
        assert_eq!(schedule.factor(110), 0.0);
        assert_eq!((schedule.annealed(0), schedule.annealed(55)), (1.0, 0.5));
        assert!(schedule.annealed(110).abs() < 1e-12);
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
