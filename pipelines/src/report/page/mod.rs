//! Pages of HTML: `report.html` of a run, and several runs side by side.
//!
//! | module | what it holds |
//! |---|---|
//! | here | a page as a whole, and the template that it is made with |
//! | [`contents`] | what an evaluation has to show: `page.json` of its folder |
//! | [`example`] | images with truth and prediction |
//! | [`history`] | the curves of training |
//! | [`int8`] | what files in int8 cost beside floating point |
//! | [`pixels`] | truth beside prediction as an image file |
//! | [`run`] | the page of a run |
//! | [`runs`] | the page of several |
//!
//! A page is one file that asks nobody for anything: its policy allows no request and no script but its own. Everything that is
//! inserted is escaped, because names of classes and files come from anywhere.

mod contents;
mod example;
mod history;
mod int8;
mod pixels;
mod run;
mod runs;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plot::{Figure, LineChart};
use crate::console::Table;
use crate::failure::Failure;

pub use contents::{Contents, FILE, Insight};
pub use example::{Example, Mark, Picture, Rank, Shape};
pub use pixels::ImageFile;
pub use run::RunPage;
pub use runs::Runs;

use example::ShownClass;

/// A page.
#[derive(Serialize)]
struct Page {
    title: String,
    /// The numbers that decide, each with its name and what it is of.
    headlines: Vec<Headline>,
    sections: Vec<Section>,
    examples: Vec<Example>,
    /// How they are ranked.
    ranked: String,
    /// Where the threshold of the examples begins.
    threshold: f64,
    /// Names and texts of files.
    files: Vec<(String, String)>,
}

/// The number that decides.
#[derive(Serialize)]
struct Headline {
    /// Of what it is.
    name: String,
    metric: String,
    value: String,
    /// The interval and what it is, in words.
    interval: String,
}

/// Figures and tables under a heading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// The figures.
    pub figures: Vec<Drawing>,
    /// The tables.
    pub tables: Vec<Table>,
}

/// A figure as a page has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// What the figure is called among those of a run.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The figure.
    pub svg: String,
    /// Its curves, where it is of curves: those of several runs are drawn together.
    pub lines: Option<LineChart>,
}

impl Drawing {
    /// A figure with its name.
    ///
    /// # Errors
    /// Only for a defect of the drawing library.
    pub fn new(name: impl Into<String>, figure: &Figure) -> Result<Self, Failure> {
        let lines = match figure {
            Figure::Lines(chart) => Some(chart.clone()),
            _ => None,
        };
        Ok(Self { name: name.into(), title: figure.title().to_owned(), svg: figure.svg()?, lines })
    }
}

/// A table as the template takes it.
#[derive(Serialize)]
struct Grid<'a> {
    /// Lines above it.
    notes: Vec<&'a str>,
    header: Vec<Column<'a>>,
    rows: &'a [Vec<String>],
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    is_number: bool,
}

impl<'a> Grid<'a> {
    fn of(table: &'a Table) -> Self {
        let column = |(index, name): (usize, &'a String)| Column { name, is_number: table.has_numbers(index) };
        Self {
            notes: table.title.lines().filter(|line| !line.is_empty()).collect(),
            header: table.header.iter().enumerate().map(column).collect(),
            rows: &table.rows,
        }
    }
}

const TEMPLATE: &str = include_str!("page.html");
/// How all pages look.
pub const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the template takes.
#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    page: &'a Page,
    /// The tables of each section.
    grids: Vec<Vec<Grid<'a>>>,
    /// The classes of the marks on examples.
    classes: Vec<ShownClass>,
    has_scores: bool,
    style: &'static str,
    script: &'static str,
    script_hash: String,
}

impl Page {
    /// The page as the text of a file.
    fn html(mut self) -> Result<String, Failure> {
        self.sections.retain(|section| !section.figures.is_empty() || !section.tables.is_empty());
        let view = View {
            grids: self.sections.iter().map(|section| section.tables.iter().map(Grid::of).collect()).collect(),
            classes: example::classes(&self.examples),
            has_scores: example::have_scores(&self.examples),
            style: STYLE,
            script: SCRIPT,
            script_hash: script_hash(SCRIPT),
            page: &self,
        };
        render(TEMPLATE, view)
    }
}

/// The page that a template makes of a value. The template writes [`STYLE`] and scripts itself; [`script_hash`] is for its policy.
///
/// # Errors
/// Only for a defect of the template.
pub fn render(template: &str, value: impl Serialize) -> Result<String, Failure> {
    let render = || environment()?.template_from_named_str("page.html", template)?.render(Serde(value));
    render().map_err(|error| Failure::failed(format!("internal error: the page's template: {error:#}")))
}

/// A script as the policy of a page names it.
pub fn script_hash(script: &str) -> String {
    STANDARD.encode(Sha256::digest(script))
}

/// Templates that escape what they insert, and refuse to insert what is not there.
fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(environment)
}
