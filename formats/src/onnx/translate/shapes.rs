//! Changes of shape.

use super::{call::Call, elementwise::FLOAT};
use crate::onnx::{Element, Error, Value, graph::Setting};

impl Call<'_> {
    /// The translation of a change of shape, or of an operation that is the identity outside of training; `None` for another
    /// operator.
    pub fn shape(&mut self) -> Result<Option<Value>, Error> {
        Ok(Some(match self.operator() {
            "contiguous" | "detach" | "clone" | "alias" => self.tensor(0)?,
            "dropout" | "feature_dropout" => {
                self.require(!self.bool(2)?, 2, "False")?;
                self.tensor(0)?
            }
            "to" => self.conversion()?,
            "cat" => self.concatenation()?,
            "view" | "reshape" => {
                let sides = self.ints(1)?;
                self.require(!sides.contains(&0), 1, "sides from 1 on, or -1")?;
                let xs = self.tensor(0)?;
                self.reshape(&xs, &sides)
            }
            "flatten" => self.flatten()?,
            "permute" => {
                let xs = self.tensor(0)?;
                let order =
                    self.ints(1)?.iter().map(|&dim| self.axis_of(dim, 1, xs.rank)).collect::<Result<Vec<_>, _>>()?;
                self.transpose(&xs, &order)
            }
            "transpose" => {
                let xs = self.tensor(0)?;
                let mut order: Vec<_> = (0..xs.rank).collect();
                order.swap(self.axis(1, xs.rank)?, self.axis(2, xs.rank)?);
                self.transpose(&xs, &order)
            }
            "t" => {
                let xs = self.tensor(0)?;
                let order: Vec<_> = (0..xs.rank).rev().collect();
                self.transpose(&xs, &order)
            }
            "unsqueeze" => {
                let xs = self.tensor(0)?;
                let axis = self.axis(1, xs.rank + 1)?;
                self.builder.unsqueeze(&xs, axis as i64)
            }
            "expand_as" => {
                let (xs, like) = (self.tensor(0)?, self.tensor(1)?);
                let shape = self.builder.shape(&like);
                self.builder.node("Expand", &[&xs, &shape], &[], (xs.element, like.rank))
            }
            "zeros_like" => {
                let xs = self.tensor(0)?;
                self.builder.zeros_like(&xs)
            }
            "expand" => {
                let (xs, sides) = (self.tensor(0)?, self.ints(1)?);
                // A side that is kept is -1 in TorchScript and 1 in ONNX.
                let sides: Vec<_> = sides.into_iter().map(|side| if side == -1 { 1 } else { side }).collect();
                let shape = self.builder.ints("shape", &sides);
                self.builder.node("Expand", &[&xs, &shape], &[], (xs.element, sides.len()))
            }
            "slice" => self.slice()?,
            "narrow" => {
                let xs = self.tensor(0)?;
                let (axis, start, length) = (self.axis(1, xs.rank)?, self.int(2)?, self.int(3)?);
                self.require(start >= 0, 2, "a start from 0 on")?;
                self.builder.slice(&xs, axis as i64, start, start + length, 1)
            }
            "select" => {
                let xs = self.tensor(0)?;
                let (axis, position) = (self.axis(1, xs.rank)?, self.int(2)?);
                let position = self.builder.number("position", position as f64, Element::I64);
                let settings = [("axis", Setting::Int(axis as i64))];
                self.builder.node("Gather", &[&xs, &position], &settings, (xs.element, xs.rank - 1))
            }
            _ => return Ok(None),
        }))
    }

    /// A list of parts along a dimension.
    pub fn split(&mut self) -> Result<Vec<Value>, Error> {
        let xs = self.tensor(0)?;
        let (lengths, axis) = (self.ints(1)?, self.axis(2, xs.rank)?);
        let outputs = vec![(xs.element, xs.rank); lengths.len()];
        let lengths = self.builder.ints("lengths", &lengths);
        let settings = [("axis", Setting::Int(axis as i64))];
        Ok(self.builder.nodes("Split", &[Some(&xs), Some(&lengths)], &settings, &outputs))
    }

    /// The kind is the first argument that is a number, in every overload; other settings change no value.
    fn conversion(&mut self) -> Result<Value, Error> {
        let xs = self.tensor(0)?;
        let index = if self.text(1).is_some() { 2 } else { 1 };
        if self.is_none(index) {
            return Ok(xs);
        }
        let element = match self.int(index)? {
            0 => Element::U8,
            4 => Element::I64,
            FLOAT => Element::F32,
            _ => return Err(self.unfit(index, "float, int64 or uint8")),
        };
        Ok(self.builder.cast(&xs, element))
    }

    fn concatenation(&mut self) -> Result<Value, Error> {
        let parts = self.values(0)?;
        let rank = parts.first().map_or(0, |part| part.rank);
        let axis = self.axis(1, rank)?;
        Ok(self.builder.concat(&parts.iter().collect::<Vec<_>>(), axis as i64))
    }

    fn reshape(&mut self, xs: &Value, sides: &[i64]) -> Value {
        self.builder.reshape(xs, sides)
    }

    /// A 0 keeps a side in front. Only the last sides can be merged, because the others are not known. `Flatten` is valid for
    /// empty tensors too; a reshape to -1 is not.
    fn flatten(&mut self) -> Result<Value, Error> {
        let xs = self.tensor(0)?;
        if xs.rank == 0 {
            return Ok(self.reshape(&xs, &[-1]));
        }
        let (start, end) = (self.axis(1, xs.rank)?, self.axis(2, xs.rank)?);
        self.require(end + 1 == xs.rank, 2, "the last dimension")?;
        if start == 1 {
            return Ok(self.builder.node("Flatten", &[&xs], &[("axis", Setting::Int(1))], (xs.element, 2)));
        }
        let mut sides = vec![0; start];
        sides.push(-1);
        Ok(self.reshape(&xs, &sides))
    }

    fn transpose(&mut self, xs: &Value, order: &[usize]) -> Value {
        let order: Vec<_> = order.iter().map(|&axis| axis as i64).collect();
        self.builder.transpose(xs, &order)
    }

    fn slice(&mut self) -> Result<Value, Error> {
        let xs = self.tensor(0)?;
        let axis = self.axis(1, xs.rank)?;
        let start = if self.is_none(2) { 0 } else { self.int(2)? };
        let end = if self.is_none(3) { i64::MAX } else { self.int(3)? };
        let step = self.int(4)?;
        Ok(self.builder.slice(&xs, axis as i64, start, end, step))
    }
}
