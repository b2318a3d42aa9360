//! Segmentation: MobileOne under DeepLabV3.

mod data;
mod scoring;
mod ship;

use backbone::checkpoint::BACKBONE;
use backbone::{Classifier, Cost, Fold, Form, MobileOne, Mode, StateDict};
use datasets::mask::{Mask, voc_palette};
use datasets::segmentation::{
    EvaluationSize, SegmentAugmentation, SegmentationDataset, SegmentationSample, SegmentationSet, voc,
};
use datasets::{Class, Image, SampleRng, Size, draw};
use eval::segmentation::SegmentationOptions;
use formats::onnx;
use heads::deeplabv3::{DeepLabV3, DeepLabV3Config, Output, upsample};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Device, Kind, Tensor, nn};

use super::{Body, Data, Loss, Nothing, OnnxGraph, RenderOptions, Shipped, Task, write_picture};
use crate::config::{Config, ImageSize, Keys, TaskKind};
use crate::failure::Failure;
use crate::files;
use crate::report::ImagePredictions;
pub use data::SegmentationSource;
pub use scoring::SegmentScorer;

/// The keys of a segmentation configuration.
#[derive(Clone, Debug)]
pub struct SegmentKeys;

impl Keys for SegmentKeys {
    type Head = DeepLabV3Config;
    type Source = SegmentationSource;
    type Targets = Nothing;
    type Augment = SegmentAugmentation;
    type Eval = SegmentEval;
}

/// How a segmenter is evaluated: masks are compared at their stored size, whatever the network sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentEval {
    /// The size at which the network sees an image.
    pub size: EvaluationSize,
    /// Factors on that size; the probabilities of all are averaged.
    pub scales: Vec<f64>,
    /// Whether mirrored images are averaged in as well.
    pub flip: bool,
    /// Tolerance of the boundary F-score as a share of the image's diagonal (DAVIS: 0.008); not computed where not given.
    pub boundary_tolerance: Option<f64>,
}

impl Default for SegmentEval {
    fn default() -> Self {
        Self { size: EvaluationSize::Full, scales: vec![1.0], flip: false, boundary_tolerance: None }
    }
}

/// MobileOne under DeepLabV3.
pub struct Network {
    backbone: MobileOne,
    head: DeepLabV3,
}

/// Segmentation with the classes of one data set.
pub struct Segment {
    body: Body,
    head: DeepLabV3Config,
    size: ImageSize,
    eval: SegmentEval,
    classes: Vec<Class>,
}

impl Task for Segment {
    type Keys = SegmentKeys;
    type Sample = SegmentationSample;
    type Dataset = SegmentationDataset;
    type Model = Network;
    type Output = Output;
    /// Classes of the pixels, `[N, H, W]`.
    type Targets = Tensor;
    /// At the size of the sample's own mask.
    type Prediction = Mask;
    type Scorer = SegmentScorer;

    const KIND: TaskKind = TaskKind::Segment;
    const BACKBONE: &'static str = BACKBONE;
    const COLUMNS: &'static [&'static str] = &["id", "name", "pixels"];

    fn new(config: &Config<SegmentKeys>, classes: &[Class]) -> Result<Self, Failure> {
        config.head.validate().map_err(|error| Failure::usage(format!("head: {error}")))?;
        let eval = &config.eval;
        if eval.scales.is_empty() || eval.scales.iter().any(|scale| !(0.1..=10.0).contains(scale)) {
            return Err(Failure::usage("eval.scales: expected one factor or more, from 0.1 to 10"));
        }
        options(eval).validate().map_err(|error| Failure::usage(format!("eval: {error}")))?;
        Ok(Self {
            body: Body::new(&config.backbone)?,
            head: config.head.clone(),
            size: config.data.size,
            eval: eval.clone(),
            classes: classes.to_vec(),
        })
    }

    fn training_samples(config: &Config<SegmentKeys>, set: SegmentationSet) -> Result<SegmentationDataset, Failure> {
        if i64::from(set.ignore) != config.head.ignore_index {
            return Err(Failure::usage(format!(
                "head.ignore_index is {}, but the data ignores {}",
                config.head.ignore_index, set.ignore
            )));
        }
        let (size, augment) = (config.data.size.into(), config.data.augment.clone());
        Ok(SegmentationDataset::for_training(Arc::new(set), size, augment)?)
    }

    fn validation_samples(config: &Config<SegmentKeys>, set: SegmentationSet) -> Result<SegmentationDataset, Failure> {
        Ok(SegmentationDataset::for_evaluation(Arc::new(set), config.eval.size)?)
    }

    fn build(&self, path: &nn::Path, form: Form) -> Result<Network, Failure> {
        let backbone = self.body.build(&(path / "backbone"), form);
        let (stride, classes) = (self.body.output_stride(), self.classes.len() as i64);
        let head = DeepLabV3::new(path, backbone.channels(), stride, classes, &self.head, form)
            .map_err(|error| Failure::usage(format!("head: {error}")))?;
        Ok(Network { backbone, head })
    }

    fn backbone(model: &Network) -> &MobileOne {
        &model.backbone
    }

    fn cost(&self, model: &Network, form: Form) -> Cost {
        let mut cost = self.body.cost(form, self.size.sides(), BACKBONE, Classifier::None);
        cost.rows.extend(model.head.cost(self.size.sides()));
        cost
    }

    fn numbers<'a>(&self, output: &'a Output) -> Vec<(&'static str, &'a Tensor)> {
        vec![("logits", &output.logits)]
    }

    fn fold(&self, model: &Network, into: &mut StateDict) {
        model.backbone.fold(into);
        model.head.fold(into);
    }

    fn image(sample: &SegmentationSample) -> &Image {
        &sample.image
    }

    fn file(sample: &SegmentationSample) -> &Path {
        &sample.path
    }

    fn evaluation_batch(&self, configured: usize) -> usize {
        match self.eval.size {
            EvaluationSize::Exact { .. } => configured,
            // Images keep their own proportions, so each is a batch of its own.
            EvaluationSize::Full | EvaluationSize::ShortSide(_) => 1,
        }
    }

    fn forward(&self, model: &Network, images: &Tensor, mode: Mode) -> Result<Output, Failure> {
        let SegmentEval { scales, flip, .. } = &self.eval;
        if mode == Mode::Train || (scales[..] == [1.0] && !flip) {
            let features = model.backbone.forward(images, mode);
            return model.head.forward(&features, mode).map_err(Failure::failed);
        }
        let size = images.size();
        let size = [size[2], size[3]];
        let mut sum: Option<Tensor> = None;
        for scale in scales {
            let side = |side: i64| ((side as f64 * scale).round() as i64).max(1);
            let scaled = if *scale == 1.0 {
                images.shallow_clone()
            } else {
                upsample(images, size.map(side)).map_err(Failure::failed)?
            };
            for mirrored in [false, true].into_iter().filter(|mirrored| !mirrored || *flip) {
                let turned = |xs: &Tensor| if mirrored { xs.flip([3]) } else { xs.shallow_clone() };
                let features = model.backbone.forward(&turned(&scaled), mode);
                let output = model.head.forward(&features, mode).map_err(Failure::failed)?;
                let maps = upsample(&turned(&output.logits), size).map_err(Failure::failed)?;
                let probabilities = maps.softmax(1, Kind::Float);
                sum = Some(sum.map_or_else(|| probabilities.shallow_clone(), |sum| sum + &probabilities));
            }
        }
        let views = (scales.len() * (1 + usize::from(*flip))) as f64;
        let mean = sum.ok_or_else(|| Failure::usage("eval.scales: expected one factor or more"))? / views;
        Ok(Output { logits: mean.log(), auxiliary: None })
    }

    fn targets(
        &self,
        images: Tensor,
        batch: &[SegmentationSample],
        _: &mut SampleRng,
    ) -> Result<(Tensor, Tensor), Failure> {
        let pixels: Vec<u8> = batch.iter().flat_map(|sample| sample.mask.data.iter().copied()).collect();
        let [_, _, height, width] = images.size()[..] else {
            return Err(Failure::failed("images are not [N, 3, H, W]"));
        };
        Ok((images, Tensor::from_slice(&pixels).view([-1, height, width])))
    }

    fn losses(&self, model: &Network, output: &Output, targets: &Tensor) -> Result<Vec<Loss>, Failure> {
        let losses = model.head.loss(output, targets).map_err(Failure::failed)?;
        let main = Loss { name: "cross_entropy", value: losses.main };
        let auxiliary = losses.auxiliary.map(|value| Loss { name: "auxiliary", value });
        Ok(std::iter::once(main).chain(auxiliary).collect())
    }

    fn predictions(
        &self,
        model: &Network,
        output: &Output,
        batch: &[SegmentationSample],
    ) -> Result<Vec<Mask>, Failure> {
        let one = |(row, sample): (i64, &SegmentationSample)| {
            let output = Output { logits: output.logits.narrow(0, row, 1), auxiliary: None };
            let Size { height, width } = sample.mask.size();
            let ids = model.head.predict(&output, [height as i64, width as i64]).map_err(Failure::failed)?;
            mask_of(&ids, sample.mask.size())
        };
        (0..).zip(batch).map(one).collect()
    }

    fn shipped_network(&self, model: &Network, images: &Tensor) -> Result<Vec<Tensor>, Failure> {
        let features = model.backbone.forward(images, Mode::Eval);
        Ok(vec![model.head.forward(&features, Mode::Eval).map_err(Failure::failed)?.logits])
    }

    fn shipped(&self, raw: bool) -> Shipped {
        ship::segmenter(self.classes.len(), raw)
    }

    fn read_shipped(&self, outputs: &[Tensor], raw: bool, batch: &[SegmentationSample]) -> Result<Vec<Mask>, Failure> {
        ship::read(outputs, raw, batch)
    }

    fn ship_onnx(&self, _: &Network, graph: &mut OnnxGraph<'_>, raw: bool) -> Result<(), onnx::Error> {
        ship::onnx(self.classes.len(), graph, raw)
    }

    fn shipped_outputs(&self, model: &Network, images: &Tensor, raw: bool) -> Result<Vec<Tensor>, Failure> {
        let [.., height, width] = images.size()[..] else {
            return Err(Failure::failed("images are not [N, 3, H, W]"));
        };
        let logits = upsample(&self.shipped_network(model, images)?[0], [height, width]).map_err(Failure::failed)?;
        Ok(vec![if raw { logits } else { logits.argmax(1, false) }])
    }

    fn difference(&self, model: &Network, images: &Tensor, outputs: &[Tensor], raw: bool) -> Result<f64, Failure> {
        ship::difference(&self.shipped_outputs(model, images, true)?[0], outputs, raw)
    }

    fn scorer(&self, data: &Data<SegmentationDataset>, folder: Option<&Path>) -> Result<SegmentScorer, Failure> {
        SegmentScorer::new(data.samples.set(), options(&self.eval), folder)
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
        let bare: &[u8] = if self.classes[0].name == voc::BACKGROUND { &[0] } else { &[] };
        let files = options.picture.as_ref().map(|place| drawn(place, picture, mask, bare)).transpose()?;
        let (picture, mask_file) = files.unzip();
        let known = self.classes.iter().zip(&counts).filter(|(_, count)| **count > 0);
        let rows = known.map(|(class, count)| vec![json!(class.id), json!(class.name), json!(count)]).collect();
        Ok(ImagePredictions { picture, mask: mask_file, rows })
    }
}

/// Class ids of one image, of any integer kind, as a mask.
fn mask_of(ids: &Tensor, Size { height, width }: Size) -> Result<Mask, Failure> {
    let ids = ids.to_kind(Kind::Uint8).to(Device::Cpu).contiguous().view(-1);
    Ok(Mask { height, width, data: Vec::<u8>::try_from(ids).map_err(Failure::failed)? })
}

fn options(eval: &SegmentEval) -> SegmentationOptions {
    SegmentationOptions { boundary_tolerance: eval.boundary_tolerance, ..SegmentationOptions::default() }
}

/// The image with the classes' colours over it, but for `bare` ones, and the mask as an indexed PNG.
fn drawn(place: &Path, picture: &Image, mask: &Mask, bare: &[u8]) -> Result<(PathBuf, PathBuf), Failure> {
    let palette = voc_palette();
    let mut image = picture.clone();
    draw::mask(&mut image, mask, &palette, OPACITY, bare).map_err(Failure::failed)?;
    let file = PathBuf::from(format!("{}.png", place.display()));
    files::write(&file, &mask.encode(&palette).map_err(Failure::failed)?)?;
    Ok((write_picture(place, &image)?, file))
}

/// How much of a class's colour covers the image.
const OPACITY: f64 = 0.5;

#[cfg(test)]
mod tests;
