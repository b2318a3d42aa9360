//! Changes of shape.

use super::{call::Call, elementwise::FLOAT};
use crate::graph::{Edge, Operation};
use crate::{Element, Error};

impl Call<'_> {
    /// A change of shape, or an operation that is the identity outside of training; `None` for another operator.
    pub fn shape(&mut self) -> Result<Option<Edge>, Error> {
        Ok(Some(match self.operator() {
            "contiguous" | "detach" | "clone" | "alias" => self.tensor(0)?,
            "dropout" | "feature_dropout" => {
                self.require(!self.bool(2)?, 2, "False")?;
                self.tensor(0)?
            }
            "to" => self.conversion()?,
            "cat" => {
                let parts = self.edges(0)?;
                let axis = self.axis(1, parts.first().map_or(0, |&part| self.draft.rank(part)))?;
                self.draft.like(Operation::Concat(axis), &parts)
            }
            "view" | "reshape" => {
                let sides = self.ints(1)?;
                self.require(!sides.contains(&0), 1, "sides from 1 on, or -1")?;
                let xs = self.tensor(0)?;
                let rank = sides.len();
                self.ranked(Operation::Reshape(sides), xs, rank)
            }
            "flatten" => self.flatten()?,
            "permute" => {
                let xs = self.tensor(0)?;
                let rank = self.draft.rank(xs);
                let order = self.ints(1)?.iter().map(|&dim| self.axis_of(dim, 1, rank)).collect::<Result<_, _>>()?;
                self.draft.like(Operation::Transpose(order), &[xs])
            }
            "transpose" => {
                let xs = self.tensor(0)?;
                let rank = self.draft.rank(xs);
                let mut order: Vec<_> = (0..rank).collect();
                order.swap(self.axis(1, rank)?, self.axis(2, rank)?);
                self.draft.like(Operation::Transpose(order), &[xs])
            }
            "t" => {
                let xs = self.tensor(0)?;
                let order = (0..self.draft.rank(xs)).rev().collect();
                self.draft.like(Operation::Transpose(order), &[xs])
            }
            "channel_shuffle" => {
                let (xs, groups) = (self.tensor(0)?, self.int(1)?);
                self.draft.like(Operation::ChannelShuffle(groups), &[xs])
            }
            "unsqueeze" => {
                let xs = self.tensor(0)?;
                let rank = self.draft.rank(xs) + 1;
                let axis = self.axis(1, rank)?;
                self.ranked(Operation::Unsqueeze(axis), xs, rank)
            }
            "expand_as" => {
                let (xs, like) = (self.tensor(0)?, self.tensor(1)?);
                self.draft.like(Operation::ExpandAs, &[xs, like])
            }
            "zeros_like" => {
                let xs = self.tensor(0)?;
                self.draft.like(Operation::ZerosLike, &[xs])
            }
            "expand" => {
                let (xs, sides) = (self.tensor(0)?, self.ints(1)?);
                let rank = sides.len();
                self.ranked(Operation::Expand(sides), xs, rank)
            }
            "slice" => {
                let xs = self.tensor(0)?;
                let axis = self.axis(1, self.draft.rank(xs))?;
                let start = if self.is_none(2) { 0 } else { self.int(2)? };
                let end = if self.is_none(3) { i64::MAX } else { self.int(3)? };
                self.slice(xs, axis, start, end, self.int(4)?)
            }
            "narrow" => {
                let xs = self.tensor(0)?;
                let (axis, start, length) = (self.axis(1, self.draft.rank(xs))?, self.int(2)?, self.int(3)?);
                self.require(start >= 0, 2, "a start from 0 on")?;
                self.slice(xs, axis, start, start + length, 1)
            }
            "select" => {
                let xs = self.tensor(0)?;
                let rank = self.draft.rank(xs);
                let (axis, position) = (self.axis(1, rank)?, self.int(2)?);
                self.ranked(Operation::Select { axis, position }, xs, rank - 1)
            }
            _ => return Ok(None),
        }))
    }

    fn ranked(&mut self, operation: Operation, xs: Edge, rank: usize) -> Edge {
        self.draft.node(operation, &[xs], self.draft.element(xs), rank)
    }

    fn slice(&mut self, xs: Edge, axis: usize, start: i64, end: i64, step: i64) -> Edge {
        self.draft.like(Operation::Slice { axis, start, end, step }, &[xs])
    }

    /// A list of parts along a dimension.
    pub fn split(&mut self) -> Result<Vec<Edge>, Error> {
        let xs = self.tensor(0)?;
        let (lengths, axis) = (self.ints(1)?, self.axis(2, self.draft.rank(xs))?);
        let mut start = 0;
        let part = |length: i64| {
            start += length;
            self.slice(xs, axis, start - length, start, 1)
        };
        Ok(lengths.into_iter().map(part).collect())
    }

    /// The kind is the first argument that is a number, in every overload; other settings change no value.
    fn conversion(&mut self) -> Result<Edge, Error> {
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
        if element == self.draft.element(xs) {
            return Ok(xs);
        }
        let rank = self.draft.rank(xs);
        Ok(self.draft.node(Operation::Cast(element), &[xs], element, rank))
    }

    /// Only the last sides can be merged, because the others are not known.
    fn flatten(&mut self) -> Result<Edge, Error> {
        let xs = self.tensor(0)?;
        let rank = self.draft.rank(xs);
        if rank == 0 {
            return Ok(self.ranked(Operation::Reshape(vec![-1]), xs, 1));
        }
        let (start, end) = (self.axis(1, rank)?, self.axis(2, rank)?);
        self.require(end + 1 == rank, 2, "the last dimension")?;
        Ok(self.ranked(Operation::Flatten(start), xs, start + 1))
    }
}
