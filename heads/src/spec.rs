//! What a head for dense predictions is built for.

use backbone::{Form, OutputStride};

use crate::{Error, setting::at_least_one_each};

/// The backbone below a detector or segmenter, and its classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadSpec {
    /// Channels of the backbone's four [`Features`](backbone::Features).
    pub channels: [i64; 4],
    /// Stride of its last features.
    pub output_stride: OutputStride,
    /// Number of classes; each head says whether the background is one of them.
    pub classes: i64,
    /// How the head is built.
    pub form: Form,
}

impl HeadSpec {
    /// # Errors
    /// [`Error::NotPositive`] where classes or channels are below 1.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let counts = self.channels.map(|channels| ("channels of the features", channels));
        at_least_one_each([("class count", self.classes)].into_iter().chain(counts))
    }

    /// Rows and columns of the features at `stride` for an input of `size` (`[H, W]` in pixels).
    pub(crate) fn grid(&self, stride: i64, size: [i64; 2]) -> [i64; 2] {
        let stride = stride.min(self.output_stride.into());
        size.map(|side| (side + stride - 1) / stride)
    }
}
