//! COCO's annotation and results files (<https://cocodataset.org/#format-data>), record by record.
//!
//! Programs other than COCO's write the same structure with other types: numbers as text, floats or booleans, ids that are text,
//! negative or longer than 64 bits, `null`, -1 or `NaN` where nothing is known, no annotation ids. What pycocotools 2.0.11 can
//! use has its meaning here; a record that cannot be used is a [`Problem`] and costs no other record.
//!
//! | in the file | here |
//! |---|---|
//! | a key twice in an object | the last counts, as in Python |
//! | `NaN`, `Infinity`, `-Infinity` | read, as Python does |
//! | `"64"`, `64.0` for 64 | 64 |
//! | `null`, -1, `NaN` for a size or an area | not stated |
//! | `iscrowd` missing, `null`, `false`, `0.0`, `"0"` | no crowd |
//! | `coco_url` and no `file_name` (LVIS) | its last two components, as detectron2 takes them |
//!
//! The text is read in one pass, without a tree of its values: memory is the text, plus some hundred bytes a record.

mod document;
mod field;
mod file;
mod foreign;
mod id;
mod mask;
mod numbering;
mod problem;
mod results;

pub use document::Error;
pub use file::{Annotation, Category, File, FileName, Geometry, Image};
pub use id::Id;
pub use mask::Mask;
pub use numbering::{FileIds, Numbering};
pub use problem::{Problem, RecordKind};
pub use results::{Kind, Prediction, Read, Results};
