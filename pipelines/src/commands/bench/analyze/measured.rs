//! What was measured of networks, by this machine and by others: how latency follows size, and accuracy beside it.

use eval::statistics::{spearman, spearman_by_chance};
use serde::Serialize;
use std::path::Path;

use super::super::{Row, Sizes};
use super::device::DeviceRow;
use crate::console::Table;
use crate::failure::Failure;
use crate::files;
use crate::report::plot::{Point, PointSeries, Scale, ScatterPlot};

/// The latency of a network somewhere.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub model: String,
    /// The engine with its threads, or the runtime on another device.
    pub by: String,
    pub ms: f64,
    pub sizes: Sizes,
    /// As published.
    pub top1: Option<f64>,
}

/// Everything that was measured; what is known of a network here holds for its file on another device.
pub(super) fn all(rows: &[Row], device: &[DeviceRow]) -> Vec<Measured> {
    let here = rows.iter().map(|row| Measured {
        model: row.model.clone(),
        by: row.label(),
        ms: row.latency_ms.median,
        sizes: row.sizes,
        top1: row.published_top1,
    });
    let there = device.iter().map(|DeviceRow { model, runtime, mean_ms }| {
        // The last row of a network is that of a deploy form.
        let known = rows.iter().rev().find(|row| row.model == *model);
        Measured {
            model: model.clone(),
            by: format!("device {runtime}"),
            ms: *mean_ms,
            sizes: known.map(|row| row.sizes).unwrap_or_default(),
            top1: known.and_then(|row| row.published_top1),
        }
    });
    here.chain(there).collect()
}

/// The distinct values of a key, in their order.
fn distinct<'a>(measured: &'a [Measured], key: impl Fn(&'a Measured) -> &'a str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for value in measured.iter().map(key) {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// Spearman's rank correlation of latency with a size.
#[derive(Debug, Serialize)]
pub(super) struct Correlation {
    /// Who measured.
    by: String,
    /// The size that is compared with latency.
    with: &'static str,
    networks: usize,
    coefficient: Option<f64>,
    /// Where 95 % of the coefficients of random pairings lie.
    by_chance: Option<[f64; 2]>,
    /// The paper's table 1 for a phone and a desktop CPU, of other networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<[f64; 2]>,
}

type SizeOf = fn(&Sizes) -> Option<i64>;

const SIZES: [(&str, SizeOf, Option<[f64; 2]>); 4] = [
    ("multiply-adds", |sizes| sizes.macs, Some([0.47, 0.06])),
    ("parameters", |sizes| sizes.parameters, Some([0.30, 0.07])),
    ("activations", |sizes| sizes.activation_bytes, None),
    ("memory traffic", |sizes| sizes.traffic_bytes, None),
];

const PERMUTATIONS: usize = 2000;
const SEED: u64 = 0;

/// The correlations over the networks that each engine or device measured.
pub(super) fn correlations(measured: &[Measured]) -> Vec<Correlation> {
    let mut found = Vec::new();
    for by in distinct(measured, |one| &one.by) {
        for (with, size, published) in SIZES {
            let of = measured.iter().filter(|one| one.by == by);
            let (sizes, times): (Vec<f64>, Vec<f64>) =
                of.filter_map(|one| Some((size(&one.sizes)? as f64, one.ms))).unzip();
            if !sizes.is_empty() {
                let coefficient = spearman(&sizes, &times);
                let by_chance = spearman_by_chance(&sizes, &times, PERMUTATIONS, SEED);
                let networks = sizes.len();
                found.push(Correlation { by: by.to_owned(), with, networks, coefficient, by_chance, published });
            }
        }
    }
    found
}

impl Correlation {
    /// Its values for `study.csv`.
    pub fn csv(&self) -> serde_json::Value {
        let of = format!("{}; latency with {}", self.by, self.with);
        let [low, high] = self.by_chance.map_or([None; 2], |[low, high]| [Some(low), Some(high)]);
        serde_json::json!(["spearman", of, null, low, high, null, self.networks, self.coefficient])
    }

    pub fn table(all: &[Self]) -> Table {
        let mut table = Table::new(
            "Spearman's rank correlation of latency with size (published: the paper's table 1, phone / CPU)",
            &["measured by", "networks", "latency with", "coefficient", "95 % by chance", "published"],
        );
        let number = |value: f64| format!("{value:.2}");
        let pair = |pair: Option<[f64; 2]>, between: &str| {
            pair.map_or_else(|| "-".to_owned(), |pair| pair.map(number).join(between))
        };
        table.rows.extend(all.iter().map(|row| {
            vec![
                row.by.clone(),
                row.networks.to_string(),
                row.with.to_owned(),
                row.coefficient.map_or_else(|| "-".to_owned(), number),
                pair(row.by_chance, " to "),
                pair(row.published, " / "),
            ]
        }));
        table
    }
}

/// Networks with their sizes, and with their latencies.
pub(super) fn tables(measured: &[Measured], title: String) -> Vec<Table> {
    let models = distinct(measured, |one| &one.model);
    let header = ["network", "M parameters", "M mult-adds", "activations, MB", "traffic, MB", "top-1"];
    let mut sizes = Table::new(
        "Deploy form of each network; top-1 on ImageNet as its paper reports it, not measured here",
        &header,
    );
    let engines = distinct(measured, |one| &one.by);
    let mut latencies = Table::new(
        format!(
            "{title}\nmedian latency in ms by engine (x2: with two threads; device: the mean of its runtime's tool)"
        ),
        &[&["network"], &engines[..]].concat(),
    );
    for model in models {
        let of = || measured.iter().filter(|one| one.model == model);
        // The deploy form comes after the train form.
        let known = of().filter(|one| !one.by.starts_with("train")).chain(of()).next();
        let size = known.map(|one| one.sizes).unwrap_or_default();
        let millions =
            |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.2}", value as f64 / 1e6));
        let top1 = known.and_then(|one| one.top1).map_or_else(|| "-".to_owned(), |top1| format!("{top1:.1}"));
        let mut cells = vec![model.to_owned()];
        cells.extend([size.parameters, size.macs, size.activation_bytes, size.traffic_bytes].map(millions));
        cells.push(top1);
        sizes.rows.push(cells);
        let latency =
            |by: &&str| of().find(|one| one.by == **by).map_or_else(|| "-".to_owned(), |one| format!("{:.2}", one.ms));
        latencies.rows.push(std::iter::once(model.to_owned()).chain(engines.iter().map(latency)).collect());
    }
    vec![sizes, latencies]
}

/// Writes latency against each size, and for each engine or device published accuracy against latency with its Pareto front.
pub(super) fn write(measured: &[Measured], folder: &Path) -> Result<(), Failure> {
    let engines = distinct(measured, |one| &one.by);
    let figures: [(&str, &str, SizeOf); 4] = [
        ("latency_multiply_adds.svg", "multiply-adds, millions", SIZES[0].1),
        ("latency_parameters.svg", "parameters, millions", SIZES[1].1),
        ("latency_activations.svg", "activations, MB", SIZES[2].1),
        ("latency_traffic.svg", "memory traffic, MB", SIZES[3].1),
    ];
    for (file, axis, size) in figures {
        let point =
            |one: &Measured| Some(Point { label: one.model.clone(), x: size(&one.sizes)? as f64 / 1e6, y: one.ms });
        let series = |by: &&str| PointSeries {
            name: (*by).to_owned(),
            points: measured.iter().filter(|one| one.by == **by).filter_map(point).collect(),
        };
        let plot = ScatterPlot {
            title: "Latency of one batch",
            axes: [axis, "latency, ms"],
            scale: Scale::Logarithmic,
            series: engines.iter().map(series).collect(),
        };
        files::write(&folder.join(file), plot.svg()?.as_bytes())?;
    }
    for by in engines {
        let points: Vec<Point> = measured
            .iter()
            .filter(|one| one.by == by)
            .filter_map(|one| Some(Point { label: one.model.clone(), x: one.ms, y: one.top1? }))
            .collect();
        if points.is_empty() {
            continue;
        }
        let (front, others) = points.iter().cloned().partition(|point| is_on_front(point, &points));
        let series = |name: &str, points| PointSeries { name: name.to_owned(), points };
        let plot = ScatterPlot {
            title: "Accuracy as published against latency as measured",
            axes: ["latency, ms", "ImageNet top-1 as published, %"],
            scale: Scale::Linear,
            series: vec![series("Pareto front", front), series("others", others)],
        };
        let words: Vec<&str> =
            by.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        files::write(&folder.join(format!("accuracy_{}.svg", words.join("_"))), plot.svg()?.as_bytes())?;
    }
    Ok(())
}

/// Whether no other network is as fast and more accurate, or as accurate and faster.
fn is_on_front(point: &Point, all: &[Point]) -> bool {
    !all.iter().any(|other| other.x <= point.x && other.y >= point.y && (other.x < point.x || other.y > point.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_has_what_nothing_else_beats() {
        let point = |x: f64, y: f64| Point { label: String::new(), x, y };
        let all = [point(1.0, 70.0), point(2.0, 75.0), point(3.0, 74.0), point(2.0, 71.0), point(2.0, 75.0)];
        let front: Vec<bool> = all.iter().map(|one| is_on_front(one, &all)).collect();
        assert_eq!(front, [true, true, false, false, true]);
    }

    #[test]
    fn a_coefficient_is_over_the_networks_whose_size_is_known() {
        let one = |model: &str, macs: Option<i64>, ms: f64| Measured {
            model: model.to_owned(),
            by: "deploy".to_owned(),
            ms,
            sizes: Sizes { macs, ..Sizes::default() },
            top1: None,
        };
        let found = correlations(&[
            one("a", Some(1), 1.0),
            one("b", Some(2), 3.0),
            one("c", None, 2.0),
            one("d", Some(9), 4.0),
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].networks, found[0].coefficient, found[0].with), (3, Some(1.0), "multiply-adds"));
        assert_eq!(found[0].published, Some([0.47, 0.06]));
    }
}
