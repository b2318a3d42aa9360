//! Masks as predictions, averaged over scales and mirror images where the configuration says so.

use datasets::mask::{Mask, voc_palette};
use datasets::segmentation::{EvaluationSize, SegmentationDataset, SegmentationSample, SegmentationSet, voc};
use datasets::{Image, Size, draw};
use heads::deeplabv3::{Output, upsample};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

use super::pairing::SegmentPairing;
use super::{Segment, SegmentEval, SegmentKeys, SegmentScorer, Segmenter, options, sides};
use crate::config::Config;
use crate::failure::Failure;
use crate::files;
use crate::report::ImagePredictions;
use crate::report::page::Picture;
use crate::task::evaluate::write_picture;
use crate::task::{Data, Evaluate, RenderOptions};

impl Evaluate for Segment {
    /// At the size of the sample's own mask.
    type Prediction = Mask;
    type Scorer = SegmentScorer;
    type Pairing = SegmentPairing;

    const COLUMNS: &'static [&'static str] = &["id", "name", "pixels"];

    fn validation_samples(config: &Config<SegmentKeys>, set: SegmentationSet) -> Result<SegmentationDataset, Failure> {
        Ok(SegmentationDataset::for_evaluation(Arc::new(set), config.eval.size, config.pixels())?)
    }

    fn evaluation_batch(&self, configured: usize) -> usize {
        match self.eval.size {
            EvaluationSize::Exact { .. } => configured,
            // Images keep their own proportions, so each is a batch of its own.
            EvaluationSize::Full | EvaluationSize::ShortSide(_) => 1,
        }
    }

    fn evaluation_output(
        &self,
        forward: &dyn Fn(&Tensor) -> Result<Output, Failure>,
        images: &Tensor,
    ) -> Result<Output, Failure> {
        let SegmentEval { scales, flip, .. } = &self.eval;
        if scales[..] == [1.0] && !flip {
            return forward(images);
        }
        let size = sides(images)?;
        let mut sum: Option<Tensor> = None;
        for scale in scales {
            let side = |side: i64| ((side as f64 * scale).round() as i64).max(1);
            let scaled = if *scale == 1.0 { images.shallow_clone() } else { upsample(images, size.map(side))? };
            for mirrored in [false, true].into_iter().filter(|mirrored| !mirrored || *flip) {
                let turned = |xs: &Tensor| if mirrored { xs.flip([3]) } else { xs.shallow_clone() };
                let output = forward(&turned(&scaled))?;
                let maps = upsample(&turned(&output.logits), size)?;
                let probabilities = maps.softmax(1, Kind::Float);
                sum = Some(sum.map_or_else(|| probabilities.shallow_clone(), |sum| sum + &probabilities));
            }
        }
        let views = (scales.len() * (1 + usize::from(*flip))) as f64;
        let mean = sum.ok_or_else(|| Failure::usage("eval.scales: expected one factor or more"))? / views;
        Ok(Output { logits: mean.log(), auxiliary: None })
    }

    fn predictions(
        &self,
        model: &Segmenter,
        output: &Output,
        batch: &[SegmentationSample],
    ) -> Result<Vec<Mask>, Failure> {
        let one = |(row, sample): (i64, &SegmentationSample)| {
            let output = Output { logits: output.logits.narrow(0, row, 1), auxiliary: None };
            let Size { height, width } = sample.mask.size();
            let ids = model.head.predict(&output, [height as i64, width as i64])?;
            mask_of(&ids, sample.mask.size())
        };
        (0..).zip(batch).map(one).collect()
    }

    fn scorer(&self, data: &Data<SegmentationDataset>, folder: Option<&Path>) -> Result<SegmentScorer, Failure> {
        SegmentScorer::new(data.samples.set(), options(&self.eval), folder)
    }

    fn pairing(&self, data: &Data<SegmentationDataset>) -> Result<SegmentPairing, Failure> {
        SegmentPairing::new(data.samples.set())
    }

    fn classes_in(sample: &SegmentationSample) -> Vec<usize> {
        let mut seen = [false; 256];
        sample.mask.data.iter().for_each(|&id| seen[usize::from(id)] = true);
        (0..seen.len()).filter(|&id| seen[id]).collect()
    }

    fn prepare(&self, picture: &Image, file: &Path) -> Result<SegmentationSample, Failure> {
        let original = picture.size();
        Ok(SegmentationSample {
            image: self.eval.size.apply(picture.clone()).map_err(Failure::failed)?,
            mask: Mask::filled(original, 0),
            original,
            index: 0,
            id: String::new(),
            path: file.to_owned(),
        })
    }

    fn render(
        &self,
        mask: &Mask,
        _: &SegmentationSample,
        picture: &Image,
        options: &RenderOptions,
    ) -> Result<ImagePredictions, Failure> {
        let mut counts = vec![0usize; self.classes.len()];
        mask.data.iter().for_each(|&class| counts[usize::from(class)] += 1);
        let files = options.picture.as_ref().map(|place| drawn(place, picture, mask, self.bare())).transpose()?;
        let (picture, mask_file) = files.unzip();
        let predicted = self.classes.iter().zip(&counts).filter(|(_, count)| **count > 0);
        let rows = predicted.map(|(class, count)| vec![json!(class.id), json!(class.name), json!(count)]).collect();
        Ok(ImagePredictions { picture, mask: mask_file, rows })
    }

    fn truth(&self, sample: &SegmentationSample, size: Size) -> Result<Picture, Failure> {
        let mut picture = Picture::of(&sample.image, size)?;
        let names: Vec<&str> = self.classes.iter().map(|class| class.name.as_str()).collect();
        picture.truth = picture.layers(&sample.mask, &names, self.bare())?;
        Ok(picture)
    }

    fn picture(&self, predicted: &Mask, sample: &SegmentationSample) -> Result<Picture, Failure> {
        let mut picture = self.truth(sample, sample.original)?;
        let names: Vec<&str> = self.classes.iter().map(|class| class.name.as_str()).collect();
        picture.prediction = picture.layers(predicted, &names, self.bare())?;
        Ok(picture)
    }
}

impl Segment {
    /// The classes that are not drawn.
    fn bare(&self) -> &'static [u8] {
        if self.classes[0].name == voc::BACKGROUND { &[0] } else { &[] }
    }
}

/// Class ids of one image, of any integer kind from 0 to 255, as a mask.
pub(super) fn mask_of(ids: &Tensor, Size { height, width }: Size) -> Result<Mask, Failure> {
    let ids = ids.to_kind(Kind::Uint8).to(Device::Cpu).contiguous().view(-1);
    Ok(Mask { height, width, data: Vec::<u8>::try_from(ids)? })
}

/// The share of a class's colour in a pixel that it covers.
const MASK_OPACITY: f64 = 0.5;

/// The image with the classes' colours over it, except for `bare` ones, and the mask as an indexed PNG.
fn drawn(place: &Path, picture: &Image, mask: &Mask, bare: &[u8]) -> Result<(PathBuf, PathBuf), Failure> {
    let mut image = picture.to_rgb_for_view();
    draw::mask(&mut image, mask, &draw::class_palette(), MASK_OPACITY, bare).map_err(Failure::failed)?;
    let file = PathBuf::from(format!("{}.png", place.display()));
    files::write(&file, &mask.encode(&voc_palette()).map_err(Failure::failed)?)?;
    Ok((write_picture(place, &image)?, file))
}
