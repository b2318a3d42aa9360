//! The backbone of every task's network.

use backbone::{Backbone, Design, Form, OutputStride, Purpose, Setup, TrainForward};
use tch::nn;

use crate::config::BackboneConfig;
use crate::failure::Failure;

/// A configured backbone, ready to be built.
#[derive(Clone, Debug)]
pub struct BackboneBuilder {
    design: Design,
    form: Form,
    train_forward: TrainForward,
    output_stride: OutputStride,
    purpose: Purpose,
}

impl BackboneBuilder {
    /// The backbone of a configuration.
    ///
    /// # Errors
    /// When it does not name one that can be built.
    pub fn new(config: &BackboneConfig, purpose: Purpose) -> Result<Self, Failure> {
        let BackboneConfig { form, train_forward, output_stride, .. } = *config;
        Ok(Self { design: config.design()?, form, train_forward, output_stride, purpose })
    }

    /// The stride of the last features.
    pub fn output_stride(&self) -> OutputStride {
        self.output_stride
    }

    /// Registers the backbone's weights under `path`. A network in train form has the backbone in its configured form: heads have
    /// normalisation to fold even on a backbone that is trained in deploy form.
    pub fn build(&self, path: &nn::Path, form: Form) -> Box<dyn Backbone> {
        let Self { output_stride, purpose, train_forward, .. } = *self;
        let form = if form == Form::Deploy { Form::Deploy } else { self.form };
        self.design.build(path, Setup { form, output_stride, purpose, train_forward })
    }
}
