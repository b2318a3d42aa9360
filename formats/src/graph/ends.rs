//! What follows a network in a file, as graphs of their own: their inputs are the network's outputs and, behind these, its images.

use tch::{Device, Kind, Tensor};

use super::{Binary, Draft, Edge, Graph, Operation, Unary, Weight};
use crate::{Element, Error};

/// The largest logarithm of a ratio of sides that is decoded: a box is at most 1000 / 16 times its anchor, as in torchvision.
const MAX_LOG_RATIO: f64 = 4.135_166_556_742_356;

/// What the offsets of a detector refer to.
#[derive(Debug, Clone, Copy)]
pub struct Decoding<'a> {
    /// The anchors as corners `x1, y1, x2, y2` in pixels of the input, in the order of the predictions.
    pub anchors: &'a [[f32; 4]],
    /// What the offsets (centre x, centre y, log width, log height) were multiplied by.
    pub weights: [f32; 4],
    /// Height and width of the input in pixels; boxes are clipped to it.
    pub size: [i64; 2],
    /// Number of classes without the background.
    pub classes: usize,
}

/// The limits of non-maximum suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suppression {
    /// Detections need a higher score than this, rounded to 32 bits.
    pub score_threshold: f64,
    /// Overlap above which the weaker of two boxes of a class is dropped.
    pub iou_threshold: f64,
    /// How many boxes of each class and image, at most, go into the suppression: the best.
    pub topk_candidates: usize,
    /// How many detections of each image are returned, at most.
    pub detections_per_image: usize,
}

impl Suppression {
    /// # Errors
    /// [`Error::Value`] where a threshold is not from 0 to 1 or a limit is 0.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (what, threshold) in [("score", self.score_threshold), ("overlap", self.iou_threshold)] {
            if !(0.0..=1.0).contains(&threshold) {
                return Err(Error::value(format!("the {what} threshold"), "from 0 to 1", threshold.to_string()));
            }
        }
        for (what, limit) in
            [("`topk_candidates`", self.topk_candidates), ("`detections_per_image`", self.detections_per_image)]
        {
            if limit == 0 {
                return Err(Error::value(what, "at least 1", "0"));
            }
        }
        Ok(())
    }
}

/// A network's output of rank 2 as it is.
pub fn nothing() -> Graph {
    let mut draft = Draft::default();
    let output = draft.edge(Element::F32, 2);
    draft.finish(vec![output], vec![output])
}

/// Probabilities `[N, K]` of logits `[N, K]`.
pub fn probabilities() -> Graph {
    let mut draft = Draft::default();
    let logits = draft.edge(Element::F32, 2);
    let output = draft.like(Operation::Softmax(1), &[logits]);
    draft.finish(vec![logits], vec![output])
}

/// Maps `[N, K, h, w]` at the size of the images, bilinear, `align_corners=False`: `[N, K, H, W]`.
pub fn maps() -> Graph {
    let mut draft = Draft { scope: "upsample".to_owned(), ..Draft::default() };
    let inputs = vec![draft.edge(Element::F32, 4), draft.edge(Element::F32, 4)];
    let output = draft.like(Operation::ResizeAs, &inputs);
    draft.finish(inputs, vec![output])
}

/// The class with the largest number at each pixel of `[N, K, H, W]`, of equal ones the first: int64 `[N, H, W]`.
pub fn class_ids() -> Graph {
    let mut draft = Draft { scope: "class_ids".to_owned(), ..Draft::default() };
    let maps = draft.edge(Element::F32, 4);
    let output = draft.node(Operation::ArgMax { axis: 1, keep: false }, &[maps], Element::I64, 3);
    draft.finish(vec![maps], vec![output])
}

impl Decoding<'_> {
    /// Boxes, corners in pixels of the input and within it (`[N, A, 4]`), and probabilities (`[N, A, classes + 1]`, background first) of
    /// logits and offsets, as torchvision decodes them.
    ///
    /// # Errors
    /// [`Error::Value`] where there is no anchor or class, or a weight or side is not above zero.
    pub fn graph(&self) -> Result<Graph, Error> {
        self.check()?;
        let mut draft = Draft { scope: "decode".to_owned(), ..Draft::default() };
        let inputs = vec![draft.edge(Element::F32, 3), draft.edge(Element::F32, 3)];
        let scores = draft.like(Operation::Softmax(2), &inputs[..1]);
        let [centres, sides] = self.extents();
        let count = self.anchors.len() as i64;
        let centres = draft.constant("anchor_centres", &centres, &[count, 2]);
        let sides = draft.constant("anchor_sides", &sides, &[count, 2]);
        let weights = draft.constant("box_weights", &self.weights, &[4]);
        let half = draft.constant("half", &[0.5], &[]);
        let [height, width] = self.size.map(|side| side as f32);
        let limits = draft.constant("limits", &[width, height, width, height], &[4]);

        let binary = |draft: &mut Draft, function, pair: [Edge; 2]| draft.like(Operation::Binary(function), &pair);
        let deltas = binary(&mut draft, Binary::Div, [inputs[1], weights]);
        let part = |start, end| Operation::Slice { axis: 2, start, end, step: 1 };
        let (moves, ratios) = (draft.like(part(0, 2), &[deltas]), draft.like(part(2, 4), &[deltas]));
        let moved = binary(&mut draft, Binary::Mul, [moves, sides]);
        let centres = binary(&mut draft, Binary::Add, [moved, centres]);
        let ratios = draft.like(Operation::Clip { low: None, high: Some(MAX_LOG_RATIO) }, &[ratios]);
        let ratios = draft.like(Operation::Unary(Unary::Exp), &[ratios]);
        let grown = binary(&mut draft, Binary::Mul, [ratios, sides]);
        let half = binary(&mut draft, Binary::Mul, [grown, half]);
        let low = binary(&mut draft, Binary::Sub, [centres, half]);
        let high = binary(&mut draft, Binary::Add, [centres, half]);
        let boxes = draft.like(Operation::Concat(2), &[low, high]);
        let boxes = draft.like(Operation::Clip { low: Some(0.0), high: None }, &[boxes]);
        let boxes = binary(&mut draft, Binary::Min, [boxes, limits]);
        Ok(draft.finish(inputs, vec![boxes, scores]))
    }

    fn check(&self) -> Result<(), Error> {
        for (what, count) in [("anchors", self.anchors.len()), ("classes", self.classes)] {
            if count == 0 {
                return Err(Error::value(format!("the number of {what}"), "at least 1", "0"));
            }
        }
        if let Some(weight) = self.weights.iter().find(|&&weight| weight <= 0.0 || !weight.is_finite()) {
            return Err(Error::value("a weight of the offsets", "above zero", weight.to_string()));
        }
        match self.size.iter().find(|&&side| side < 1) {
            Some(side) => Err(Error::value("a side of the input", "at least 1", side.to_string())),
            None => Ok(()),
        }
    }

    /// Centres and sides of the anchors, row by row.
    fn extents(&self) -> [Vec<f32>; 2] {
        let sides = |&[x1, y1, x2, y2]: &[f32; 4]| [x2 - x1, y2 - y1];
        let centres = |anchor: &[f32; 4]| {
            let [width, height] = sides(anchor);
            [anchor[0] + 0.5 * width, anchor[1] + 0.5 * height]
        };
        [self.anchors.iter().flat_map(centres).collect(), self.anchors.iter().flat_map(sides).collect()]
    }
}

impl Draft {
    fn constant(&mut self, name: &str, values: &[f32], shape: &[i64]) -> Edge {
        let tensor = Tensor::from_slice(values).to_kind(Kind::Float).to_device(Device::Cpu).view(shape);
        // A number has no name of its own.
        let name = if shape.is_empty() { String::new() } else { name.to_owned() };
        self.node(Operation::Constant(Weight { name, tensor }), &[], Element::F32, shape.len())
    }

    fn finish(self, inputs: Vec<Edge>, outputs: Vec<Edge>) -> Graph {
        Graph { inputs, outputs, nodes: self.nodes, edges: self.edges, half: false }
    }
}

impl Graph {
    /// This graph and another one behind it, whose inputs are this one's outputs and, where it has more, this one's inputs.
    ///
    /// # Errors
    /// [`Error::Value`] where it has more inputs than that.
    pub fn then(&self, behind: &Self) -> Result<Self, Error> {
        let given: Vec<Edge> = self.outputs.iter().chain(&self.inputs).copied().collect();
        if behind.inputs.len() > given.len() {
            let (expected, found) = (given.len().to_string(), behind.inputs.len().to_string());
            return Err(Error::value(
                "the number of inputs of what follows a network",
                format!("at most {expected}"),
                found,
            ));
        }
        let mut joined = self.clone();
        let mut place: Vec<Option<Edge>> = vec![None; behind.edges.len()];
        for (edge, given) in behind.inputs.iter().zip(given) {
            place[edge.0] = Some(given);
        }
        for (index, facts) in behind.edges.iter().enumerate() {
            if place[index].is_none() {
                joined.edges.push(facts.clone());
                place[index] = Some(Edge(joined.edges.len() - 1));
            }
        }
        let at = |edge: Edge| place[edge.0].expect("every edge has a place");
        for node in &behind.nodes {
            let mut node = node.clone();
            node.inputs = node.inputs.into_iter().map(at).collect();
            node.output = at(node.output);
            joined.nodes.push(node);
        }
        joined.outputs = behind.outputs.iter().map(|&edge| at(edge)).collect();
        Ok(joined)
    }
}
