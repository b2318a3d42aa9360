//! The MobileOne of every task's network.

use backbone::{Cost, Form, MobileOne, OutputStride, Spec, TrainForward};
use tch::nn;

use crate::config::BackboneConfig;
use crate::failure::Failure;

/// A configured backbone, ready to be built.
#[derive(Clone, Debug)]
pub struct BackboneBuilder {
    spec: Spec,
    form: Form,
    train_forward: TrainForward,
    output_stride: OutputStride,
}

impl BackboneBuilder {
    /// The backbone of a configuration.
    ///
    /// # Errors
    /// When it does not name one that can be built.
    pub fn new(config: &BackboneConfig) -> Result<Self, Failure> {
        let BackboneConfig { form, train_forward, output_stride, .. } = *config;
        Ok(Self { spec: config.specification()?, form, train_forward, output_stride })
    }

    /// The stride of the last features.
    pub fn output_stride(&self) -> OutputStride {
        self.output_stride
    }

    /// Registers the backbone's weights under `path`. A network in train form has the backbone in its configured form: heads have
    /// normalisation to fold even on a backbone that is trained in deploy form.
    pub fn build(&self, path: &nn::Path, form: Form) -> MobileOne {
        let mut network = MobileOne::new(path, &self.spec, self.form_within(form), self.output_stride);
        network.set_train_forward(self.train_forward);
        network
    }

    /// The cost of the backbone for an input of `size` (height, width) within a network of that form; names start
    /// with `prefix`.
    pub fn cost(&self, form: Form, size: [i64; 2], prefix: &str) -> Cost {
        let mut cost = Cost::of(&self.spec, self.form_within(form), size, self.output_stride);
        cost.rows.iter_mut().for_each(|row| row.name.insert_str(0, prefix));
        cost
    }

    fn form_within(&self, form: Form) -> Form {
        if form == Form::Deploy { Form::Deploy } else { self.form }
    }
}
