//! Segmentation: MobileOne under DeepLabV3.

mod data;
mod scoring;

use backbone::checkpoint::BACKBONE;
use backbone::{Classifier, Cost, Fold, Form, MobileOne, Mode, StateDict};
use datasets::mask::{Mask, voc_palette};
use datasets::segmentation::{EvaluationSize, SegmentAugmentation, SegmentationDataset, SegmentationSample, voc};
use datasets::{Class, Image, Orientation, SampleRng, draw};
use eval::segmentation::SegmentationOptions;
use heads::deeplabv3::{DeepLabV3, DeepLabV3Config, Output, upsample};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Kind, Tensor, nn};

use super::{
    Body, Data, Loss, Nothing, RenderOptions, Task, data_failure, differing_classes, sentences, write_picture,
};
use crate::config::{Config, ImageSize, Keys};
use crate::failure::Failure;
use crate::run_folder::write_whole;
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
    type Scorer = SegmentScorer;

    const BACKBONE: &'static str = BACKBONE;

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

    fn training_data(config: &Config<SegmentKeys>) -> Result<Data<SegmentationDataset>, Failure> {
        let set = data::read(config, &config.data.train)?;
        if i64::from(set.ignore) != config.head.ignore_index {
            return Err(Failure::usage(format!(
                "head.ignore_index is {}, but the data ignores {}",
                config.head.ignore_index, set.ignore
            )));
        }
        let (classes, findings) = (set.classes.clone(), sentences(&set.findings));
        let (size, augment) = (config.data.size.into(), config.data.augment.clone());
        let samples = SegmentationDataset::for_training(Arc::new(set), size, augment).map_err(data_failure)?;
        Ok(Data { samples: Arc::new(samples), classes, findings })
    }

    fn validation_data(
        config: &Config<SegmentKeys>,
        classes: Option<&[Class]>,
    ) -> Result<Data<SegmentationDataset>, Failure> {
        let set = data::read(config, &config.data.val)?;
        if let Some(trained) = classes.filter(|trained| *trained != set.classes) {
            return Err(differing_classes(&set.classes, trained));
        }
        let (classes, findings) = (set.classes.clone(), sentences(&set.findings));
        let samples = SegmentationDataset::for_evaluation(Arc::new(set), config.eval.size).map_err(data_failure)?;
        Ok(Data { samples: Arc::new(samples), classes, findings })
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

    fn scorer(&self, data: &Data<SegmentationDataset>, folder: Option<&Path>) -> Result<SegmentScorer, Failure> {
        SegmentScorer::new(data.samples.set(), options(&self.eval), folder)
    }

    fn prepare(&self, image: &Path) -> Result<SegmentationSample, Failure> {
        let picture = Image::read(image, Orientation::Upright).map_err(Failure::failed)?;
        let original = picture.size();
        Ok(SegmentationSample {
            image: self.eval.size.apply(picture).map_err(Failure::failed)?,
            mask: Mask::filled(original, 0),
            original,
            index: 0,
            id: String::new(),
            path: image.to_owned(),
        })
    }

    fn render(
        &self,
        model: &Network,
        output: &Output,
        sample: &SegmentationSample,
        options: &RenderOptions,
    ) -> Result<serde_json::Value, Failure> {
        let mask = scoring::predicted(model, output, 0, sample.original)?;
        let mut counts = vec![0usize; self.classes.len()];
        mask.data.iter().for_each(|&class| counts[usize::from(class)] += 1);
        let bare: &[u8] = if self.classes[0].name == voc::BACKGROUND { &[0] } else { &[] };
        let files = options.picture.as_ref().map(|place| drawn(place, sample, &mask, bare)).transpose()?;
        let (picture, mask_file) = files.unzip();
        let classes: Vec<_> = self
            .classes
            .iter()
            .zip(&counts)
            .filter(|(_, count)| **count > 0)
            .map(|(class, count)| json!({ "class_id": class.id, "name": class.name, "pixels": count }))
            .collect();
        Ok(json!({ "file": sample.path, "picture": picture, "mask": mask_file, "classes": classes }))
    }
}

fn options(eval: &SegmentEval) -> SegmentationOptions {
    SegmentationOptions { boundary_tolerance: eval.boundary_tolerance, ..SegmentationOptions::default() }
}

/// The image with the classes' colours over it, but for `bare` ones, and the mask as an indexed PNG.
fn drawn(place: &Path, sample: &SegmentationSample, mask: &Mask, bare: &[u8]) -> Result<(PathBuf, PathBuf), Failure> {
    let palette = voc_palette();
    let mut image = Image::read(&sample.path, Orientation::Upright).map_err(Failure::failed)?;
    draw::mask(&mut image, mask, &palette, OPACITY, bare).map_err(Failure::failed)?;
    let file = PathBuf::from(format!("{}.png", place.display()));
    write_whole(&file, &mask.encode(&palette).map_err(Failure::failed)?)?;
    Ok((write_picture(place, &image)?, file))
}

/// How much of a class's colour covers the image.
const OPACITY: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn segment(eval: SegmentEval) -> (nn::VarStore, Segment, Network) {
        let spec = "spec: { stem: 16, stages: [{ width: 16, blocks: 1 }, { width: 16, blocks: 1 }, { width: 16, blocks: 1 }, \
                    { width: 16, blocks: 1 }], branches: 1 }";
        let backbone: crate::config::BackboneConfig = serde_yaml::from_str(spec).unwrap();
        let classes = ["a", "b", "c"].map(|name| Class { id: 0, name: name.to_owned() });
        let task = Segment {
            body: Body::new(&backbone).unwrap(),
            head: DeepLabV3Config { channels: 16, ..DeepLabV3Config::default() },
            size: ImageSize { height: 64, width: 64 },
            eval,
            classes: classes.to_vec(),
        };
        tch::manual_seed(3);
        let store = nn::VarStore::new(Device::Cpu);
        let model = task.build(&store.root(), Form::Train).unwrap();
        (store, task, model)
    }

    /// How far the probabilities of a mirrored image are from the mirrored probabilities.
    fn asymmetry(eval: SegmentEval) -> f64 {
        let (_store, task, model) = segment(eval);
        let images = Tensor::randn([1, 3, 64, 96], (Kind::Float, Device::Cpu));
        let probabilities = |images: &Tensor| {
            let output = tch::no_grad(|| task.forward(&model, images, Mode::Eval)).unwrap();
            output.logits.softmax(1, Kind::Float)
        };
        (probabilities(&images).flip([3]) - probabilities(&images.flip([3]))).abs().max().double_value(&[])
    }

    #[test]
    fn averaging_with_the_mirror_image_takes_the_side_out() {
        let averaged = SegmentEval { flip: true, scales: vec![0.75, 1.0], ..SegmentEval::default() };
        assert!(asymmetry(averaged) < 1e-5);
        assert!(asymmetry(SegmentEval::default()) > 1e-4);
        assert!(asymmetry(SegmentEval { scales: vec![0.75, 1.0], ..SegmentEval::default() }) > 1e-4);
    }
}
