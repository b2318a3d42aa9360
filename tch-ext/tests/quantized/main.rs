//! Networks of int8 layers against the same arithmetic in floats, under every engine that this machine has.

mod engines;
mod fake;
mod files;
mod layers;
mod operators;
mod python;
