//! The class of each pixel, and the cross entropy.

use datasets::SampleRng;
use datasets::segmentation::{SegmentationDataset, SegmentationSample, SegmentationSet};
use heads::deeplabv3::Output;
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;

use super::{Segment, SegmentKeys, Segmenter, sides};
use crate::config::Config;
use crate::failure::Failure;
use crate::task::{Loss, Train};

impl Train for Segment {
    /// Classes of the pixels, `[N, H, W]`.
    type Targets = Tensor;

    fn file(sample: &SegmentationSample) -> &Path {
        &sample.path
    }

    fn training_samples(config: &Config<SegmentKeys>, set: SegmentationSet) -> Result<SegmentationDataset, Failure> {
        let set = match u8::try_from(config.head.ignore_index) {
            Ok(index) if usize::from(index) >= set.classes.len() => set.ignoring_as(index),
            _ => {
                return Err(Failure::usage(format!(
                    "head.ignore_index is {}, which is not an index from {} to 255",
                    config.head.ignore_index,
                    set.classes.len()
                )));
            }
        };
        let (size, augment) = (config.data.size.into(), config.data.augment.clone());
        Ok(SegmentationDataset::for_training(Arc::new(set), size, augment, config.pixels())?)
    }

    fn targets(
        &self,
        images: Tensor,
        batch: &[SegmentationSample],
        _: &mut SampleRng,
    ) -> Result<(Tensor, Tensor), Failure> {
        let pixels: Vec<u8> = batch.iter().flat_map(|sample| sample.mask.data.iter().copied()).collect();
        let [height, width] = sides(&images)?;
        Ok((images, Tensor::from_slice(&pixels).view([-1, height, width])))
    }

    fn losses(&self, model: &Segmenter, output: &Output, targets: &Tensor) -> Result<Vec<Loss>, Failure> {
        let losses = model.head.loss(output, targets)?;
        let main = Loss { name: "cross_entropy", value: losses.main, weight: losses.main_weight };
        let auxiliary = losses.auxiliary.map(|value| Loss { name: "auxiliary", value, weight: losses.pixel_weight });
        Ok(std::iter::once(main).chain(auxiliary).collect())
    }
}
