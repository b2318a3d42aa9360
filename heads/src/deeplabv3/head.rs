//! The complete head.

use backbone::{
    Conv, ConvBn, ConvBnConfig, ConvBnKeys, CostRow, Features, Fold, Form, Geometry, Mode, StateDict, WeightInit,
};
use tch::{Tensor, nn};

use crate::{
    Error, HeadSpec, cost,
    deeplabv3::{
        aspp::{Aspp, layer},
        auxiliary::Auxiliary,
        config::{DeepLabV3Config, OhemConfig},
        loss::{Losses, PixelLoss},
        upsample::upsample,
    },
    labels::Labels,
    setting::fits_classes,
    tensors::check_features,
    transfer::to_device,
};

/// The predictions for every position of the features.
#[derive(Debug)]
pub struct Output {
    /// `[N, classes, h, w]` at the resolution of C5.
    pub logits: Tensor,
    /// `[N, classes, h, w]` at the resolution of C4; in [`Mode::Train`] of a train form that has an auxiliary head.
    pub auxiliary: Option<Tensor>,
}

/// A DeepLabV3 head for inputs of any size.
#[derive(Debug)]
pub struct DeepLabV3 {
    pyramid: Aspp,
    extra: Option<ConvBn>,
    classifier: Conv,
    auxiliary: Option<Auxiliary>,
    criterion: PixelLoss,
    ohem: Option<OhemConfig>,
    spec: HeadSpec,
}

impl DeepLabV3 {
    /// Registers `classifier` and, in train form, `aux_classifier` under `path`, in torchvision's layout:
    ///
    /// | key | layer |
    /// |---|---|
    /// | `classifier.0.convs.0.{0,1}` | 1x1 branch |
    /// | `classifier.0.convs.{1..}.{0,1}` | atrous branches |
    /// | `classifier.0.convs.{1..}.{0,1}.{0,1}` | the same where separable: depthwise under `0`, 1x1 under `1` |
    /// | `classifier.0.convs.{last}.{1,2}` | pooled branch |
    /// | `classifier.0.project.{0,1}` | projection |
    /// | `classifier.{1,2}` | extra convolution |
    /// | `classifier.4` | classifier, also without the extra convolution |
    /// | `aux_classifier.{0,1,4}` | auxiliary head |
    ///
    /// Of each pair the first is the convolution and the second the batch normalisation, which deploy form does not have.
    /// The classes of `spec` include the background if it is one.
    ///
    /// # Errors
    /// A setting of `config` that [`DeepLabV3Config::validate`] refuses, [`Error::ConfigLength`] unless there is one class
    /// weight per class, [`Error::NotPositive`] where classes or channels are below 1.
    pub fn new(path: &nn::Path, spec: &HeadSpec, config: &DeepLabV3Config) -> Result<Self, Error> {
        config.validate()?;
        spec.validate()?;
        fits_classes(config.class_weights.as_deref(), spec.classes)?;
        let class_weights = config.class_weights.as_deref().map(|weights| to_device(weights, path.device()));

        let classifier = path / "classifier";
        let width = config.channels;
        let extra = Geometry { kernel: 3, padding: 1, ..Geometry::pointwise(width, width) };
        let extra = ConvBnConfig { keys: ConvBnKeys { conv: "1", norm: "2" }, ..layer(config, extra) };
        let auxiliary = config.auxiliary.as_ref().filter(|_| spec.form == Form::Train);
        Ok(Self {
            pyramid: Aspp::new(&(&classifier / 0), spec, config),
            extra: config.extra_conv.then(|| ConvBn::new(&classifier, &extra, spec.form)),
            classifier: Conv::new(&(&classifier / 4), Geometry::pointwise(width, spec.classes), WeightInit::Torch),
            auxiliary: auxiliary.map(|own| Auxiliary::new(&(path / "aux_classifier"), spec, own, config)),
            criterion: PixelLoss { ignore_index: config.ignore_index, class_weights: class_weights.transpose()? },
            ohem: config.ohem,
            spec: *spec,
        })
    }

    /// Logits for the features of a batch, at their resolution. A trace is valid for features of any number and size.
    ///
    /// # Errors
    /// [`Error::Shape`] where the features have other channels, [`Error::SingleImage`] for training with one image.
    pub fn forward(&self, features: &Features, mode: Mode) -> Result<Output, Error> {
        let [.., c4, c5] = self.spec.channels;
        let images = check_features(&features.c5, c5)?;
        if mode.images(images) == 1 && mode.is_train() && self.spec.form == Form::Train {
            return Err(Error::SingleImage);
        }
        let pyramid = self.pyramid.forward(&features.c5, mode)?;
        let hidden = match &self.extra {
            Some(conv) => conv.forward(&pyramid, mode)?,
            None => pyramid,
        };
        let auxiliary = self.auxiliary.as_ref().filter(|_| mode.is_train()).map(|head| {
            check_features(&features.c4, c4)?;
            head.forward(&features.c4, mode)
        });
        Ok(Output { logits: self.classifier.forward(&hidden), auxiliary: auxiliary.transpose()? })
    }

    /// The losses of a batch, each over logits that are upsampled to the size of the targets, with the ignored id and class
    /// weights of the configuration; hard example mining applies to the main loss.
    ///
    /// `targets` are class ids `[N, H, W]`, integers of any kind, and are copied to the device of the logits. Where all pixels
    /// are ignored, a loss is 0 and so is its gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Kind`] where targets and output do not fit. [`Error::ClassId`] for an id on the host that
    /// is neither a class nor the ignored one; ids on an accelerator are not checked.
    pub fn loss(&self, output: &Output, targets: &Tensor) -> Result<Losses, Error> {
        let images = self.check_logits(&output.logits)?;
        let size = match targets.size()[..] {
            [found, height, width] if found == images && height > 0 && width > 0 => [height, width],
            _ => {
                let expected = format!("[{images}, H, W]");
                return Err(Error::Shape { what: "masks", found: targets.size(), expected });
            }
        };
        let ids = Labels { what: "masks", classes: self.spec.classes, ignored: Some(self.criterion.ignore_index) };
        let targets = ids.load(targets, output.logits.device())?;

        let logits = upsample(&output.logits, size)?;
        let (main, main_weight) = match self.ohem {
            Some(ohem) => self.criterion.hard(&logits, &targets, ohem)?,
            None => self.criterion.all(&logits, &targets)?,
        };
        let mut pixel_weight = main_weight.shallow_clone();
        let auxiliary = self.auxiliary.as_ref().zip(output.auxiliary.as_ref()).map(|(head, logits)| {
            self.check_logits(logits)?;
            let (loss, weight) = self.criterion.all(&upsample(logits, size)?, &targets)?;
            pixel_weight = weight;
            Ok::<_, Error>(loss.f_mul_scalar(head.weight)?)
        });
        let auxiliary = auxiliary.transpose()?;
        Ok(Losses { main, main_weight, auxiliary, pixel_weight })
    }

    /// The most probable class of every pixel of an image of `size` (`[H, W]`): ids `[N, H, W]` in `i64`, the first of equally
    /// probable ones. By tensor operations only, so that it can be traced for this size.
    ///
    /// # Errors
    /// [`Error::Shape`] where the output is not from this head, [`Error::NotPositive`] where a side is below 1.
    pub fn predict(&self, output: &Output, size: [i64; 2]) -> Result<Tensor, Error> {
        self.check_logits(&output.logits)?;
        Ok(upsample(&output.logits, size)?.f_argmax(1, false)?)
    }

    /// The cost of each convolution for one image of `size` (`[H, W]` of the input, in pixels), in the form of the head. The
    /// rows of an auxiliary head, `aux_classifier.*`, come last; prediction does not run them.
    pub fn cost(&self, size: [i64; 2]) -> Vec<CostRow> {
        let grid = self.spec.grid(32, size);
        let mut rows = self.pyramid.cost("classifier.0", grid);
        rows.extend(self.extra.as_ref().map(|conv| cost::conv_bn("classifier.1", conv, grid, self.spec.form)));
        rows.push(cost::conv("classifier.4", &self.classifier, grid));
        rows.extend(self.auxiliary.iter().flat_map(|head| head.cost("aux_classifier", self.spec.grid(16, size))));
        rows
    }

    /// The number of images.
    fn check_logits(&self, logits: &Tensor) -> Result<i64, Error> {
        match logits.size()[..] {
            [images, classes, height, width] if classes == self.spec.classes && height > 0 && width > 0 => Ok(images),
            _ => {
                let expected = format!("[N, {}, h, w]", self.spec.classes);
                Err(Error::Shape { what: "logits", found: logits.size(), expected })
            }
        }
    }
}

impl Fold for DeepLabV3 {
    /// The auxiliary head is left out: deploy form has none.
    fn fold(&self, into: &mut StateDict) {
        self.pyramid.fold(into);
        if let Some(conv) = &self.extra {
            conv.fold(into);
        }
        self.classifier.fold(into);
    }
}
