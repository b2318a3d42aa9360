//! Cross entropy equal to `torch.nn.functional.cross_entropy`, and the targets of mixed images equal to timm's.

use tch::{Kind, Reduction, Tensor};

use crate::{Error, labels::Labels, tensors::full_precision};

/// libtorch's id of ignored elements, which is not a valid label here.
const NO_CLASS: i64 = -100;

/// The classes of the images of a batch.
#[derive(Debug)]
pub enum Targets {
    /// The class of each image: `[N]`, integers of any kind.
    Labels(Tensor),
    /// A distribution over the classes for each image: `[N, classes]`, for example from [`mixed_targets`].
    Distributions(Tensor),
}

/// The mean cross entropy of `logits` (`[N, classes]`), a scalar in fp32 (fp64 for logits in fp64).
///
/// `smoothing` distributes this fraction of each target evenly over the classes. `class_weights` (`[classes]`) weight the terms:
/// with labels the sum is divided by the weights of the labels, with distributions by the number of images, both as in
/// `torch.nn.CrossEntropyLoss`. Targets on the host are copied to the device of the logits.
///
/// # Errors
/// [`Error::Shape`] and [`Error::Kind`] where targets or weights do not fit the logits. [`Error::ClassId`] for an unknown label
/// on the host; labels on an accelerator are not checked.
pub fn cross_entropy(
    logits: &Tensor,
    targets: &Targets,
    smoothing: f64,
    class_weights: Option<&Tensor>,
) -> Result<Tensor, Error> {
    let logits = full_precision(logits)?;
    let [images, classes] = logits.size()[..] else {
        return Err(Error::Shape { what: "logits", found: logits.size(), expected: "[N, classes]".to_owned() });
    };
    let targets = match targets {
        Targets::Labels(labels) => {
            has_shape("labels", labels, &[images])?;
            Labels { what: "labels", classes, ignored: None }.load(labels, logits.device())?
        }
        Targets::Distributions(distributions) => {
            has_shape("distributions", distributions, &[images, classes])?;
            distributions.f_to_device_(logits.device(), logits.kind(), true, false)?
        }
    };
    let class_weights = class_weights.map(|weights| {
        has_shape("class weights", weights, &[classes])?;
        Ok::<_, Error>(weights.f_to_device_(logits.device(), logits.kind(), true, false)?)
    });
    Ok(logits.f_cross_entropy_loss(&targets, class_weights.transpose()?, Reduction::Mean, NO_CLASS, smoothing)?)
}

/// The distributions `[N, classes]` in fp32 of images that are mixed from `lam` of an image with one label and `1 - lam` of
/// another with the partner label (mixup, <https://arxiv.org/abs/1710.09412>; CutMix, <https://arxiv.org/abs/1905.04899>), on the
/// device of `lam`, equal to timm's `mixup_target`: first smoothed, then mixed.
///
/// `labels` and `partners` are `[N]`, integers of any kind; `lam` is `[N]`. A loss with smoothing has the same effect on targets
/// with a `smoothing` of 0: use only one of the two.
///
/// # Errors
/// [`Error::Shape`], [`Error::Kind`] and [`Error::ClassId`] where labels do not fit, as for [`cross_entropy`].
pub fn mixed_targets(
    labels: &Tensor,
    partners: &Tensor,
    lam: &Tensor,
    classes: i64,
    smoothing: f64,
) -> Result<Tensor, Error> {
    let images = labels.size().iter().product();
    has_shape("labels", labels, &[images])?;
    has_shape("partner labels", partners, &[images])?;
    has_shape("shares of the mixed images", lam, &[images])?;
    let off = smoothing / classes as f64;
    let on = 1.0 - smoothing + off;
    let smoothed = |what, ids: &Tensor| {
        let ids = Labels { what, classes, ignored: None }.load(ids, lam.device())?;
        let even = Tensor::f_full([images, classes], off, (Kind::Float, lam.device()))?;
        Ok::<_, Error>(even.f_scatter_value(1, &ids.f_unsqueeze(1)?, on)?)
    };
    let lam = lam.f_to_kind(Kind::Float)?.f_unsqueeze(1)?;
    let rest = lam.f_neg()?.f_add_scalar(1.0)?;
    Ok(smoothed("labels", labels)?.f_mul(&lam)?.f_add(&smoothed("partner labels", partners)?.f_mul(&rest)?)?)
}

fn has_shape(what: &'static str, tensor: &Tensor, expected: &[i64]) -> Result<(), Error> {
    if tensor.size() == expected {
        return Ok(());
    }
    Err(Error::Shape { what, found: tensor.size(), expected: format!("{expected:?}") })
}
