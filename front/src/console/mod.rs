//! The one place that prints. Data goes to standard output; everything else to standard error.
//!
//! Colour and moving bars appear only on a terminal, colour never with `NO_COLOR` set.
//!
//! | module | holds |
//! |---|---|
//! | here | data, sentences, panics, the screen |
//! | [`table`] | tables |
//! | [`progress`] | bars |

mod progress;
mod table;

use console::style;
use indicatif::ProgressBar;
use ratatui::{DefaultTerminal, Frame};
use std::io::{IsTerminal, Write};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::failure::{Failure, without_trace};
pub use progress::{Progress, SharedProgress};
pub use table::Table;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

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
            let sentence = "the answer is 43 (front/src/console/mod.rs:";
            assert!(errors.contains(sentence) && errors.contains("(please report it"), "{place}: {errors}");
        }
        assert_eq!(run("caught"), (Some(0), String::new()));
    }
}
