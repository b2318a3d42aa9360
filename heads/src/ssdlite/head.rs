//! The complete head.

use backbone::{CostRow, Features, Fold, Mode, StateDict};
use tch::{Tensor, nn};

use crate::{
    Error, HeadSpec,
    setting::at_least_one_each,
    ssdlite::{
        anchors::Anchors,
        box_coder::BoxCoder,
        config::SsdLiteConfig,
        decoder::{Decoded, Decoder},
        level::{backbone_maps, levels},
        loss::{Losses, losses},
        matcher::Matcher,
        multibox::{MultiBoxHead, Predictions},
        postprocess::{Detections, select},
        targets::{Assigner, GroundTruth},
    },
};

/// An SSDLite head for one input size.
#[derive(Debug)]
pub struct SsdLite {
    layers: MultiBoxHead,
    anchors: Anchors,
    matcher: Matcher,
    coder: BoxCoder,
    decoder: Decoder,
    classes: i64,
    config: SsdLiteConfig,
}

impl SsdLite {
    /// Registers `extra.{i}`, `head.classification_head` and `head.regression_head` under `path`, in torchvision's layout.
    ///
    /// The classes of `spec` do not include the background, `size` is the input's `[H, W]` in pixels.
    ///
    /// # Errors
    /// A setting of `config` that [`SsdLiteConfig::validate`] refuses, or classes, size or channels below 1.
    pub fn new(path: &nn::Path, spec: &HeadSpec, size: [i64; 2], config: &SsdLiteConfig) -> Result<Self, Error> {
        config.validate()?;
        spec.validate()?;
        at_least_one_each([("input height", size[0]), ("input width", size[1])])?;

        let levels = levels(spec, size, config);
        let grids: Vec<_> = levels.iter().map(|level| level.grid).collect();
        let anchors = Anchors::new(size, &grids, &config.resolved_scales(), &config.resolved_aspect_ratios());
        let coder = BoxCoder::new(config.box_weights);
        Ok(Self {
            layers: MultiBoxHead::new(path, levels, spec, config),
            matcher: Matcher::new(&anchors, config.iou_threshold),
            decoder: Decoder::new(&anchors, &coder, path.device())?,
            coder,
            anchors,
            classes: spec.classes,
            config: config.clone(),
        })
    }

    /// The default boxes, in the order of the predictions.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// The coder of the offsets.
    pub fn coder(&self) -> &BoxCoder {
        &self.coder
    }

    /// Predictions for the features of a batch.
    ///
    /// # Errors
    /// [`Error::Shape`] where the features are not those of an input of the head's size,
    /// [`Error::SingleValueStatistics`] for training with one image where a level has a single cell.
    pub fn forward(&self, features: &Features, mode: Mode) -> Result<Predictions, Error> {
        self.layers.forward(backbone_maps(features, self.config.first_level), mode)
    }

    /// The cost of each convolution for one image of the head's size, in its form.
    pub fn cost(&self) -> Vec<CostRow> {
        self.layers.cost()
    }

    /// The two losses of a batch, weighted by the configuration, in fp32.
    ///
    /// # Errors
    /// [`Error::TargetCount`], [`Error::LabelCount`], [`Error::Label`], [`Error::Box`] where the targets do not fit, and
    /// [`Error::Shape`] where `predictions` are not from this head.
    pub fn loss(&self, predictions: &Predictions, targets: &[GroundTruth]) -> Result<Losses, Error> {
        let images = self.check_predictions(predictions)?;
        if images != targets.len() {
            return Err(Error::TargetCount { images, targets: targets.len() });
        }
        let assigner = Assigner {
            anchors: &self.anchors,
            matcher: &self.matcher,
            coder: &self.coder,
            classes: self.classes,
            negatives_per_positive: self.config.negatives_per_positive(),
        };
        let Losses { classification, localization, positives } =
            losses(&predictions.logits, &predictions.deltas, &assigner.assign(targets)?)?;
        Ok(Losses {
            classification: classification.f_mul_scalar(self.config.classification_weight)?,
            localization: localization.f_mul_scalar(self.config.localization_weight)?,
            positives,
        })
    }

    /// The tensors that [`SsdLite::decode`] uses besides the weights, by name (`anchors.centres`): the buffers of a trace. They
    /// share memory with the head.
    pub fn constants(&self) -> Vec<(String, Tensor)> {
        self.decoder.constants()
    }

    /// Probabilities and boxes of all anchors, by tensor operations alone, so that they can be traced.
    ///
    /// # Errors
    /// [`Error::Shape`] where `predictions` are not from this head, [`Error::Torch`] where they are not on the device of the
    /// head.
    pub fn decode(&self, predictions: &Predictions) -> Result<Decoded, Error> {
        self.check_predictions(predictions)?;
        self.decoder.decode(predictions)
    }

    /// The detections of each image.
    ///
    /// # Errors
    /// [`Error::Shape`] where `predictions` are not from this head, [`Error::NotANumber`] where a predicted box is none.
    pub fn detect(&self, predictions: &Predictions) -> Result<Vec<Detections>, Error> {
        select(&tch::no_grad(|| self.decode(predictions))?, &self.config)
    }

    /// The number of images.
    fn check_predictions(&self, Predictions { logits, deltas }: &Predictions) -> Result<usize, Error> {
        let images = logits.size().first().copied().unwrap_or(0);
        let anchors = self.anchors.len() as i64;
        for (what, tensor, columns) in [("logits", logits, self.classes + 1), ("deltas", deltas, 4)] {
            if tensor.size() != [images, anchors, columns] {
                let expected = format!("[{images}, {anchors}, {columns}]");
                return Err(Error::Shape { what, found: tensor.size(), expected });
            }
        }
        Ok(images as usize)
    }
}

impl Fold for SsdLite {
    fn fold(&self, into: &mut StateDict) {
        self.layers.fold(into);
    }
}
