//! The page of several runs.

use std::collections::BTreeMap;

use super::{Drawing, Headline, Page, RunPage, Section, history};
use crate::console::Table;
use crate::failure::Failure;
use crate::report::cell;
use crate::report::plot::{Curve, Figure, LineChart};

/// Several runs side by side.
pub struct Runs<'a> {
    /// The runs.
    pub runs: &'a [RunPage],
    /// What each is and costs.
    pub table: Table,
    /// Accuracy against latency.
    pub scatter: Figure,
    /// Differences between runs, with intervals.
    pub differences: Vec<Table>,
}

impl Runs<'_> {
    /// The page as the text of a file.
    ///
    /// # Errors
    /// Only for a defect of the program.
    pub fn html(self) -> Result<String, Failure> {
        let runs = self.runs;
        let section = |title: &str, figures, tables| Section { title: title.to_owned(), figures, tables };
        let mut sections = vec![
            section("Accuracy and cost", vec![Drawing::new("accuracy_latency", &self.scatter)?], vec![self.table]),
            section("Differences", Vec::new(), self.differences),
        ];
        if let Some(RunPage { contents, .. }) = runs.first() {
            let metrics: Vec<_> = runs.iter().map(|run| (run.name.as_str(), &run.metrics)).collect();
            sections.push(history::section(&metrics, &contents.scalars, &contents.metric)?);
        }
        sections.push(section("Curves, side by side", overlaid(runs)?, Vec::new()));
        sections.push(section("Classes", Vec::new(), classes(runs).into_iter().collect()));
        let named = |run: &RunPage| {
            run.files.iter().map(|(file, text)| (format!("{}: {file}", run.name), text.clone())).collect::<Vec<_>>()
        };
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        let page = Page {
            title: names.join(", "),
            headlines: runs.iter().map(RunPage::headline).collect::<Vec<Headline>>(),
            sections,
            examples: Vec::new(),
            ranked: String::new(),
            threshold: 0.0,
            files: runs.iter().flat_map(named).collect(),
        };
        page.html()
    }
}

/// The first curve of each figure of curves that several runs have, in one figure.
fn overlaid(runs: &[RunPage]) -> Result<Vec<Drawing>, Failure> {
    let mut figures: BTreeMap<&str, LineChart> = BTreeMap::new();
    for run in runs {
        for drawing in run.contents.sections.iter().flat_map(|section| &section.figures) {
            let Some(LineChart { curves, .. }) = &drawing.lines else { continue };
            let Some(Curve { name, points }) = curves.first() else { continue };
            let chart = drawing.lines.clone().map(|chart| LineChart { curves: Vec::new(), ..chart });
            let Some(empty) = chart else { continue };
            let of_run = Curve { name: format!("{}: {name}", run.name), points: points.clone() };
            figures.entry(&drawing.name).or_insert(empty).curves.push(of_run);
        }
    }
    figures.into_iter().map(|(name, chart)| Drawing::new(name, &Figure::Lines(chart))).collect()
}

/// The headline metric of each class in each run, where all have the same one.
fn classes(runs: &[RunPage]) -> Option<Table> {
    let first = &runs.first()?.contents;
    if runs.iter().any(|run| run.contents.metric != first.metric) {
        return None;
    }
    let names: Vec<&str> = std::iter::once("class").chain(runs.iter().map(|run| run.name.as_str())).collect();
    let mut table = Table::new(format!("{} of each class", first.metric), &names);
    for (class, _) in &first.classes {
        let value = |run: &RunPage| {
            let found = run.contents.classes.iter().find(|(name, _)| name == class);
            cell(found.and_then(|(_, value)| *value))
        };
        table.rows.push(std::iter::once(class.clone()).chain(runs.iter().map(value)).collect());
    }
    Some(table)
}
