//! Reports: the results of an evaluation as tables, JSON, CSV and figures.
//!
//! | module | what it holds |
//! |---|---|
//! | here | the traits [`Report`] and [`Tables`]; printing and writing them |
//! | [`classification`], [`coco`], [`segmentation`], [`voc`] | the reports of `eval` |
//! | [`comparison`] | two sets of predictions compared |
//! | [`plot`] | figures |

mod classification;
mod coco;
mod comparison;
pub mod plot;
mod segmentation;
mod voc;

use eval::CsvReport;
use serde::Serialize;
use std::fmt;
use std::path::Path;

use crate::console::{self, Table};
use crate::failure::Failure;
use crate::files;
use plot::Figure;

const MAX_CONFUSION_CLASSES: usize = 30;

/// A result that is printed as tables or as JSON.
pub trait Tables: Serialize {
    /// The tables, in the order in which they are printed.
    fn tables(&self) -> Vec<Table>;
}

/// The accuracy of a network.
pub trait Report: Tables + CsvReport {
    /// The name of the number that decides which checkpoint is best.
    const HEADLINE: &'static str;

    /// The names of what is logged to CSV and TensorBoard after each evaluation.
    const SCALARS: &'static [&'static str];

    /// The number that decides; higher is better.
    fn headline(&self) -> f64;

    /// A value for each of [`Report::SCALARS`], where it is defined.
    fn values(&self) -> Vec<Option<f64>>;

    /// Each class with the headline metric of it alone, where that is defined.
    fn by_class(&self) -> Vec<(String, Option<f64>)>;

    /// What is logged after each evaluation.
    fn scalars(&self) -> Vec<(&'static str, f64)> {
        let named = Self::SCALARS.iter().zip(self.values());
        named.filter_map(|(name, value)| Some((*name, value?))).collect()
    }

    /// Figures by name.
    fn figures(&self) -> Vec<(&'static str, Figure)> {
        Vec::new()
    }
}

/// Images of a set that could not be read.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Unreadable {
    /// How many there are.
    pub images: usize,
    /// How they are scored, as the end of a sentence about them.
    pub scored: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "images that could not be read: {}; {}", self.images, self.scored)
    }
}

/// A report with what the network costs.
#[derive(Serialize)]
pub struct WithCost<'a, R, C> {
    /// The accuracy.
    #[serde(flatten)]
    pub report: &'a R,
    /// Images that could not be read, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<Unreadable>,
    /// What it costs, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<&'a C>,
}

/// The cost of a network that nobody knows.
#[derive(Serialize)]
pub enum NoCost {}

impl Tables for NoCost {
    fn tables(&self) -> Vec<Table> {
        match *self {}
    }
}

impl<'a, R> WithCost<'a, R, NoCost> {
    /// The accuracy alone.
    pub fn accuracy(report: &'a R, unreadable: Option<Unreadable>) -> Self {
        Self { report, unreadable, network: None }
    }
}

impl<R: Tables, C: Tables> Tables for WithCost<'_, R, C> {
    fn tables(&self) -> Vec<Table> {
        let mut tables = self.report.tables();
        if let (Some(first), Some(unreadable)) = (tables.first_mut(), self.unreadable) {
            first.title = format!("{}\n{unreadable}", first.title);
        }
        tables.into_iter().chain(self.network.into_iter().flat_map(Tables::tables)).collect()
    }
}

impl<R: Report, C: Tables> WithCost<'_, R, C> {
    /// Writes `report.json`, `report.md`, the tables as CSV and the figures into `folder`, which is created.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        files::create_folder(folder)?;
        files::write(&folder.join("report.json"), json(self)?.as_bytes())?;
        let fenced: String = self.tables().iter().map(|table| format!("```\n{}```\n\n", table.render())).collect();
        files::write(&folder.join("report.md"), fenced.as_bytes())?;
        self.report.summary().write(folder.join("report.csv"))?;
        self.report.classes().write(folder.join("classes.csv"))?;
        write_figures(&self.report.figures(), folder)
    }
}

/// Writes figures as SVG into `plots/` of a folder.
///
/// # Errors
/// When a file cannot be written.
pub fn write_figures(figures: &[(&'static str, Figure)], folder: &Path) -> Result<(), Failure> {
    let plots = folder.join("plots");
    if !figures.is_empty() {
        files::create_folder(&plots)?;
    }
    let write =
        |(name, figure): &(&str, Figure)| files::write(&plots.join(format!("{name}.svg")), figure.svg()?.as_bytes());
    figures.iter().try_for_each(write)
}

/// Prints a result to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(result: &impl Tables, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return console::data(&json(result)?);
    }
    console::data(&result.tables().iter().map(Table::render).collect::<Vec<_>>().join("\n"))
}

/// A value as indented JSON that ends with a line break.
///
/// # Errors
/// When the value has no JSON form.
pub fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::failed)
}

/// The title of a report: the rule behind its numbers, and whether they compare with a leaderboard's.
fn provenance(rule: &str, comparable: &str) -> String {
    format!("{rule}\nComparable with a leaderboard: {comparable}")
}

/// A number of a table, with `-` where there is none.
pub fn cell(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}
