//! Activations and arithmetic.

use super::call::Call;
use crate::onnx::{Error, Value, graph::Setting};

impl Call<'_> {
    /// The translation of an elementwise operation; `None` for another operator.
    pub fn elementwise(&mut self) -> Result<Option<Value>, Error> {
        Ok(Some(match self.operator() {
            "relu" => self.unary("Relu")?,
            "sigmoid" => self.unary("Sigmoid")?,
            "tanh" => self.unary("Tanh")?,
            "exp" => self.unary("Exp")?,
            "sqrt" => self.unary("Sqrt")?,
            "neg" => self.unary("Neg")?,
            "hardswish" => self.unary("HardSwish")?,
            "relu6" => {
                let xs = self.tensor(0)?;
                self.clip(&xs, Some(0.0), Some(6.0))
            }
            "hardtanh" | "clamp" => {
                let xs = self.tensor(0)?;
                let (low, high) = (self.limit(1)?, self.limit(2)?);
                self.clip(&xs, low, high)
            }
            "clamp_min" => {
                let xs = self.tensor(0)?;
                let low = self.float(1)?;
                self.clip(&xs, Some(low), None)
            }
            "clamp_max" => {
                let xs = self.tensor(0)?;
                let high = self.float(1)?;
                self.clip(&xs, None, Some(high))
            }
            "silu" => {
                let xs = self.tensor(0)?;
                let gate = self.builder.map("Sigmoid", &[&xs]);
                self.builder.map("Mul", &[&xs, &gate])
            }
            "gelu" => self.gelu()?,
            "softmax" => {
                self.require(self.is_none(2) || self.int(2)? == FLOAT, 2, "None or float")?;
                let xs = self.tensor(0)?;
                let axis = self.axis(1, xs.rank)?;
                self.builder.softmax(&xs, axis as i64)
            }
            "add" => self.sum("Add")?,
            "sub" => self.sum("Sub")?,
            "mul" => self.binary("Mul")?,
            "div" => {
                self.require(self.is_none(2), 2, "None (no rounding)")?;
                self.binary("Div")?
            }
            "minimum" => self.binary("Min")?,
            "maximum" => self.binary("Max")?,
            "mean" => self.mean()?,
            "argmax" => self.argmax()?,
            _ => return Ok(None),
        }))
    }

    fn unary(&mut self, operator: &str) -> Result<Value, Error> {
        let xs = self.tensor(0)?;
        Ok(self.builder.map(operator, &[&xs]))
    }

    fn binary(&mut self, operator: &str) -> Result<Value, Error> {
        let left = self.tensor(0)?;
        let right = self.operand(1, &left)?;
        Ok(self.builder.map(operator, &[&left, &right]))
    }

    /// The third argument multiplies the second.
    fn sum(&mut self, operator: &str) -> Result<Value, Error> {
        let left = self.tensor(0)?;
        let mut right = self.operand(1, &left)?;
        if self.len() > 2 && self.float(2)? != 1.0 {
            let factor = self.operand(2, &left)?;
            right = self.builder.map("Mul", &[&right, &factor]);
        }
        Ok(self.builder.map(operator, &[&left, &right]))
    }

    fn limit(&self, index: usize) -> Result<Option<f64>, Error> {
        if self.is_none(index) { Ok(None) } else { self.float(index).map(Some) }
    }

    fn clip(&mut self, xs: &Value, low: Option<f64>, high: Option<f64>) -> Value {
        self.builder.clip(xs, low, high)
    }

    fn gelu(&mut self) -> Result<Value, Error> {
        let xs = self.tensor(0)?;
        let element = xs.element;
        let inner = match self.text(1) {
            Some("none") | None => {
                let factor = self.builder.number("factor", std::f64::consts::FRAC_1_SQRT_2, element);
                let scaled = self.builder.map("Mul", &[&xs, &factor]);
                self.builder.map("Erf", &[&scaled])
            }
            Some("tanh") => {
                let cubic = self.builder.number("cubic", 0.044_715, element);
                let factor = self.builder.number("factor", (2.0 / std::f64::consts::PI).sqrt(), element);
                let square = self.builder.map("Mul", &[&xs, &xs]);
                let cube = self.builder.map("Mul", &[&square, &xs]);
                let share = self.builder.map("Mul", &[&cube, &cubic]);
                let sum = self.builder.map("Add", &[&xs, &share]);
                let scaled = self.builder.map("Mul", &[&sum, &factor]);
                self.builder.map("Tanh", &[&scaled])
            }
            Some(_) => return Err(self.unfit(1, "none or tanh")),
        };
        let (one, half) = (self.builder.number("one", 1.0, element), self.builder.number("half", 0.5, element));
        let gate = self.builder.map("Add", &[&inner, &one]);
        let product = self.builder.map("Mul", &[&xs, &gate]);
        Ok(self.builder.map("Mul", &[&product, &half]))
    }

    fn mean(&mut self) -> Result<Value, Error> {
        self.require(self.is_none(3) || self.int(3)? == FLOAT, 3, "None or float")?;
        let xs = self.tensor(0)?;
        let axes = self.ints(1)?;
        let axes =
            axes.iter().map(|&dim| Ok(self.axis_of(dim, 1, xs.rank)? as i64)).collect::<Result<Vec<_>, Error>>()?;
        let keep = self.bool(2)?;
        let rank = if keep { xs.rank } else { xs.rank - axes.len() };
        let settings = [("axes", Setting::Ints(&axes)), ("keepdims", Setting::Int(keep.into()))];
        Ok(self.builder.node("ReduceMean", &[&xs], &settings, (xs.element, rank)))
    }

    fn argmax(&mut self) -> Result<Value, Error> {
        let xs = self.tensor(0)?;
        let (axis, keep) = (self.axis(1, xs.rank)?, self.bool(2)?);
        let rank = if keep { xs.rank } else { xs.rank - 1 };
        let settings = [("axis", Setting::Int(axis as i64)), ("keepdims", Setting::Int(keep.into()))];
        Ok(self.builder.node("ArgMax", &[&xs], &settings, (crate::onnx::Element::I64, rank)))
    }
}

/// The number of 32-bit floating point in libtorch.
pub(super) const FLOAT: i64 = 6;
