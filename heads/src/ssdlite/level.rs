//! The levels that carry anchors: which features they are, and how large.

use backbone::{Features, OutputStride};
use tch::Tensor;

use crate::ssdlite::config::{FirstLevel, SsdLiteConfig};

/// One level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub channels: i64,
    /// Rows and columns.
    pub grid: [i64; 2],
    pub anchors_per_cell: i64,
}

/// The levels, finest first: of the backbone as far as the configuration wants them, then the extra ones.
///
/// `channels` are those of a backbone's four features, `size` is the input's `[H, W]` in pixels.
pub(super) fn levels(
    channels: [i64; 4],
    output_stride: OutputStride,
    size: [i64; 2],
    config: &SsdLiteConfig,
) -> Vec<Level> {
    let strides = [4, 8, 16, 32].map(|stride| i64::from(output_stride).min(stride));
    let map = |(channels, stride): (_, i64)| (channels, size.map(|side| (side + stride - 1) / stride));
    let mut maps: Vec<_> = channels.into_iter().zip(strides).skip(position(config.first_level)).map(map).collect();
    for &channels in &config.extra_channels {
        let grid = maps.last().map_or(size, |(_, grid)| grid.map(|side| (side + 1) / 2));
        maps.push((channels, grid));
    }
    let ratios = config.resolved_aspect_ratios();
    let level = |((channels, grid), ratios): (_, &Vec<f64>)| {
        let anchors_per_cell = 2 + 2 * ratios.len() as i64;
        Level { channels, grid, anchors_per_cell }
    };
    maps.into_iter().zip(&ratios).map(level).collect()
}

/// The features of the backbone that carry anchors, finest first.
pub(super) fn backbone_maps(features: &Features, first: FirstLevel) -> Vec<Tensor> {
    let maps = [&features.c2, &features.c3, &features.c4, &features.c5];
    maps[position(first)..].iter().map(|map| map.shallow_clone()).collect()
}

fn position(first: FirstLevel) -> usize {
    match first {
        FirstLevel::C3 => 1,
        FirstLevel::C4 => 2,
    }
}
