//! What an evaluation has to show, in a file from which pages are made without the network and without the data.

use eval::MetricInterval;
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::{Drawing, Example, Section};
use crate::console::Table;
use crate::failure::Failure;
use crate::files;
use crate::report::Report;
use crate::report::plot::Figure;

/// The heading of what a network costs.
pub(super) const COST: &str = "Cost";

/// The name of the file in the folder of an evaluation.
pub const FILE: &str = "page.json";

/// What an evaluation shows beyond its report. It takes time and memory, so only an evaluation whose predictions are kept has it.
#[derive(Default)]
pub struct Insight {
    /// How much the headline metric depends on the choice of images.
    pub interval: Option<MetricInterval>,
    /// The threshold of scores at which predictions are best, where they have scores.
    pub threshold: Option<f64>,
    /// The label of pixels that are not counted, where predictions are masks.
    pub ignored: Option<u8>,
    /// Further figures, by name.
    pub figures: Vec<(&'static str, Figure)>,
    /// Further tables.
    pub tables: Vec<Table>,
}

/// What an evaluation has to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// The task.
    pub task: String,
    /// The metric that decides.
    pub metric: String,
    /// Its value, where it is a number.
    pub value: Option<f64>,
    /// Its interval.
    pub interval: Option<MetricInterval>,
    /// The threshold at which examples are shown first.
    pub threshold: Option<f64>,
    /// The label of pixels that are not counted, where predictions are masks.
    pub ignored: Option<u8>,
    /// The names of what `metrics.csv` has of each evaluation.
    pub scalars: Vec<String>,
    /// Each class with that metric of it alone.
    pub classes: Vec<(String, Option<f64>)>,
    /// Figures and tables.
    pub sections: Vec<Section>,
    /// Images with truth and prediction.
    pub examples: Vec<Example>,
    /// How they are ranked, as a sentence without its full stop.
    pub ranked: String,
}

impl Contents {
    /// What a report and the insight beside it show; `cost` are the tables of what the network costs.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn new<R: Report>(
        task: &str,
        (report, tables): (&R, Vec<Table>),
        insight: &Insight,
        cost: Vec<Table>,
        (examples, ranked): (Vec<Example>, &str),
    ) -> Result<Self, Failure> {
        let headline = report.headline();
        let drawn = |figures: &[(&'static str, Figure)]| -> Result<Vec<Drawing>, Failure> {
            figures.iter().map(|(name, figure)| Drawing::new(*name, figure)).collect()
        };
        let sections = vec![
            Section { title: "Accuracy".to_owned(), figures: drawn(&report.figures())?, tables },
            Section { title: "Errors".to_owned(), figures: drawn(&insight.figures)?, tables: insight.tables.clone() },
            Section { title: COST.to_owned(), figures: Vec::new(), tables: cost },
        ];
        Ok(Self {
            task: task.to_owned(),
            metric: R::HEADLINE.to_owned(),
            value: headline.is_finite().then_some(headline),
            interval: insight.interval.clone(),
            threshold: insight.threshold,
            ignored: insight.ignored,
            scalars: R::SCALARS.iter().map(|name| (*name).to_owned()).collect(),
            classes: report.by_class(),
            sections,
            examples,
            ranked: ranked.to_owned(),
        })
    }

    /// Reads the file in a folder.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Err(Failure::failed(format!("{} has no {FILE}, from which pages are made", folder.display()))
                .hint(format!("Evaluate it with: pipeline eval {}", folder.display())));
        }
        let text = files::read_text(&path)?;
        serde_json::from_str(&text).map_err(|error| {
            Failure::failed(format!("cannot read {}: {error}", path.display()))
                .hint(format!("Write it again with: pipeline eval {}", folder.display()))
        })
    }

    /// Writes the file into a folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(Failure::failed)?;
        Ok(files::write(&folder.join(FILE), text.as_bytes())?)
    }
}
