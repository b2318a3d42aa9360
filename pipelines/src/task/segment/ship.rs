//! What an exported segmenter does after its network: logits or class ids at the size of its input.

use datasets::segmentation::SegmentationSample;
use datasets::{Mask, Size};
use formats::onnx::{self, Dim};
use heads::deeplabv3::upsample;
use tch::{Kind, Tensor};

use super::mask_of;
use crate::failure::Failure;
use crate::task::{OnnxGraph, Port, Shipped, foreign_outputs, relative_difference};

/// In TorchScript.
pub(super) fn segmenter(classes: usize, raw: bool) -> Shipped {
    let classes = classes.to_string();
    let upsampled = "logits = torch.upsample_bilinear2d(logits, [x.size(2), x.size(3)], False)";
    let (last, port) = if raw {
        let shape = ["N", &classes, "H", "W"];
        ("return logits", Port::new("logits", "float32", &shape, "a logit for each class at each pixel of the input"))
    } else {
        let meaning = "at each pixel of the input a place in the list of classes, from 0";
        ("return logits.argmax(1)", Port::new("classes", "int64", &["N", "H", "W"], meaning))
    };
    let body = format!("{upsampled}\n{last}");
    Shipped { helpers: String::new(), names: &["logits"], body, outputs: vec![port], fixed_size: false }
}

/// The outputs as masks of the samples' sizes.
pub(super) fn read(outputs: &[Tensor], raw: bool, batch: &[SegmentationSample]) -> Result<Vec<Mask>, Failure> {
    let ([output], rank) = (outputs, if raw { 4 } else { 3 }) else {
        return Err(foreign_outputs("one for each pixel", outputs));
    };
    if output.dim() != rank || output.size()[0] != batch.len() as i64 {
        return Err(foreign_outputs("one for each pixel", outputs));
    }
    let one = |(row, sample): (i64, &SegmentationSample)| {
        let size @ Size { height, width } = sample.mask.size();
        let sides = [height as i64, width as i64];
        let map = output.narrow(0, row, 1);
        let ids = if raw {
            upsample(&map, sides).map_err(Failure::failed)?.argmax(1, false)
        } else if map.size()[1..] == sides {
            map
        } else {
            // Ids cannot be blended: each pixel takes the id of the nearest.
            map.unsqueeze(0).to_kind(Kind::Float).upsample_nearest2d(sides, None, None)
        };
        mask_of(&ids, size)
    };
    (0..).zip(batch).map(one).collect()
}

/// In ONNX.
pub(super) fn onnx(classes: usize, graph: &mut OnnxGraph<'_>, raw: bool) -> Result<(), onnx::Error> {
    let OnnxGraph { builder, numbers, images, layout, batch, sides: [height, width] } = graph;
    let logits = builder.upsample_to(&numbers[0], images, *layout);
    let (batch, height, width) = (batch.clone(), height.clone(), width.clone());
    if raw {
        return builder.output("logits", &logits, &[batch, Dim::Fixed(classes as i64), height, width]);
    }
    let ids = builder.class_ids(&logits);
    builder.output("classes", &ids, &[batch, height, width])
}

/// How far the outputs are from the network's own `logits` at the size of its input.
pub(super) fn difference(logits: &Tensor, outputs: &[Tensor], raw: bool) -> Result<f64, Failure> {
    let [found] = outputs else { return Err(foreign_outputs("one for each pixel", outputs)) };
    if raw {
        return relative_difference(logits, found);
    }
    let best = logits.amax(1, true);
    if found.size() != best.squeeze_dim(1).size() {
        return Err(foreign_outputs("a class for each pixel", outputs));
    }
    // By how much the class that the file chose is behind the best one.
    let behind = &best - logits.gather(1, &found.unsqueeze(1), false);
    Ok(behind.max().double_value(&[]) / logits.abs().max().double_value(&[]).max(f64::MIN_POSITIVE))
}
