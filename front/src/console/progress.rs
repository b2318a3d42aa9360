//! Progress of work that takes long.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{DRAWN, is_silent, line, locked};

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
    use super::super::above_the_bar;
    use super::*;
    use indicatif::{InMemoryTerm, TermLike};

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
}
