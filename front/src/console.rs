//! The one place that prints. Data goes to standard output; everything else to standard error.
//!
//! Colour and moving bars appear only on a terminal, colour never with `NO_COLOR` set.

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ratatui::{DefaultTerminal, Frame};
use serde::{Deserialize, Serialize};
use std::io::{IsTerminal, Write};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::{Failure, without_trace};

/// Columns of a table at most.
const MAX_WIDTH: u16 = 100;

/// Rows under a header, with numbers to the right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
        grid.set_width(MAX_WIDTH).set_header(&self.header);
        for row in &self.rows {
            grid.add_row(row);
        }
        for (index, column) in grid.column_iter_mut().enumerate().skip(1) {
            if self.has_numbers(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let title: String = self.title.lines().map(|line| wrapped(line) + "\n").collect();
        format!("{title}{grid}\n")
    }

    /// Whether a column holds nothing but numbers.
    pub fn has_numbers(&self, column: usize) -> bool {
        let is_number = |cell: &String| cell.is_empty() || cell == "-" || cell.parse::<f64>().is_ok();
        self.rows.iter().all(|row| row.get(column).is_none_or(is_number))
    }
}

/// Breaks a line into lines no wider than a table.
fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > usize::from(MAX_WIDTH) {
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

/// The bar that is drawn now: what is printed in the meantime goes above it.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Prints with the bar taken off the terminal, and draws it again.
pub fn above_the_bar<R>(print: impl FnOnce() -> R) -> R {
    match &*locked(&DRAWN) {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// A panic of another thread has not harmed what is behind these locks.
fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes data to standard output. A reader that went away is not an error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn data(text: &str) -> Result<(), Failure> {
    above_the_bar(|| {
        let mut out = std::io::stdout().lock();
        written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    })
}

/// What writing to standard output came to: a reader that went away is not an error.
///
/// # Errors
/// When it failed for another reason.
pub fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::cannot("write", "standard output".as_ref(), &error))
        }
        _ => Ok(()),
    }
}

fn line(text: &str) {
    // Nothing sensible can be done where standard error itself is closed.
    above_the_bar(|| drop(writeln!(std::io::stderr().lock(), "{text}")));
}

/// The rank among the processes of a job. All do the same, so only the first says what.
static RANK: AtomicUsize = AtomicUsize::new(0);

/// From now on this process speaks as one of several: above rank 0, only of what happens to itself.
pub fn speak_as(rank: usize) {
    RANK.store(rank, Ordering::Relaxed);
}

fn is_silent() -> bool {
    RANK.load(Ordering::Relaxed) > 0
}

/// Reports what the program does.
pub fn status(text: impl AsRef<str>) {
    if !is_silent() {
        line(text.as_ref());
    }
}

/// Reports what is unusual and was handled.
pub fn warning(text: impl AsRef<str>) {
    if !is_silent() {
        own_warning(text);
    }
}

/// The same for what happens to this process alone, among several.
pub fn own_warning(text: impl AsRef<str>) {
    let who = match RANK.load(Ordering::Relaxed) {
        0 => String::new(),
        rank => format!("rank {rank}: "),
    };
    line(&format!("{} {who}{}", style("warning:").yellow().bold().for_stderr(), text.as_ref()));
}

/// Prints why something failed, and the next step.
pub fn failure(failure: &Failure) {
    line(&format!("{} {failure}", style("error:").red().bold().for_stderr()));
    if let Some(hint) = failure.next_step() {
        line(&format!("{} {hint}", style("hint:").cyan().bold().for_stderr()));
    }
}

/// Does the program's work and prints why it failed, an internal error included; the exit status.
pub fn exit_status<E: Into<Failure>>(work: impl FnOnce() -> Result<(), E>) -> u8 {
    std::panic::set_hook(Box::new(remember));
    // The process ends after a panic: nobody sees what it left unfinished.
    let work = || work().map_err(E::into);
    let result = std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(internal_error()));
    result.map_or_else(
        |reason| {
            failure(&reason);
            reason.kind().status()
        },
        |()| 0,
    )
}

/// The latest panics, the last one first. A panic on another thread often ends the work as a second one, without its cause.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
const MAX_PANICS: usize = 2;

/// Keeps a panic's message and place. Nothing is printed yet: what catches the panic may turn it into an error of its own.
fn remember(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let payload = panic.payload();
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    let message = payload.downcast_ref::<&str>().copied().or(owned).unwrap_or("no message");
    let message = without_trace(message).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut panics = locked(&PANICS);
    panics.insert(0, format!("{message} ({place})"));
    panics.truncate(MAX_PANICS);
}

/// The failure after a panic.
pub fn internal_error() -> Failure {
    let panics = locked(&PANICS).join(", after: ");
    Failure::failed(format!("internal error: {panics} (please report it, with the command line and the configuration)"))
}

/// Whether standard output is a terminal that a program can fill.
pub fn is_screen() -> bool {
    std::io::stdout().is_terminal()
}

/// The terminal as a whole, until it is dropped or the program panics: what was on it comes back then.
pub struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// The terminal's.
    pub fn open() -> Result<Self, Failure> {
        ratatui::try_init().map(Self).map_err(screen_failure)
    }

    /// Draws everything anew.
    ///
    /// # Errors
    /// The terminal's.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Failure> {
        self.0.draw(draw).map(|_| ()).map_err(screen_failure)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Why a terminal could not be used.
pub fn screen_failure(error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot use the terminal: {error}")).hint("Print text instead: --once.")
}

/// Progress of work of a known length: a bar on a terminal, otherwise a line every [`LINE_INTERVAL`].
pub struct Progress {
    bar: ProgressBar,
    lines: Option<Lines>,
}

struct Lines {
    label: String,
    length: u64,
    unit: Unit,
    printed: Instant,
}

/// What pieces of work are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Pieces,
    Bytes,
}

impl Unit {
    fn look(self) -> &'static str {
        match self {
            Self::Pieces => "{prefix} {bar:24} {pos}/{len} [{elapsed}<{eta}] {wide_msg}",
            Self::Bytes => {
                "{prefix} {bar:24} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} [{elapsed}<{eta}]"
            }
        }
    }

    fn written(self, pieces: u64) -> String {
        match self {
            Self::Pieces => pieces.to_string(),
            Self::Bytes => indicatif::DecimalBytes(pieces).to_string(),
        }
    }
}

const LINE_INTERVAL: Duration = Duration::from_secs(15);

impl Progress {
    /// Progress of `length` pieces of work, called `label`.
    pub fn new(label: impl Into<String>, length: u64) -> Self {
        Self::on(target(), label.into(), length, Unit::Pieces)
    }

    /// Progress of a transfer of `length` bytes, `done` of which are there already.
    pub fn of_bytes(label: impl Into<String>, done: u64, length: u64) -> Self {
        let progress = Self::on(target(), label.into(), length, Unit::Bytes);
        progress.bar.set_position(done);
        progress.bar.reset_eta();
        progress
    }

    fn on(target: ProgressDrawTarget, label: String, length: u64, unit: Unit) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let lines = (bar.is_hidden() && !is_silent()).then(|| Lines {
            label: label.clone(),
            length,
            unit,
            printed: Instant::now(),
        });
        // The templates are constants; a mistake in one would show in every run.
        if let Ok(look) = ProgressStyle::with_template(unit.look()) {
            bar.set_style(look.progress_chars("━╸─"));
        }
        bar.set_prefix(label);
        *locked(&DRAWN) = Some(bar.clone());
        Self { bar, lines }
    }

    /// `pieces` more are done; `message` describes the state of the work.
    pub fn advance(&mut self, pieces: u64, message: impl FnOnce() -> String) {
        self.bar.inc(pieces);
        match &mut self.lines {
            None => self.bar.set_message(message()),
            Some(lines) if lines.printed.elapsed() >= LINE_INTERVAL => {
                lines.printed = Instant::now();
                let [done, length] = [self.bar.position(), lines.length].map(|pieces| lines.unit.written(pieces));
                line(&format!("{} {done}/{length} {}", lines.label, message()));
            }
            Some(_) => {}
        }
    }

    /// The work is done; the bar goes away.
    pub fn finish(self) {}
}

fn target() -> ProgressDrawTarget {
    if is_silent() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(8) }
}

/// Progress that several threads make, a piece at a time; the bar goes away with it.
pub struct SharedProgress(Mutex<Progress>);

impl SharedProgress {
    /// As [`Progress::new`].
    pub fn new(label: impl Into<String>, length: u64) -> Self {
        Self(Mutex::new(Progress::new(label, length)))
    }

    /// One more piece is done.
    pub fn advance(&self) {
        locked(&self.0).advance(1, String::new);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *locked(&DRAWN) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{InMemoryTerm, TermLike};
    use std::process::Command;

    #[test]
    fn a_line_is_printed_above_the_bar() {
        let terminal = InMemoryTerm::new(10, 80);
        let mut progress = Progress::on(
            ProgressDrawTarget::term_like(Box::new(terminal.clone())),
            "reading".to_owned(),
            4,
            Unit::Pieces,
        );
        progress.advance(1, String::new);
        above_the_bar(|| terminal.write_line("warning: skipped").unwrap());
        let screen = terminal.contents();
        let bar = screen.strip_prefix("warning: skipped\n").unwrap();
        assert!(bar.starts_with("reading") && bar.contains("1/4") && bar.lines().count() == 1, "{screen}");
        progress.finish();
        above_the_bar(|| terminal.write_line("done").unwrap());
        assert_eq!(terminal.contents(), "warning: skipped\ndone");
    }

    #[test]
    fn a_transfer_is_shown_in_bytes() {
        let terminal = InMemoryTerm::new(10, 80);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut progress = Progress::on(target, "weights".to_owned(), 21_000_000, Unit::Bytes);
        progress.advance(10_500_000, String::new);
        progress.bar.tick();
        let screen = terminal.contents();
        assert!(screen.starts_with("weights") && screen.contains("10.50 MB/21.00 MB"), "{screen}");
        progress.finish();
    }

    /// What the child process of the next test does.
    const IN_CHILD: &str = "PANIC_OF_THE_TEST";

    #[test]
    fn a_panic_on_any_thread_is_one_sentence_and_status_1() {
        if let Ok(place) = std::env::var(IN_CHILD) {
            let panic = || -> Result<(), Failure> { panic!("the answer\n  is {}", 43) };
            let status = exit_status(|| match place.as_str() {
                "main" => panic(),
                "rayon" => rayon::join(panic, || ()).0,
                "thread" => std::thread::spawn(panic).join().expect("the thread ends"),
                _ => std::panic::catch_unwind(panic).unwrap_or(Ok(())),
            });
            std::process::exit(status.into());
        }
        let run = |place: &str| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "console::tests::a_panic_on_any_thread_is_one_sentence_and_status_1"]);
            let ended = child.arg("--nocapture").env(IN_CHILD, place).env("NO_COLOR", "1").output().unwrap();
            (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
        };
        for place in ["main", "rayon", "thread"] {
            let (status, errors) = run(place);
            assert_eq!(status, Some(1), "{place}: {errors}");
            assert_eq!(errors.lines().count(), 1, "{place}: {errors}");
            assert!(errors.starts_with("error: internal error: "), "{place}: {errors}");
            let sentence = "the answer is 43 (front/src/console.rs:";
            assert!(errors.contains(sentence) && errors.contains("(please report it"), "{place}: {errors}");
        }
        assert_eq!(run("caught"), (Some(0), String::new()));
    }
}
