//! Detections in the forms in which runtimes for phones give them.

use tch::{Device, Kind, Tensor};

use super::Detect;
use crate::failure::Failure;
use crate::task::export::unexpected_outputs;
use crate::task::{Convention, Export, OutputKind, Port};

impl Detect {
    /// The outputs of a file of a convention.
    pub(super) fn ports(&self, convention: Convention, kind: OutputKind) -> Vec<Port> {
        let most = self.head.detections_per_image.to_string();
        match (convention, kind) {
            (Convention::Pytorch, _) | (_, OutputKind::Raw) => self.final_steps(kind).outputs,
            (Convention::Litert, OutputKind::Final) => vec![
                Port::new("boxes", "float32", &["1", &most, "4"], "top, left, bottom, right as shares of the image"),
                Port::new("classes", "float32", &["1", &most], "places in the list of classes, from 0"),
                Port::new("scores", "float32", &["1", &most], "probabilities, the best first"),
                Port::new("count", "float32", &["1"], "the number of detections; rows behind it mean nothing"),
            ],
            (Convention::Coreml, OutputKind::Final) => {
                let classes = self.classes.len().to_string();
                let place = "centre x, centre y, width and height as shares of the image";
                vec![
                    Port::new(
                        "confidence",
                        "float32",
                        &["M", &classes],
                        "the probability of each class, the best box first",
                    ),
                    Port::new("coordinates", "float32", &["M", "4"], place),
                ]
            }
        }
    }

    /// Detections of an image as `TFLite_Detection_PostProcess` gives them.
    pub(super) fn read_litert(&self, outputs: &[Tensor], image: i64) -> Result<Vec<Tensor>, Failure> {
        let expected = "boxes [1, M, 4], classes and scores [1, M], and their number [1]";
        let [boxes, classes, scores, count] = outputs else { return Err(unexpected_outputs(expected, outputs)) };
        let rows = scores.numel() as i64;
        if boxes.size() != [1, rows, 4] || classes.numel() as i64 != rows || count.numel() != 1 {
            return Err(unexpected_outputs(expected, outputs));
        }
        let kept = count.double_value(&[0]).clamp(0.0, rows as f64) as i64;
        let order = Tensor::from_slice(&[1_i64, 0, 3, 2]);
        let boxes = boxes.view([rows, 4]).narrow(0, 0, kept).index_select(1, &order) * self.sides();
        let labels = classes.view([rows]).narrow(0, 0, kept).to_kind(Kind::Int64) + 1;
        Ok(vec![boxes, scores.view([rows]).narrow(0, 0, kept), labels.shallow_clone(), labels.full_like(image)])
    }

    /// Confidences `[M, K]` and coordinates `[M, 4]` of an image: its detections, each of its most probable class, or the boxes and scores of
    /// all anchors.
    pub(super) fn read_coreml(&self, outputs: &[Tensor], kind: OutputKind, image: i64) -> Result<Vec<Tensor>, Failure> {
        let classes = self.classes.len() as i64;
        let expected = format!("confidence [M, {classes}] and coordinates [M, 4]");
        let [confidence, coordinates] = outputs else { return Err(unexpected_outputs(&expected, outputs)) };
        let rows = confidence.size()[0];
        if confidence.size() != [rows, classes] || coordinates.size() != [rows, 4] {
            return Err(unexpected_outputs(&expected, outputs));
        }
        let (centres, half) = (coordinates.narrow(1, 0, 2), coordinates.narrow(1, 2, 2) / 2.0);
        let boxes = Tensor::cat(&[&centres - &half, centres + half], 1) * self.sides();
        if kind == OutputKind::Raw {
            let background = 1.0 - confidence.sum_dim_intlist([1_i64].as_slice(), true, Kind::Float);
            return Ok(vec![
                boxes.unsqueeze(0),
                Tensor::cat(&[background, confidence.shallow_clone()], 1).unsqueeze(0),
            ]);
        }
        let (scores, labels) = match rows {
            0 => (Tensor::zeros([0], (Kind::Float, Device::Cpu)), Tensor::zeros([0], (Kind::Int64, Device::Cpu))),
            _ => confidence.max_dim(1, false),
        };
        let labels = labels + 1;
        Ok(vec![boxes, scores, labels.shallow_clone(), labels.full_like(image)])
    }

    /// Width, height, width, height of the input.
    fn sides(&self) -> Tensor {
        let [height, width] = self.size.sides();
        Tensor::from_slice(&[width, height, width, height]).to_kind(Kind::Float)
    }
}
