//! The paper's own measurements, for comparison.

use backbone::{Architecture, Design, Variant};
use serde::Serialize;

use crate::console::Table;

/// A row of table 9 of arXiv 2206.04040: 224x224, one image at a time.
#[derive(Serialize)]
pub(super) struct Published {
    variant: Variant,
    /// ImageNet top-1 in percent.
    top1: f64,
    /// iPhone 12, Core ML.
    iphone12_ms: f64,
    /// Intel Xeon Gold 5118, 2.3 GHz.
    xeon_ms: f64,
    /// NVIDIA RTX 2080 Ti, TensorRT 8.0.1.6.
    rtx2080ti_ms: f64,
}

/// ImageNet top-1 in percent of a published network, as its own paper reports it.
pub(super) fn top1(design: &Design) -> Option<f64> {
    match design {
        Design::MobileOne(spec) => spec.variant().map(|variant| of(variant).top1),
        Design::Published(published) => Some(published.name.published_top1()),
    }
}

pub(super) fn of(variant: Variant) -> Published {
    let (top1, iphone12_ms, xeon_ms, rtx2080ti_ms) = match variant {
        Variant::S0 => (71.4, 0.79, 10.55, 0.56),
        Variant::S1 => (75.9, 0.89, 13.04, 0.66),
        Variant::S2 => (77.4, 1.18, 14.87, 0.72),
        Variant::S3 => (78.1, 1.53, 16.47, 0.76),
        Variant::S4 => (79.4, 1.86, 26.60, 0.95),
    };
    Published { variant, top1, iphone12_ms, xeon_ms, rtx2080ti_ms }
}

/// The latency of a network over that of a MobileOne as the paper reports both, on an iPhone 12 and on a Xeon Gold 5118; of
/// MobileFormer-508M what its abstract says.
pub(super) fn ratio(network: Architecture, variant: Variant) -> [Option<f64>; 2] {
    let [iphone12_ms, xeon_ms] = match network {
        Architecture::MobilenetV1 => [0.95, 10.65],
        Architecture::MobilenetV2 => [0.98, 13.65],
        Architecture::MobilenetV3Large => [1.09, 17.09],
        Architecture::ShufflenetV2X1 => [0.68, 16.60],
        Architecture::EfficientnetB0 => [1.72, 28.71],
        Architecture::RepvggA0 => [1.28, 43.61],
        Architecture::MobilevitS => [9.21, 30.76],
        Architecture::Mobileformer52m => [9.02, 29.23],
        Architecture::Mobileformer96m => [16.95, 37.36],
        Architecture::Mobileformer508m if variant == Variant::S4 => return [Some(38.0), None],
        _ => return [None; 2],
    };
    let own = of(variant);
    [Some(iphone12_ms / own.iphone12_ms), Some(xeon_ms / own.xeon_ms)]
}

pub(super) fn table(rows: &[Published]) -> Table {
    let title = "As published, on the paper's own devices (arXiv 2206.04040, table 9); not measured here";
    let mut table = Table::new(title, &["variant", "top-1", "iPhone 12, ms", "Xeon 5118, ms", "RTX 2080 Ti, ms"]);
    table.rows.extend(rows.iter().map(|row| {
        let numbers = [row.iphone12_ms, row.xeon_ms, row.rtx2080ti_ms].map(|ms| format!("{ms:.2}"));
        [row.variant.name().to_owned(), format!("{:.1}", row.top1)].into_iter().chain(numbers).collect()
    }));
    table
}
