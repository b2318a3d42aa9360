//! MobileOne as a feature extractor.

use tch::Tensor;

/// The outputs of the four stages, `[N, C, H, W]`, at strides 4, 8, 16 and 32 (or as the output stride says).
#[derive(Debug)]
pub struct Features {
    /// Stage 1, stride 4.
    pub c2: Tensor,
    /// Stage 2, stride 8.
    pub c3: Tensor,
    /// Stage 3, stride 16 (8 at output stride 8).
    pub c4: Tensor,
    /// Stage 4, stride 32 (16 or 8 at those output strides).
    pub c5: Tensor,
}
