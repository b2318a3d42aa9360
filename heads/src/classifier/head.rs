//! The complete head.

use backbone::{CostRow, Features, Fold, Mode, StateDict, form::key, profile};
use tch::{Kind, Tensor, nn};

use crate::{
    Error,
    classifier::{
        config::ClassifierConfig,
        loss::{Targets, cross_entropy},
    },
    setting::{at_least_one_each, fits_classes},
    tensors::{check_features, dropout},
    transfer::to_device,
};

/// Global average pooling, dropout, a linear layer. Train form and deploy form are the same.
#[derive(Debug)]
pub struct Classifier {
    /// `[classes, channels]`
    weight: Tensor,
    /// `[classes]`
    bias: Tensor,
    class_weights: Option<Tensor>,
    config: ClassifierConfig,
    prefix: String,
}

impl Classifier {
    /// Registers `linear.weight` and `linear.bias` under `path`. Weights start normal with a standard deviation of 0.01,
    /// biases at zero, as timm starts MobileOne's.
    ///
    /// `channels` are those of the backbone's last features.
    ///
    /// # Errors
    /// A setting of `config` that [`ClassifierConfig::validate`] refuses, [`Error::ConfigLength`] unless there is one class
    /// weight per class, [`Error::NotPositive`] where channels or classes are below 1.
    pub fn new(path: &nn::Path, channels: i64, classes: i64, config: &ClassifierConfig) -> Result<Self, Error> {
        config.validate()?;
        at_least_one_each([("class count", classes), ("channels of the features", channels)])?;
        fits_classes(config.class_weights.as_deref(), classes)?;
        let class_weights = config.class_weights.as_deref().map(|weights| to_device(weights, path.device()));
        let linear = path / "linear";
        let options = (path.kind(), path.device());
        Ok(Self {
            weight: linear.add("weight", Tensor::f_randn([classes, channels], options)?.f_mul_scalar(0.01)?, true),
            bias: linear.add("bias", Tensor::f_zeros([classes], options)?, true),
            class_weights: class_weights.transpose()?,
            config: config.clone(),
            prefix: key(&linear, ""),
        })
    }

    /// Logits `[N, classes]` of the last features. [`Mode::Train`] applies dropout.
    ///
    /// # Errors
    /// [`Error::Shape`] where the features have other channels.
    pub fn forward(&self, features: &Features, mode: Mode) -> Result<Tensor, Error> {
        check_features(&features.c5, self.channels())?;
        profile::layer(&self.prefix, || {
            let pooled = features.c5.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?;
            Ok(dropout(pooled, self.config.dropout, mode)?.f_linear(&self.weight, Some(&self.bias))?)
        })
    }

    /// The mean cross entropy of a batch with the smoothing and class weights of the configuration; see [`cross_entropy`].
    ///
    /// # Errors
    /// As [`cross_entropy`]; [`Error::Shape`] where the logits are not from this head.
    pub fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, Error> {
        let classes = self.bias.size()[0];
        match logits.size()[..] {
            [_, found] if found == classes => {
                cross_entropy(logits, targets, self.config.label_smoothing, self.class_weights.as_ref())
            }
            _ => Err(Error::Shape { what: "logits", found: logits.size(), expected: format!("[N, {classes}]") }),
        }
    }

    /// What [`Classifier::loss`] divides the sum over the images by, a scalar in fp64 on the host or where the targets are: their
    /// number, or the sum of the weights of their classes.
    ///
    /// # Errors
    /// [`Error::Torch`] for a label that is no class.
    pub fn loss_weight(&self, targets: &Targets) -> Result<Tensor, Error> {
        let (targets, weights) = match (targets, &self.class_weights) {
            (Targets::Labels(labels), Some(weights)) => (labels, weights),
            (Targets::Labels(images) | Targets::Distributions(images), _) => {
                return Ok(Tensor::from(images.size()[0] as f64));
            }
        };
        let labels = targets.f_to_device_(weights.device(), Kind::Int64, true, false)?;
        Ok(weights.f_take(&labels)?.f_sum(Kind::Double)?)
    }

    /// The cost of the linear layer for one image of any size.
    pub fn cost(&self) -> Vec<CostRow> {
        vec![CostRow::linear(self.channels(), self.bias.size()[0])]
    }

    fn channels(&self) -> i64 {
        self.weight.size()[1]
    }
}

impl Fold for Classifier {
    fn fold(&self, into: &mut StateDict) {
        into.insert(format!("{}weight", self.prefix), self.weight.detach().copy());
        into.insert(format!("{}bias", self.prefix), self.bias.detach().copy());
    }
}
