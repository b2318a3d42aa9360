//! The levels with anchors: which features they are, and their size.

use backbone::Features;
use tch::Tensor;

use crate::{
    HeadSpec,
    ssdlite::config::{FirstLevel, SsdLiteConfig},
};

/// One level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub channels: i64,
    /// Rows and columns.
    pub grid: [i64; 2],
    pub anchors_per_cell: i64,
}

/// The levels, finest first: those of the backbone from `config.first_level`, then the extra ones.
///
/// `size` is the input's `[H, W]` in pixels.
pub(super) fn levels(spec: &HeadSpec, size: [i64; 2], config: &SsdLiteConfig) -> Vec<Level> {
    let maps = spec.channels.into_iter().zip([4, 8, 16, 32].map(|stride| spec.grid(stride, size)));
    let mut maps: Vec<_> = maps.skip(position(config.first_level)).collect();
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

/// The features of the backbone with anchors, finest first.
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
