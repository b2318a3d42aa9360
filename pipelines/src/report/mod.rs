//! Reports: the results of an evaluation as tables, JSON, CSV, figures and pages.
//!
//! | module | what it holds |
//! |---|---|
//! | `front::report` | tables, JSON, CSV and figures of the reports of `eval` |
//! | [`page`] | pages of HTML |
//! | [`metrics`] | the curves of training, read back |
//! | [`predictions`] | the file of predictions |

mod image_ids;
mod metrics;
pub mod page;
mod predictions;

pub use front::report::*;
pub use image_ids::ImageIds;
pub use metrics::Metrics;
pub use predictions::{ImagePredictions, PredictionFile};
