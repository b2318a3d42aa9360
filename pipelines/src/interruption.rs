//! Signals that ask a run to end: Ctrl-C, and those that a system or a batch queue sends before it stops a job.

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// SIGUSR1 is what SLURM sends ahead of its time limit where a job asks for it (`--signal=USR1@120`).
const SIGNALS: [(i32, &str); 3] = [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGUSR1, "SIGUSR1")];

/// The same signal so soon after the first one is the same request: SLURM sends it to all processes of a step, of which those that
/// have started others pass it on.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// Whether the program was asked to end. It ends at the next point where nothing is lost; another signal ends it at once.
#[derive(Clone, Debug, Default)]
pub struct Interruption {
    /// The signal's number, or 0.
    signal: Arc<AtomicI32>,
}

impl Interruption {
    /// Handles the signals from now on.
    ///
    /// # Errors
    /// When the operating system does not allow it.
    pub fn listen() -> Result<Self, Failure> {
        let cannot = |error| Failure::failed(format!("cannot handle signals: {error}"));
        let mut signals = Signals::new(SIGNALS.map(|(signal, _)| signal)).map_err(cannot)?;
        let interruption = Self::default();
        let own = interruption.clone();
        let listener = move || {
            let mut asked: Option<(i32, Instant)> = None;
            for signal in signals.forever() {
                match asked {
                    Some((first, since)) if signal == first && since.elapsed() < SAME_REQUEST => {}
                    Some(_) => exit(128 + signal),
                    None => {
                        asked = Some((signal, Instant::now()));
                        own.signal.store(signal, Ordering::Relaxed);
                    }
                }
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listener).map_err(cannot)?;
        Ok(interruption)
    }

    /// The number of the signal that has asked the program to end.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// How the program ends after that signal.
    pub fn failure(signal: i32) -> Failure {
        let name = SIGNALS.iter().find(|(number, _)| *number == signal).map_or("a signal", |(_, name)| *name);
        Failure::interrupted(signal, format!("interrupted by {name}"))
    }
}
