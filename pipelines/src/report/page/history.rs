//! The curves of training, from `metrics.csv`.

use super::{Drawing, Section};
use crate::failure::Failure;
use crate::report::Metrics;
use crate::report::plot::{Curve, Figure, LineChart};

/// Losses, metrics and the learning rate of runs, each with its name; curves of several runs are drawn together. `scalars` are the
/// columns of evaluations.
pub(super) fn section(runs: &[(&str, &Metrics)], scalars: &[String], headline: &str) -> Result<Section, Failure> {
    let title = if runs.len() == 1 { "Training" } else { "Training, side by side" };
    let charts = match runs {
        [(_, metrics)] => of_one(metrics, scalars),
        _ => of_several(runs, headline),
    };
    let drawn = charts.into_iter().filter(|(_, chart)| chart.curves.iter().any(|curve| !curve.points.is_empty()));
    let figures: Result<_, _> = drawn.map(|(name, chart)| Drawing::new(name, &Figure::Lines(chart))).collect();
    Ok(Section { title: title.to_owned(), figures: figures?, tables: Vec::new() })
}

fn of_one(metrics: &Metrics, scalars: &[String]) -> Vec<(String, LineChart)> {
    let curve = |name: &str| Curve { name: name.to_owned(), points: metrics.points(name) };
    let is_share = |curve: &Curve| curve.points.iter().all(|point| (0.0..=1.0).contains(&point[1]));
    let (shares, others): (Vec<Curve>, Vec<Curve>) = scalars.iter().map(|name| curve(name)).partition(is_share);
    let mut charts = vec![
        chart("losses", "Loss and its parts", metrics.losses(scalars).into_iter().map(curve).collect()),
        chart("metrics", "Validation", shares),
    ];
    for curve in others {
        let name = curve.name.clone();
        charts.push(chart(&name, &name, vec![curve]));
    }
    charts.push(chart("lr", "Learning rate", vec![curve("lr")]));
    charts
}

fn of_several(runs: &[(&str, &Metrics)], headline: &str) -> Vec<(String, LineChart)> {
    let column = |column: &str, title: &str| {
        let curve =
            |(name, metrics): &(&str, &Metrics)| Curve { name: (*name).to_owned(), points: metrics.points(column) };
        chart(column, title, runs.iter().map(curve).collect())
    };
    vec![column("loss", "Loss"), column(headline, headline), column("lr", "Learning rate")]
}

fn chart(name: &str, title: &str, curves: Vec<Curve>) -> (String, LineChart) {
    let curves: Vec<Curve> = curves.into_iter().filter(|curve| !curve.points.is_empty()).collect();
    let last = curves.iter().flat_map(|curve| &curve.points).map(|point| point[0]).fold(1.0, f64::max);
    let axes = ["epoch".to_owned(), title.to_lowercase()];
    (name.to_owned(), LineChart { title: title.to_owned(), axes, ranges: [Some([0.0, last]), None], curves })
}
