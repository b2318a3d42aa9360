//! The page of a run: `report.html`.

use std::path::{Path, PathBuf};

use super::contents::COST;
use super::{Contents, Headline, Page, history, int8};
use crate::console::Table;
use crate::failure::Failure;
use crate::files;
use crate::report::Metrics;

/// What the page of a run is made from: files of its folder.
#[derive(Clone, Debug)]
pub struct RunPage {
    /// The name of the folder.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// What its evaluation has to show.
    pub contents: Contents,
    /// Its training.
    pub metrics: Metrics,
    /// The files in int8 in its folder, where it has some.
    pub int8: Option<Table>,
    /// Names and texts of files that say how it was made.
    pub files: Vec<(String, String)>,
}

/// Files that say how a run was made.
const FILES: [&str; 2] = ["config.yaml", "environment.json"];
/// The threshold of examples where none is best.
pub(super) const USUAL_THRESHOLD: f64 = 0.3;

impl RunPage {
    /// Reads the folder of a run, or of an evaluation.
    ///
    /// # Errors
    /// When it holds no evaluation, or a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let present = FILES.iter().filter(|name| folder.join(name).exists());
        let texts = present.map(|name| Ok(((*name).to_owned(), files::read_text(&folder.join(name))?)));
        Ok(Self {
            name: whole.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            folder: folder.to_owned(),
            contents: Contents::read(folder)?,
            metrics: Metrics::read(folder)?,
            int8: int8::table(folder)?,
            files: texts.collect::<Result<_, Failure>>()?,
        })
    }

    /// Writes `report.html` into the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> Result<(), Failure> {
        Ok(files::write(&self.folder.join("report.html"), self.html()?.as_bytes())?)
    }

    /// The page as the text of a file.
    ///
    /// # Errors
    /// Only for a defect of the program.
    pub fn html(&self) -> Result<String, Failure> {
        let Self { name, contents, metrics, int8, files, .. } = self;
        let training = history::section(&[(name, metrics)], &contents.scalars, &contents.metric)?;
        let mut sections = contents.sections.clone();
        if let (Some(cost), Some(table)) = (sections.iter_mut().find(|section| section.title == COST), int8) {
            cost.tables.push(table.clone());
        }
        sections.insert(1.min(sections.len()), training);
        let page = Page {
            title: format!("{name}: {}", contents.task),
            headlines: vec![self.headline()],
            sections,
            examples: contents.examples.clone(),
            ranked: contents.ranked.clone(),
            threshold: contents.threshold.unwrap_or(USUAL_THRESHOLD),
            files: files.clone(),
        };
        page.html()
    }

    /// The number that decides, with its interval.
    pub(super) fn headline(&self) -> Headline {
        let Contents { metric, value, interval, .. } = &self.contents;
        let words = interval.as_ref().and_then(|interval| {
            let (low, high) = (interval.low?, interval.high?);
            Some(format!("{:.0} % interval {low:.4} to {high:.4}", interval.confidence * 100.0))
        });
        Headline {
            name: self.name.clone(),
            metric: metric.clone(),
            value: value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}")),
            interval: words.unwrap_or_default(),
        }
    }
}
