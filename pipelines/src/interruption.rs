//! Signals that ask a run to end: Ctrl-C, and those that a system or a batch queue sends before it stops a job.

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::failure::Failure;

/// SIGUSR1 is what SLURM sends ahead of its time limit where a job asks for it (`--signal=USR1@120`).
const SIGNALS: [(i32, &str); 3] = [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGUSR1, "SIGUSR1")];

/// Whether the program was asked to end. It ends at the next point where nothing is lost; a second signal ends it at once.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    /// The signal's number, or 0.
    signal: Arc<AtomicUsize>,
}

impl Interruption {
    /// Handles the signals from now on.
    ///
    /// # Errors
    /// When the operating system does not allow it.
    pub fn listen() -> Result<Self, Failure> {
        let interruption = Self::default();
        let asked = Arc::new(AtomicBool::new(false));
        for (signal, name) in SIGNALS {
            // In this order: the first signal finds the flag not set, and sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&interruption.signal), signal as usize))
                .map_err(|error| Failure::failed(format!("cannot handle {name}: {error}")))?;
        }
        Ok(interruption)
    }

    /// The number of the signal that has asked the program to end.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::Relaxed) as i32).filter(|signal| *signal != 0)
    }

    /// How the program ends after that signal.
    pub fn failure(signal: i32) -> Failure {
        let name = SIGNALS.iter().find(|(number, _)| *number == signal).map_or("a signal", |(_, name)| *name);
        Failure::interrupted(signal, format!("interrupted by {name}"))
    }
}
