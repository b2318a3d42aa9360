//! The one place that prints. Data goes to standard output; everything else to standard error.
//!
//! Colour and moving bars appear only on a terminal, and never with `NO_COLOR` set.

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// The widest line that a table takes.
const WIDTH: u16 = 100;

/// Rows under a header, with numbers to the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// A line above the table.
    pub title: String,
    /// Column names.
    pub header: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of `header`, without rows yet.
    pub fn new(title: impl Into<String>, header: &[&str]) -> Self {
        Self { title: title.into(), header: header.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// The table as lines of text, at most 100 columns wide.
    pub fn render(&self) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic);
        grid.set_width(WIDTH).set_header(&self.header);
        for row in &self.rows {
            grid.add_row(row);
        }
        for (index, column) in grid.column_iter_mut().enumerate().skip(1) {
            let numbers = self.rows.iter().all(|row| {
                row.get(index).is_none_or(|cell| cell.is_empty() || cell == "-" || cell.parse::<f64>().is_ok())
            });
            if numbers {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let title: String = self.title.lines().map(|line| wrapped(line) + "\n").collect();
        format!("{title}{grid}\n")
    }
}

/// A line of words as lines that are no wider than a table.
fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > usize::from(WIDTH) {
            text.push('\n');
            width = 0;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    text
}

/// Writes data to standard output. A reader that went away is not an error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn data(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn line(text: &str) {
    // Nothing sensible can be done where standard error itself is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says what is being done.
pub fn status(text: impl AsRef<str>) {
    line(text.as_ref());
}

/// Says what is odd and was handled.
pub fn warning(text: impl AsRef<str>) {
    line(&format!("{} {}", style("warning:").yellow().bold().for_stderr(), text.as_ref()));
}

/// Says why the command ends.
pub fn failure(failure: &Failure) {
    line(&format!("{} {failure}", style("error:").red().bold().for_stderr()));
    if let Some(hint) = failure.next_step() {
        line(&format!("{} {hint}", style("hint:").cyan().bold().for_stderr()));
    }
}

/// Says that the program itself is wrong, and where. The panic of a thread that reads samples becomes an error of its sample,
/// which names the file.
pub fn defect(panic: &std::panic::PanicHookInfo<'_>) {
    if std::thread::current().name().is_some_and(|name| name.starts_with("loader-")) {
        return;
    }
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let payload = panic.payload();
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    let words = payload.downcast_ref::<&str>().copied().or(owned).unwrap_or("no message");
    failure(
        &Failure::failed(format!("a defect of this program: {words} ({place})"))
            .hint("Please report it, with the command line and the configuration."),
    );
}

/// Progress of work of a known length: a bar on a terminal, otherwise a line now and then.
pub struct Progress {
    bar: ProgressBar,
    lines: Option<Lines>,
}

struct Lines {
    label: String,
    length: u64,
    said: Instant,
}

/// Time between two lines of progress where there is no terminal.
const QUIET: Duration = Duration::from_secs(15);

impl Progress {
    /// Progress of `length` pieces of work, called `label`.
    pub fn new(label: impl Into<String>, length: u64) -> Self {
        let label = label.into();
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(8));
        let lines = bar.is_hidden().then(|| Lines { label: label.clone(), length, said: Instant::now() });
        // The template is a constant of ours; a mistake in it would show in every run.
        if let Ok(look) = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} [{elapsed}<{eta}] {wide_msg}") {
            bar.set_style(look.progress_chars("━╸─"));
        }
        bar.set_prefix(label);
        Self { bar, lines }
    }

    /// One more piece is done; `message` says how it stands.
    pub fn advance(&mut self, pieces: u64, message: impl FnOnce() -> String) {
        self.bar.inc(pieces);
        match &mut self.lines {
            None => self.bar.set_message(message()),
            Some(lines) if lines.said.elapsed() >= QUIET => {
                lines.said = Instant::now();
                line(&format!("{} {}/{} {}", lines.label, self.bar.position(), lines.length, message()));
            }
            Some(_) => {}
        }
    }

    /// The work is done; the bar goes away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
