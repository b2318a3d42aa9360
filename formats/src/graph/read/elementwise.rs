//! Activations and arithmetic.

use super::call::Call;
use crate::graph::{Binary, Edge, Operation, Unary};
use crate::{Element, Error};

impl Call<'_> {
    /// An elementwise operation; `None` for another operator.
    pub fn elementwise(&mut self) -> Result<Option<Edge>, Error> {
        Ok(Some(match self.operator() {
            "relu" => self.unary(Unary::Relu)?,
            "sigmoid" => self.unary(Unary::Sigmoid)?,
            "tanh" => self.unary(Unary::Tanh)?,
            "exp" => self.unary(Unary::Exp)?,
            "sqrt" => self.unary(Unary::Sqrt)?,
            "neg" => self.unary(Unary::Neg)?,
            "hardswish" => self.unary(Unary::HardSwish)?,
            "relu6" => self.clip(Some(0.0), Some(6.0))?,
            "hardtanh" | "clamp" => self.clip(self.limit(1)?, self.limit(2)?)?,
            "clamp_min" => self.clip(Some(self.float(1)?), None)?,
            "clamp_max" => self.clip(None, Some(self.float(1)?))?,
            "silu" => {
                let xs = self.tensor(0)?;
                let gate = self.draft.like(Operation::Unary(Unary::Sigmoid), &[xs]);
                self.pair_of(Binary::Mul, xs, gate)
            }
            "hardsigmoid" => {
                let xs = self.tensor(0)?;
                let three = self.number(3.0, Element::F32);
                let raised = self.pair_of(Binary::Add, xs, three);
                let clipped = self.draft.like(Operation::Clip { low: Some(0.0), high: Some(6.0) }, &[raised]);
                self.times(clipped, 1.0 / 6.0)
            }
            "gelu" => self.gelu()?,
            "layer_norm" => self.layer_norm()?,
            "softmax" => {
                self.require(self.is_none(2) || self.int(2)? == FLOAT, 2, "None or float")?;
                let xs = self.tensor(0)?;
                let axis = self.axis(1, self.draft.rank(xs))?;
                self.draft.like(Operation::Softmax(axis), &[xs])
            }
            "add" => self.sum(Binary::Add)?,
            "sub" => self.sum(Binary::Sub)?,
            "mul" => self.binary(Binary::Mul)?,
            "div" => {
                self.require(self.is_none(2), 2, "None (no rounding)")?;
                self.binary(Binary::Div)?
            }
            "minimum" => self.binary(Binary::Min)?,
            "maximum" => self.binary(Binary::Max)?,
            "mean" => self.mean()?,
            "argmax" => self.argmax()?,
            _ => return Ok(None),
        }))
    }

    fn unary(&mut self, function: Unary) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        Ok(self.draft.like(Operation::Unary(function), &[xs]))
    }

    fn pair_of(&mut self, function: Binary, left: Edge, right: Edge) -> Edge {
        self.draft.like(Operation::Binary(function), &[left, right])
    }

    fn binary(&mut self, function: Binary) -> Result<Edge, Error> {
        let left = self.tensor(0)?;
        let right = self.operand(1, left)?;
        Ok(self.pair_of(function, left, right))
    }

    /// The third argument multiplies the second.
    fn sum(&mut self, function: Binary) -> Result<Edge, Error> {
        let left = self.tensor(0)?;
        let mut right = self.operand(1, left)?;
        if self.len() > 2 && self.float(2)? != 1.0 {
            let factor = self.operand(2, left)?;
            right = self.pair_of(Binary::Mul, right, factor);
        }
        Ok(self.pair_of(function, left, right))
    }

    fn limit(&self, index: usize) -> Result<Option<f64>, Error> {
        if self.is_none(index) { Ok(None) } else { self.float(index).map(Some) }
    }

    fn clip(&mut self, low: Option<f64>, high: Option<f64>) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        Ok(self.draft.like(Operation::Clip { low, high }, &[xs]))
    }

    fn gelu(&mut self) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        let inner = match self.text(1) {
            Some("none") | None => return Ok(self.draft.like(Operation::Unary(Unary::Gelu), &[xs])),
            Some("tanh") => {
                let square = self.pair_of(Binary::Mul, xs, xs);
                let cube = self.pair_of(Binary::Mul, square, xs);
                let share = self.times(cube, 0.044_715);
                let sum = self.pair_of(Binary::Add, xs, share);
                let scaled = self.times(sum, (2.0 / std::f64::consts::PI).sqrt());
                self.draft.like(Operation::Unary(Unary::Tanh), &[scaled])
            }
            Some(_) => return Err(self.unfit(1, "none or tanh")),
        };
        let one = self.number(1.0, Element::F32);
        let gate = self.pair_of(Binary::Add, inner, one);
        let product = self.pair_of(Binary::Mul, xs, gate);
        Ok(self.times(product, 0.5))
    }

    /// Over the last axis, with a factor and a shift.
    fn layer_norm(&mut self) -> Result<Edge, Error> {
        self.require(self.ints(1)?.len() == 1, 1, "the last dimension")?;
        let xs = self.tensor(0)?;
        let axes = vec![self.draft.rank(xs) - 1];
        let mean = self.draft.like(Operation::Mean { axes: axes.clone(), keep: true }, &[xs]);
        let centred = self.pair_of(Binary::Sub, xs, mean);
        let square = self.pair_of(Binary::Mul, centred, centred);
        let variance = self.draft.like(Operation::Mean { axes, keep: true }, &[square]);
        let eps = self.number(self.float(4)?, Element::F32);
        let variance = self.pair_of(Binary::Add, variance, eps);
        let deviation = self.draft.like(Operation::Unary(Unary::Sqrt), &[variance]);
        let normal = self.pair_of(Binary::Div, centred, deviation);
        let (factor, shift) = (self.tensor(2)?, self.tensor(3)?);
        let scaled = self.pair_of(Binary::Mul, normal, factor);
        Ok(self.pair_of(Binary::Add, scaled, shift))
    }

    fn times(&mut self, xs: Edge, factor: f64) -> Edge {
        let factor = self.number(factor, Element::F32);
        self.pair_of(Binary::Mul, xs, factor)
    }

    fn mean(&mut self) -> Result<Edge, Error> {
        self.require(self.is_none(3) || self.int(3)? == FLOAT, 3, "None or float")?;
        let xs = self.tensor(0)?;
        let rank = self.draft.rank(xs);
        let axes: Vec<usize> =
            self.ints(1)?.iter().map(|&dim| self.axis_of(dim, 1, rank)).collect::<Result<_, Error>>()?;
        let keep = self.bool(2)?;
        let left = if keep { rank } else { rank - axes.len() };
        Ok(self.draft.node(Operation::Mean { axes, keep }, &[xs], Element::F32, left))
    }

    fn argmax(&mut self) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        let rank = self.draft.rank(xs);
        let (axis, keep) = (self.axis(1, rank)?, self.bool(2)?);
        let left = if keep { rank } else { rank - 1 };
        Ok(self.draft.node(Operation::ArgMax { axis, keep }, &[xs], Element::I64, left))
    }
}

/// The number of 32-bit floating point in libtorch.
pub(super) const FLOAT: i64 = 6;
