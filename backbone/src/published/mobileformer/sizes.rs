//! The sizes of the paper (table 1 and its appendix): what differs between them. Where the numbers come from is in docs/backbones.md.

/// A network of the paper's table of specifications.
#[derive(Debug)]
pub(in crate::published) struct Size {
    /// Tokens, and their dimension.
    pub tokens: [i64; 2],
    /// Channels of the convolution at the input.
    pub stem: i64,
    /// Channels between the layers of the light block, its output channels, and its stride.
    pub light: (i64, i64, i64),
    /// Expansion, output channels and stride of each block.
    pub blocks: &'static [(i64, i64, i64)],
    /// What the classifier's linear layer reads.
    pub head: i64,
}

impl Size {
    /// Channels of the pointwise layer behind the blocks: as many as the last of them has between its layers.
    pub fn last(&self) -> i64 {
        self.blocks.last().map_or(self.light.1, |&(hidden, ..)| hidden)
    }
}

pub(in crate::published) const M52: Size = Size {
    tokens: [3, 128],
    stem: 8,
    light: (24, 12, 2),
    blocks: &[
        (36, 12, 1),
        (72, 24, 2),
        (72, 24, 1),
        (144, 48, 2),
        (192, 48, 1),
        (288, 64, 1),
        (384, 96, 2),
        (576, 96, 1),
    ],
    head: 1024,
};

pub(in crate::published) const M96: Size = Size {
    tokens: [4, 128],
    stem: 12,
    light: (24, 12, 1),
    blocks: &[
        (72, 16, 2),
        (96, 32, 2),
        (96, 32, 1),
        (192, 64, 2),
        (256, 64, 1),
        (384, 88, 1),
        (528, 128, 2),
        (768, 128, 1),
    ],
    head: 1280,
};

pub(in crate::published) const M151: Size = Size {
    tokens: [6, 192],
    stem: 12,
    light: (24, 12, 1),
    blocks: &[
        (72, 16, 2),
        (48, 16, 1),
        (96, 32, 2),
        (96, 32, 1),
        (192, 64, 2),
        (256, 64, 1),
        (384, 88, 1),
        (528, 88, 1),
        (528, 128, 2),
        (768, 128, 1),
        (768, 128, 1),
    ],
    head: 1280,
};

pub(in crate::published) const M214: Size = Size {
    tokens: [6, 192],
    stem: 12,
    light: (24, 12, 1),
    blocks: &[
        (72, 20, 2),
        (60, 20, 1),
        (120, 40, 2),
        (160, 40, 1),
        (240, 80, 2),
        (320, 80, 1),
        (480, 112, 1),
        (672, 112, 1),
        (672, 160, 2),
        (960, 160, 1),
        (960, 160, 1),
    ],
    head: 1600,
};

pub(in crate::published) const M294: Size = Size {
    tokens: [6, 192],
    stem: 16,
    light: (32, 16, 1),
    blocks: &[
        (96, 24, 2),
        (96, 24, 1),
        (144, 48, 2),
        (192, 48, 1),
        (288, 96, 2),
        (384, 96, 1),
        (576, 128, 1),
        (768, 128, 1),
        (768, 192, 2),
        (1152, 192, 1),
        (1152, 192, 1),
    ],
    head: 1920,
};

pub(in crate::published) const M508: Size = Size {
    tokens: [6, 192],
    stem: 24,
    light: (48, 24, 1),
    blocks: &[
        (144, 40, 2),
        (120, 40, 1),
        (240, 72, 2),
        (216, 72, 1),
        (432, 128, 2),
        (512, 128, 1),
        (768, 176, 1),
        (1056, 176, 1),
        (1056, 240, 2),
        (1440, 240, 1),
        (1440, 240, 1),
    ],
    head: 1920,
};
