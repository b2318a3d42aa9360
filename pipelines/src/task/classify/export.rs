//! Logits or probabilities from an exported classifier.

use datasets::classification::ClassificationSample;
use formats::graph::{Graph, ends};
use tch::{Kind, Tensor};

use super::{Classify, ImageClassifier};
use crate::failure::Failure;
use crate::task::export::{relative_difference, unexpected_outputs};
use crate::task::{Convention, Export, FinalSteps, OutputKind, Port};

impl Export for Classify {
    fn final_steps(&self, kind: OutputKind) -> FinalSteps {
        let shape = ["N", &self.classes.len().to_string()];
        let (body, port) = match kind {
            OutputKind::Raw => ("return logits", Port::new("logits", "float32", &shape, "a logit for each class")),
            OutputKind::Final => {
                let meaning = "the probability of each class";
                ("return torch.softmax(logits, 1)", Port::new("probabilities", "float32", &shape, meaning))
            }
        };
        let (helpers, body) = (String::new(), body.to_owned());
        FinalSteps { helpers, names: &["logits"], body, outputs: vec![port], fixed_size: true }
    }

    fn ends(&self, _: &ImageClassifier, kind: OutputKind) -> Result<Graph, formats::Error> {
        Ok(match kind {
            OutputKind::Raw => ends::nothing(),
            OutputKind::Final => ends::probabilities(),
        })
    }

    fn outputs_by(&self, convention: Convention, kind: OutputKind) -> Vec<Port> {
        match (convention, kind) {
            (Convention::Coreml, OutputKind::Final) => vec![
                Port::new("classLabel", "string", &[], "the name of the most probable class"),
                Port::new(
                    "classLabel_probs",
                    "dictionary",
                    &[&self.classes.len().to_string()],
                    "the probability of each class by its name",
                ),
            ],
            _ => self.final_steps(kind).outputs,
        }
    }

    fn read_by(
        &self,
        convention: Convention,
        mut outputs: Vec<Tensor>,
        kind: OutputKind,
        _: i64,
    ) -> Result<Vec<Tensor>, Failure> {
        if (convention, kind) == (Convention::Coreml, OutputKind::Final) && outputs.len() == 2 {
            // The label follows from the probabilities.
            return Ok(outputs.split_off(1));
        }
        Ok(outputs)
    }

    fn expected_outputs(
        &self,
        _: &ImageClassifier,
        logits: &Tensor,
        _: [i64; 2],
        kind: OutputKind,
    ) -> Result<Vec<Tensor>, Failure> {
        Ok(vec![match kind {
            OutputKind::Raw => logits.shallow_clone(),
            OutputKind::Final => logits.softmax(1, Kind::Float),
        }])
    }

    fn read_outputs(
        &self,
        outputs: &[Tensor],
        kind: OutputKind,
        batch: &[ClassificationSample],
    ) -> Result<Vec<Vec<f32>>, Failure> {
        let shape = [batch.len() as i64, self.classes.len() as i64];
        let scores = match outputs {
            [scores] if scores.size() == shape => scores.to_kind(Kind::Float),
            _ => return Err(unexpected_outputs(&format!("{shape:?}"), outputs)),
        };
        let logits = match kind {
            OutputKind::Raw => scores,
            // The logarithm of a probability is a logit. One that is too small for a number becomes the smallest.
            OutputKind::Final => scores.clamp_min(f64::from(f32::MIN_POSITIVE)).log(),
        };
        Vec::<Vec<f32>>::try_from(logits).map_err(Failure::failed)
    }

    fn difference(
        &self,
        model: &ImageClassifier,
        (logits, size): (&Tensor, [i64; 2]),
        outputs: &[Tensor],
        kind: OutputKind,
    ) -> Result<f64, Failure> {
        let [found] = outputs else { return Err(unexpected_outputs("one", outputs)) };
        relative_difference(&self.expected_outputs(model, logits, size, kind)?[0], found)
    }
}
