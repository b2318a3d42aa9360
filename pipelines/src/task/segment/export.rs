//! Exported segmenters: logits or class ids at the size of the input.

use datasets::segmentation::SegmentationSample;
use datasets::{Mask, Size};
use formats::graph::{Graph, ends};
use heads::deeplabv3::{Output, upsample};
use tch::{Kind, Tensor};

use super::evaluate::mask_of;
use super::{Segment, Segmenter};
use crate::failure::Failure;
use crate::task::export::{check_ids, relative_difference, unexpected_outputs};
use crate::task::{Convention, Export, FinalSteps, OutputKind, Port};

impl Export for Segment {
    fn final_steps(&self, kind: OutputKind) -> FinalSteps {
        let classes = self.classes.len().to_string();
        let (last, port) = match kind {
            OutputKind::Raw => {
                let (shape, meaning) = (["N", &classes, "H", "W"], "a logit for each class at each pixel of the input");
                ("return logits", Port::new("logits", "float32", &shape, meaning))
            }
            OutputKind::Final => {
                let meaning = "at each pixel of the input a place in the list of classes, from 0";
                ("return logits.argmax(1)", Port::new("classes", "int64", &["N", "H", "W"], meaning))
            }
        };
        let body = format!("logits = torch.upsample_bilinear2d(logits, [x.size(2), x.size(3)], False)\n{last}");
        FinalSteps { helpers: String::new(), names: &["logits"], body, outputs: vec![port], fixed_size: false }
    }

    fn ends(&self, _: &Segmenter, kind: OutputKind) -> Result<Graph, formats::Error> {
        match kind {
            OutputKind::Raw => Ok(ends::maps()),
            OutputKind::Final => ends::maps().then(&ends::class_ids()),
        }
    }

    fn outputs_by(&self, convention: Convention, kind: OutputKind) -> Vec<Port> {
        let mut outputs = self.final_steps(kind).outputs;
        for port in &mut outputs {
            match (convention, kind) {
                (Convention::Litert, OutputKind::Raw) => {
                    port.shape = ["N", "H", "W", &self.classes.len().to_string()].map(str::to_owned).to_vec();
                }
                (Convention::Coreml, OutputKind::Final) => "int32".clone_into(&mut port.dtype),
                _ => {}
            }
        }
        outputs
    }

    fn read_by(
        &self,
        convention: Convention,
        outputs: Vec<Tensor>,
        kind: OutputKind,
        _: i64,
    ) -> Result<Vec<Tensor>, Failure> {
        let read = |output: Tensor| match (convention, kind) {
            (Convention::Litert, OutputKind::Raw) if output.dim() == 4 => output.permute([0, 3, 1, 2]),
            (Convention::Coreml, OutputKind::Final) => output.to_kind(Kind::Int64),
            _ => output,
        };
        Ok(outputs.into_iter().map(read).collect())
    }

    fn expected_outputs(
        &self,
        _: &Segmenter,
        output: &Output,
        size: [i64; 2],
        kind: OutputKind,
    ) -> Result<Vec<Tensor>, Failure> {
        let logits = upsample(&output.logits, size)?;
        Ok(vec![match kind {
            OutputKind::Raw => logits,
            OutputKind::Final => logits.argmax(1, false),
        }])
    }

    fn read_outputs(
        &self,
        outputs: &[Tensor],
        kind: OutputKind,
        batch: &[SegmentationSample],
    ) -> Result<Vec<Mask>, Failure> {
        let (images, classes) = (batch.len() as i64, self.classes.len() as i64);
        let (leading, shape) = match kind {
            OutputKind::Raw => (vec![images, classes], format!("[{images}, {classes}, H, W]")),
            OutputKind::Final => (vec![images], format!("[{images}, H, W]")),
        };
        let output = match outputs {
            [output] if output.dim() == leading.len() + 2 && output.size().starts_with(&leading) => output,
            _ => return Err(unexpected_outputs(&shape, outputs)),
        };
        if kind == OutputKind::Final {
            check_ids(output, 0, classes)?;
        }
        let one = |(row, sample): (i64, &SegmentationSample)| {
            let size @ Size { height, width } = sample.mask.size();
            let sides = [height as i64, width as i64];
            let map = output.narrow(0, row, 1);
            let ids = match kind {
                OutputKind::Raw => upsample(&map, sides)?.argmax(1, false),
                OutputKind::Final if map.size()[1..] == sides => map,
                // Ids cannot be averaged: each pixel takes the id of the nearest.
                OutputKind::Final => map.unsqueeze(0).to_kind(Kind::Float).upsample_nearest2d(sides, None, None),
            };
            mask_of(&ids, size)
        };
        (0..).zip(batch).map(one).collect()
    }

    fn difference(
        &self,
        model: &Segmenter,
        (output, size): (&Output, [i64; 2]),
        outputs: &[Tensor],
        kind: OutputKind,
    ) -> Result<f64, Failure> {
        let logits = &self.expected_outputs(model, output, size, OutputKind::Raw)?[0];
        let [found] = outputs else { return Err(unexpected_outputs("one", outputs)) };
        if kind == OutputKind::Raw {
            return relative_difference(logits, found);
        }
        let best = logits.amax(1, true);
        let shape = best.squeeze_dim(1).size();
        if found.size() != shape {
            return Err(unexpected_outputs(&format!("{shape:?}"), outputs));
        }
        check_ids(found, 0, self.classes.len() as i64)?;
        // By how much the logit of the class in the file is below the largest.
        let behind = &best - logits.gather(1, &found.unsqueeze(1), false);
        Ok(behind.max().double_value(&[]) / logits.abs().max().double_value(&[]).max(f64::MIN_POSITIVE))
    }
}
