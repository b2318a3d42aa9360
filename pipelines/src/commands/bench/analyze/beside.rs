//! MobileOne beside the networks of other publications: how much faster one is that is as accurate, and how much more accurate one is
//! that is as fast.

use backbone::{Architecture, Variant};
use serde::Serialize;

use super::super::published;
use super::measured::Measured;
use crate::console::Table;

/// A network of another publication beside the MobileOnes that one engine or device measured with it.
#[derive(Debug, Serialize)]
pub(super) struct Beside {
    network: String,
    /// Who measured.
    by: String,
    /// The MobileOne whose published accuracy is nearest.
    as_accurate: Pair,
    /// The MobileOne whose latency is nearest.
    as_fast: Pair,
    /// What the paper reports for the ratio of [`as_accurate`](Self::as_accurate) on its phone and on its CPU.
    published_ratio: [Option<f64>; 2],
}

/// A network compared with a MobileOne.
#[derive(Debug, Serialize)]
struct Pair {
    mobileone: &'static str,
    /// The network's latency over that of the MobileOne.
    ratio: f64,
    /// The MobileOne's top-1 less the network's, in percent: each as its paper reports it.
    top1_difference: f64,
}

/// The comparisons in the order of the measurements. Train forms are left out: MobileOne's is not for inference.
pub(super) fn all(measured: &[Measured]) -> Vec<Beside> {
    let deployed = || measured.iter().filter(|one| !one.by.starts_with("train"));
    let compared = deployed().filter_map(|network| {
        let architecture = Architecture::ALL.into_iter().find(|known| known.name() == network.model)?;
        let pairs = deployed().filter(|one| one.by == network.by).filter_map(|one| {
            let variant = Variant::ALL.into_iter().find(|variant| variant.name() == one.model)?;
            let pair = Pair {
                mobileone: variant.name(),
                ratio: network.ms / one.ms,
                top1_difference: one.top1? - network.top1?,
            };
            Some((variant, pair))
        });
        let pairs: Vec<(Variant, Pair)> = pairs.collect();
        let nearest = |distance: fn(&Pair) -> f64| {
            pairs.iter().min_by(|(_, one), (_, other)| distance(one).total_cmp(&distance(other)))
        };
        let (variant, as_accurate) = nearest(|pair| pair.top1_difference.abs())?;
        let (_, as_fast) = nearest(|pair| pair.ratio.ln().abs())?;
        Some(Beside {
            network: network.model.clone(),
            by: network.by.clone(),
            as_accurate: Pair { ..*as_accurate },
            as_fast: Pair { ..*as_fast },
            published_ratio: published::ratio(architecture, *variant),
        })
    });
    compared.collect()
}

pub(super) fn table(all: &[Beside]) -> Table {
    let mut table = Table::new(
        "MobileOne beside other networks. Faster: the network's latency over that of the MobileOne as\n\
         accurate (published: the paper's table 9 or abstract, phone / CPU). More top-1: the MobileOne\n\
         as fast less the network. Top-1 as each paper reports it, not measured here",
        &["network", "measured by", "as accurate", "faster", "published", "as fast", "more top-1"],
    );
    table.rows.extend(all.iter().map(|row| {
        let published =
            row.published_ratio.map(|ratio| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")));
        vec![
            row.network.clone(),
            row.by.clone(),
            format!("{} ({:+.1})", row.as_accurate.mobileone, row.as_accurate.top1_difference),
            format!("{:.2}", row.as_accurate.ratio),
            published.join(" / "),
            format!("{} ({:.2})", row.as_fast.mobileone, row.as_fast.ratio),
            format!("{:+.1}", row.as_fast.top1_difference),
        ]
    }));
    table
}

impl Beside {
    /// Its values for `study.csv`: the ratio, and whose it is.
    pub fn csv(&self) -> serde_json::Value {
        let of = format!("{}; {} over {}", self.by, self.network, self.as_accurate.mobileone);
        serde_json::json!(["beside", of, null, null, null, null, null, self.as_accurate.ratio])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Sizes;
    use super::*;

    #[test]
    fn each_network_has_the_mobileone_that_is_as_accurate_and_the_one_that_is_as_fast() {
        let one = |model: &str, by: &str, ms: f64, top1: f64| Measured {
            model: model.to_owned(),
            by: by.to_owned(),
            ms,
            sizes: Sizes::default(),
            top1: Some(top1),
        };
        let found = all(&[
            one("s0", "deploy", 2.0, 71.4),
            one("s2", "deploy", 5.0, 77.4),
            one("s4", "deploy", 11.0, 79.4),
            one("s0", "train", 9.0, 71.4),
            one("efficientnet_b0", "train", 9.0, 77.1),
            one("efficientnet_b0", "deploy", 10.0, 77.1),
            one("mobileformer_508m", "deploy", 22.0, 79.3),
            one("mobileformer_508m", "device onnx", 22.0, 79.3),
        ]);
        let shown = table(&found).rows;
        assert_eq!(
            shown,
            [
                ["efficientnet_b0", "deploy", "s2 (+0.3)", "2.00", "1.46 / 1.93", "s4 (0.91)", "+2.3"],
                ["mobileformer_508m", "deploy", "s4 (+0.1)", "2.00", "38.00 / -", "s4 (2.00)", "+0.1"],
            ]
        );
    }
}
