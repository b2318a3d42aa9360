//! What the files of a run say at the moment.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::console::Table;
use crate::evaluate::ReportOf;
use crate::failure::Failure;
use crate::files;
use crate::report::{Metrics, Report};
use crate::run::RunFolder;
use crate::task::for_task;
use crate::train::Events;

/// A run at the moment.
pub(super) struct State {
    folder: PathBuf,
    name: String,
    task: &'static str,
    /// How many epochs it is to have.
    epochs: u64,
    /// The metric that decides, and all that an evaluation logs.
    headline: &'static str,
    scalars: &'static [&'static str],
    metrics: Metrics,
    events: Events,
    classes: Table,
    finished: bool,
    /// When a file last changed.
    changed: Option<SystemTime>,
}

impl State {
    /// A run of which nothing but its configuration was read yet.
    pub(super) fn new(run: &RunFolder) -> Result<Self, Failure> {
        let file = run.configuration(&[])?;
        let task = file.task()?;
        let (headline, scalars) = for_task!(task, T => (ReportOf::<T>::HEADLINE, ReportOf::<T>::SCALARS));
        let epochs = for_task!(task, T => {
            let config: crate::config::Config<<T as crate::task::Task>::Keys> = file.config()?;
            config.train.epochs
        });
        let whole = run.path().canonicalize().unwrap_or_else(|_| run.path().to_owned());
        Ok(Self {
            folder: run.path().to_owned(),
            name: whole.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            task: task.name(),
            epochs,
            headline,
            scalars,
            metrics: Metrics::default(),
            events: Events::default(),
            classes: Table::default(),
            finished: false,
            changed: None,
        })
    }

    /// Reads the files again.
    pub(super) fn update(&mut self) -> Result<(), Failure> {
        self.metrics = Metrics::read(&self.folder)?;
        self.events.update(&self.folder)?;
        self.classes = classes(&self.folder.join("classes.csv"))?;
        self.finished = self.epochs_done() as u64 >= self.epochs && self.folder.join("report.json").exists();
        let entries = std::fs::read_dir(&self.folder);
        let entries = entries.map_err(|error| Failure::cannot("read", &self.folder, &error))?;
        self.changed = entries.flatten().filter_map(|entry| entry.metadata().ok()?.modified().ok()).max();
        Ok(())
    }

    /// The run, and how far it is.
    pub(super) fn title(&self) -> String {
        format!("{} ({})  epoch {}/{}", self.name, self.task, self.epochs_done(), self.epochs)
    }

    /// How fast it is, how long it takes still, and when it last wrote something.
    pub(super) fn pace(&self) -> String {
        let mut words = Vec::new();
        if let Some(speed) = self.metrics.last("images_per_second") {
            words.push(format!("{speed:.1} images/s"));
        }
        match (self.finished, self.left()) {
            (true, _) => words.push("finished".to_owned()),
            (false, Some(left)) => words.push(format!("{} left", clock(left))),
            (false, None) => {}
        }
        let age = self.changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        if let (Some(age), false) = (age, self.finished) {
            words.push(format!("last change {} ago", clock(age.as_secs_f64())));
        }
        words.join("  ")
    }

    /// What the run is, in a line of text.
    pub(super) fn summary(&self) -> String {
        format!("{}  {}\n", self.title(), self.pace())
    }

    /// A line for each epoch after the first `known`.
    pub(super) fn lines(&self, known: usize) -> String {
        let at = |column: &str, epoch: f64| {
            self.metrics.points(column).into_iter().find(|point| point[0] == epoch).map(|point| point[1])
        };
        let losses = self.metrics.losses(self.scalars);
        let columns = losses.into_iter().chain(self.scalars.iter().copied().take(SCALARS_IN_A_LINE));
        let columns: Vec<&str> = columns.collect();
        let line = |point: &[f64; 2]| {
            let [epoch, step] = *point;
            let named = columns.iter().filter_map(|name| Some(format!(" {name} {:.4}", at(name, epoch)?)));
            let rate = at("lr", epoch).map_or_else(String::new, |rate| format!(" lr {rate:.2e}"));
            format!("epoch {epoch} step {step}{rate}{}\n", named.collect::<String>())
        };
        self.metrics.points("step").iter().skip(known).map(line).collect()
    }

    /// The last evaluation by class, as text; nothing before the first.
    pub(super) fn table(&self) -> String {
        if self.classes.rows.is_empty() { String::new() } else { self.classes.render() }
    }

    /// How many epochs ended.
    pub(super) fn epochs_done(&self) -> usize {
        self.metrics.epochs()
    }

    /// Whether all epochs and the final evaluation ended.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// `[step, loss]`: of the latest steps, or of epochs where no step was logged.
    pub(super) fn losses(&self) -> Vec<[f64; 2]> {
        match self.events.losses() {
            [] => self.metrics.points("loss"),
            losses => losses.to_vec(),
        }
    }

    /// The metric that decides with its values by epoch.
    pub(super) fn headline(&self) -> (&'static str, Vec<[f64; 2]>) {
        (self.headline, self.metrics.points(self.headline))
    }

    /// The last evaluation by class.
    pub(super) fn classes(&self) -> &Table {
        &self.classes
    }

    /// Seconds until the last epoch ends, if all take as long as those so far.
    fn left(&self) -> Option<f64> {
        let done = self.epochs_done() as u64;
        let seconds = self.metrics.last("seconds")?;
        Some(seconds / done.max(1) as f64 * self.epochs.saturating_sub(done) as f64)
    }
}

/// As many numbers of an evaluation as fit into a line.
const SCALARS_IN_A_LINE: usize = 3;

/// Columns of classes that say nothing while a run trains.
const HIDDEN: [&str; 2] = ["id", "predicted"];

/// `classes.csv`, its shares with four digits; nothing where there is none yet.
fn classes(path: &std::path::Path) -> Result<Table, Failure> {
    if !path.exists() {
        return Ok(Table::default());
    }
    let text = files::read_text(path)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let failed = |error: csv::Error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    let header: Vec<String> = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
    let shown: Vec<usize> = (0..header.len()).filter(|&column| !HIDDEN.contains(&header[column].as_str())).collect();
    let cell = |text: &str| match (text.parse::<f64>(), text.contains('.')) {
        (Ok(share), true) => format!("{share:.4}"),
        _ => text.to_owned(),
    };
    let row = |record: csv::StringRecord| shown.iter().map(|&column| cell(record.get(column).unwrap_or(""))).collect();
    let rows = reader.records().map(|record| Ok(row(record.map_err(failed)?))).collect::<Result<_, Failure>>()?;
    Ok(Table { title: String::new(), header: shown.iter().map(|&column| header[column].clone()).collect(), rows })
}

/// A time in its two largest units.
fn clock(seconds: f64) -> String {
    let time = Duration::from_secs_f64(seconds.max(0.0)).as_secs();
    match time {
        0..60 => format!("{time}s"),
        60..3600 => format!("{}m{:02}s", time / 60, time % 60),
        3600..86_400 => format!("{}h{:02}m", time / 3600, time / 60 % 60),
        _ => format!("{}d{:02}h", time / 86_400, time / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units() {
        let times = [59.9, 61.0, 3661.0, 90_000.0, -1.0].map(clock);
        assert_eq!(times, ["59s", "1m01s", "1h01m", "1d01h", "0s"]);
    }

    #[test]
    fn classes_are_read_with_quoted_names_and_short_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.csv");
        assert_eq!(classes(&path).unwrap(), Table::default());
        std::fs::write(&path, "class,id,objects,ap\n\"a,b\",1,7,0.123456\nc,2,1,\n").unwrap();
        let table = classes(&path).unwrap();
        assert_eq!(table.header, ["class", "objects", "ap"]);
        assert_eq!(table.rows, [["a,b", "7", "0.1235"], ["c", "1", ""]]);
    }
}
