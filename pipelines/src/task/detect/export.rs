//! Exported detectors: decoded boxes, suppression within each class, and the best detections.

use datasets::DetectionSample;
use formats::graph::Graph;
use formats::graph::ends::{Decoding, Suppression};
use heads::ssdlite::{Decoded, Detections, Predictions, select};
use tch::{Kind, Tensor};

use super::{Detect, Detector, comparison, suppression};
use crate::failure::Failure;
use crate::task::export::{check_ids, relative_difference, unexpected_outputs};
use crate::task::{Convention, Export, FinalSteps, OutputKind, Port};

impl Export for Detect {
    fn decode(&self, model: &Detector, output: &Predictions) -> Result<Vec<Tensor>, Failure> {
        let Decoded { scores, boxes } = model.head.decode(output)?;
        Ok(vec![boxes, scores])
    }

    fn export_buffers(&self, model: &Detector) -> Vec<(String, Tensor)> {
        model.head.constants()
    }

    fn final_steps(&self, kind: OutputKind) -> FinalSteps {
        let names = &["boxes", "scores"];
        match kind {
            OutputKind::Raw => {
                let columns = (self.classes.len() + 1).to_string();
                let boxes = "corners x1, y1, x2, y2 in pixels of the input, one box an anchor";
                let scores = "probabilities of the classes, background first";
                let outputs = vec![
                    Port::new("boxes", "float32", &["N", "A", "4"], boxes),
                    Port::new("scores", "float32", &["N", "A", &columns], scores),
                ];
                let (helpers, body) = (String::new(), "return boxes, scores".to_owned());
                FinalSteps { helpers, names, body, outputs, fixed_size: true }
            }
            OutputKind::Final => {
                let (helpers, body) = suppression::script(&self.head);
                let outputs = vec![
                    Port::new("boxes", "float32", &["M", "4"], "corners x1, y1, x2, y2 in pixels of the input"),
                    Port::new("scores", "float32", &["M"], "probabilities, within an image the best first"),
                    Port::new("labels", "int64", &["M"], "places in the list of classes, from 1"),
                    Port::new("image_index", "int64", &["M"], "which image of the batch, from 0"),
                ];
                FinalSteps { helpers, names, body, outputs, fixed_size: true }
            }
        }
    }

    fn ends(&self, model: &Detector, _: OutputKind) -> Result<Graph, formats::Error> {
        let decoding = Decoding {
            anchors: model.head.anchors().boxes(),
            weights: model.head.coder().weights(),
            size: self.size.sides(),
            classes: self.classes.len(),
        };
        decoding.graph()
    }

    fn outputs_by(&self, convention: Convention, kind: OutputKind) -> Vec<Port> {
        self.ports(convention, kind)
    }

    fn read_by(
        &self,
        convention: Convention,
        outputs: Vec<Tensor>,
        kind: OutputKind,
        image: i64,
    ) -> Result<Vec<Tensor>, Failure> {
        match (convention, kind) {
            (Convention::Litert, OutputKind::Final) => self.read_litert(&outputs, image),
            // A program without its suppression gives confidences, too.
            (Convention::Coreml, _) if outputs.first().is_some_and(|first| first.dim() == 2) => {
                self.read_coreml(&outputs, kind, image)
            }
            _ => Ok(outputs),
        }
    }

    fn suppression(&self, kind: OutputKind) -> Option<Suppression> {
        (kind == OutputKind::Final).then_some(Suppression {
            score_threshold: self.head.score_threshold,
            iou_threshold: self.head.nms_threshold,
            topk_candidates: self.head.topk_candidates,
            detections_per_image: self.head.detections_per_image,
        })
    }

    fn expected_outputs(
        &self,
        model: &Detector,
        output: &Predictions,
        _: [i64; 2],
        kind: OutputKind,
    ) -> Result<Vec<Tensor>, Failure> {
        match kind {
            OutputKind::Raw => self.decode(model, output),
            OutputKind::Final => Ok(as_outputs(&model.head.detect(output)?)),
        }
    }

    fn read_outputs(
        &self,
        outputs: &[Tensor],
        kind: OutputKind,
        batch: &[DetectionSample],
    ) -> Result<Vec<Detections>, Failure> {
        self.read(outputs, kind, batch.len())
    }

    fn difference(
        &self,
        model: &Detector,
        (output, _): (&Predictions, [i64; 2]),
        outputs: &[Tensor],
        kind: OutputKind,
    ) -> Result<f64, Failure> {
        if kind == OutputKind::Raw {
            let [boxes, scores] = outputs else { return Err(unexpected_outputs("boxes and scores", outputs)) };
            let expected = self.decode(model, output)?;
            return Ok(relative_difference(&expected[0], boxes)?.max(relative_difference(&expected[1], scores)?));
        }
        let expected = model.head.detect(output)?;
        let found = self.read(outputs, kind, expected.len())?;
        let pairs = expected.iter().zip(&found);
        Ok(pairs
            .map(|(expected, found)| comparison::difference(expected, found, &self.head, self.size))
            .fold(0.0, f64::max))
    }
}

impl Detect {
    /// The detections in each of `images` images.
    pub(super) fn read(&self, outputs: &[Tensor], kind: OutputKind, images: usize) -> Result<Vec<Detections>, Failure> {
        match kind {
            OutputKind::Raw => self.read_raw(outputs, images),
            OutputKind::Final => self.read_final(outputs, images),
        }
    }

    fn read_raw(&self, outputs: &[Tensor], images: usize) -> Result<Vec<Detections>, Failure> {
        let [boxes, scores] = outputs else { return Err(unexpected_outputs("boxes and scores", outputs)) };
        let [images, columns] = [images as i64, self.classes.len() as i64 + 1];
        if !matches!(scores.size()[..], [n, _, last] if (n, last) == (images, columns)) {
            return Err(unexpected_outputs(&format!("scores [{images}, anchors, {columns}]"), outputs));
        }
        let decoded = Decoded { scores: scores.shallow_clone(), boxes: boxes.shallow_clone() };
        select(&decoded, &self.head).map_err(Failure::failed)
    }

    fn read_final(&self, outputs: &[Tensor], images: usize) -> Result<Vec<Detections>, Failure> {
        let expected = "boxes [M, 4], scores, labels and image_index [M]";
        let [boxes, scores, labels, indices] = outputs else { return Err(unexpected_outputs(expected, outputs)) };
        let count = scores.numel() as i64;
        if boxes.size() != [count, 4] || [scores, labels, indices].iter().any(|output| output.size() != [count]) {
            return Err(unexpected_outputs(expected, outputs));
        }
        check_ids(labels, 1, self.classes.len() as i64 + 1)?;
        let flat = boxes.to_kind(Kind::Float).contiguous().view(-1);
        let flat = Vec::<f32>::try_from(flat)?;
        let scores = Vec::<f32>::try_from(scores.to_kind(Kind::Float))?;
        let integers = |numbers: &Tensor| Vec::<i64>::try_from(numbers.to_kind(Kind::Int64)).map_err(Failure::failed);
        let (labels, indices) = (integers(labels)?, integers(indices)?);
        let (corners, _) = flat.as_chunks::<4>();
        let mut detections = vec![Detections::default(); images];
        for ((corners, score), (label, index)) in corners.iter().zip(scores).zip(labels.into_iter().zip(indices)) {
            let Some(image) = usize::try_from(index).ok().and_then(|index| detections.get_mut(index)) else {
                return Err(Failure::failed(format!("an output names image {index} of {images}")));
            };
            image.boxes.push(*corners);
            image.scores.push(score);
            image.labels.push(label);
        }
        Ok(detections)
    }
}

/// Detections in the shape of an exported file's outputs.
fn as_outputs(images: &[Detections]) -> Vec<Tensor> {
    let boxes: Vec<f32> = images.iter().flat_map(|image| image.boxes.as_flattened().iter().copied()).collect();
    let scores: Vec<f32> = images.iter().flat_map(|image| image.scores.iter().copied()).collect();
    let labels: Vec<i64> = images.iter().flat_map(|image| image.labels.iter().copied()).collect();
    let indices = (0i64..).zip(images).flat_map(|(index, image)| vec![index; image.labels.len()]);
    let indices: Vec<i64> = indices.collect();
    vec![
        Tensor::from_slice(&boxes).view([-1, 4]),
        Tensor::from_slice(&scores),
        Tensor::from_slice(&labels),
        Tensor::from_slice(&indices),
    ]
}
