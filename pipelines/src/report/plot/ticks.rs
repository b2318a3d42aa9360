//! Round numbers along an axis.

/// The approximate number of parts of an axis.
const PARTS: f64 = 6.0;

/// The largest number of ticks at powers of ten.
const MAX_DECADES: usize = 8;

/// Numbers in this range are written in full, others with an exponent.
const IN_FULL: std::ops::Range<f64> = 1e-4..1e6;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// Whether `low` and `high` are far enough apart for round numbers between them, and not too far for arithmetic.
pub(super) fn has_range(low: f64, high: f64) -> bool {
    let range = high - low;
    range > (low.abs().max(high.abs()) * 1e-9).max(1e-300) && range.is_finite()
}

/// Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, which have a [range](has_range).
pub(super) fn linear(low: f64, high: f64) -> Vec<Tick> {
    let part = (high - low) / PARTS;
    let power = part.log10().floor() as i32;
    let digits = part / decimal(1, power);
    let (digit, power) = match digits {
        ..1.0001 => (1, power),
        ..2.0001 => (2, power),
        ..5.0001 => (5, power),
        _ => (1, power + 1),
    };
    let step = decimal(digit, power);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    let largest = low.abs().max(high.abs());
    let label = |value: f64| {
        if value == 0.0 {
            "0".to_owned()
        } else if largest < IN_FULL.end && step >= IN_FULL.start {
            format!("{value:.*}", usize::try_from(-power).unwrap_or(0))
        } else {
            let digits = value.abs().log10().floor() as i32 - power;
            format!("{value:.*e}", usize::try_from(digits).unwrap_or(0))
        }
    };
    let tick = |multiple: i64| {
        let value = decimal(multiple * digit, power);
        Tick { value, label: label(value) }
    };
    (first..=last).map(tick).collect()
}

/// Powers of ten from `10^low` to `10^high`; if they are few, also their doubles and halves.
pub(super) fn logarithmic(low: f64, high: f64) -> Vec<Tick> {
    // The range of doubles.
    let (first, last) = ((low.floor() as i32).max(-307), (high.ceil() as i32).min(307));
    let within = |tick: &Tick| (low..=high).contains(&tick.value.log10());
    let of = |digits: &'static [i64]| {
        let decades = (first..=last).flat_map(move |power| digits.iter().map(move |&digit| decimal(digit, power)));
        decades.map(|value| Tick { value, label: short(value) }).filter(within).collect::<Vec<_>>()
    };
    let decades = of(&[1]);
    if decades.len() > 3 {
        return decades.chunks(decades.len().div_ceil(MAX_DECADES)).map(|chunk| chunk[0].clone()).collect();
    }
    let finer = of(&[1, 2, 5]);
    if finer.len() > 2 { finer } else { linear(10f64.powf(low), 10f64.powf(high)) }
}

/// A value in the fewest digits that read back to it.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || IN_FULL.contains(&value.abs()) { format!("{value}") } else { format!("{value:e}") }
}

/// The double nearest to `digits x 10^power`; multiplying by a power of ten would round twice.
fn decimal(digits: i64, power: i32) -> f64 {
    format!("{digits}e{power}").parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<Tick>) -> String {
        ticks.into_iter().map(|tick| tick.label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn steps_are_round_and_labels_have_the_necessary_digits() {
        let cases = [
            (0.0, 1.0, "0 0.2 0.4 0.6 0.8 1.0"),
            (68.2, 80.1, "70 72 74 76 78 80"),
            (-1.0, 1.0, "-1.0 -0.5 0 0.5 1.0"),
            (0.0, 3.1e8, "0 1e8 2e8 3e8"),
            (1e-7, 4e-7, "1.0e-7 1.5e-7 2.0e-7 2.5e-7 3.0e-7 3.5e-7 4.0e-7"),
            (0.12, 0.1234, "0.120 0.121 0.122 0.123"),
            (2.4e6, 2.61e6, "2.40e6 2.45e6 2.50e6 2.55e6 2.60e6"),
        ];
        for (low, high, expected) in cases {
            assert_eq!(labels(linear(low, high)), expected, "{low} to {high}");
        }
    }

    #[test]
    fn few_decades_are_split_and_many_are_skipped() {
        let cases = [
            (1.0, 1e4, "1 10 100 1000 10000"),
            (3.0, 300.0, "5 10 20 50 100 200"),
            (1e-3, 0.06, "0.001 0.002 0.005 0.01 0.02 0.05"),
            (11.0, 19.0, "12 14 16 18"),
            (1e-12, 1e12, "1e-12 1e-8 0.0001 1 10000 1e8 1e12"),
        ];
        for (low, high, expected) in cases {
            assert_eq!(labels(logarithmic(f64::log10(low), f64::log10(high))), expected, "{low} to {high}");
        }
    }
}
