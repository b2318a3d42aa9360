#![doc = include_str!("../README.md")]
//!
//! | module | contents |
//! |---|---|
//! | [`coco`] | COCO's annotation and results files, with what is wrong with each record |
//! | [`text`] | the text of a file, by its mark, its declaration or its bytes |

pub mod coco;
pub mod text;
