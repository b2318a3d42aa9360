//! How a command fails: an exit status, one sentence, and a next step where there is one.

use std::path::Path;
use std::{fmt, io};

/// Why a command did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The work failed: exit status 1.
    Failed,
    /// The command line or the configuration is wrong: exit status 2.
    Usage,
    /// A signal of this number ended the work, which was saved first: exit status 128 plus the number, as in shells.
    Interrupted(i32),
}

impl Kind {
    /// The process's exit status.
    pub fn status(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Interrupted(signal) => 128_u8.saturating_add(signal as u8),
        }
    }
}

/// What the traces that libtorch adds to its errors begin with.
const TRACES: [&str; 3] = ["Exception raised from", "C++ CapturedTraceback", "Traceback of TorchScript"];

/// A message without the trace of calls that libtorch adds on the lines after it, escaped where the message is quoted.
pub fn without_trace(message: &str) -> &str {
    let end = TRACES.iter().filter_map(|trace| message.find(trace)).min().unwrap_or(message.len());
    message[..end].trim_end_matches("\\n").trim_end()
}

/// An error on its way to the user: one sentence, a hint, and the exit status that it means.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    fn new(kind: Kind, message: String) -> Self {
        Self { kind, message, hint: None }
    }

    /// Work that failed (exit status 1). The trace of calls in libtorch's errors is removed.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Kind::Failed, without_trace(&message.to_string()).to_owned())
    }

    /// A wrong command line or configuration (exit status 2).
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message.to_string())
    }

    /// A file or folder that could not be used (exit status 1): `cannot ACTION PATH: REASON`.
    pub fn cannot(action: &str, path: &Path, error: &io::Error) -> Self {
        let failure = Self::failed(format!("cannot {action} {}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failure.hint("Free some space on that disk."),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if action != "read" => {
                failure.hint("Name a folder that may be written to: -o FOLDER.")
            }
            _ => failure,
        }
    }

    /// Work that a signal ended and that was saved (exit status 128 + `signal`).
    pub fn interrupted(signal: i32, message: impl fmt::Display) -> Self {
        Self::new(Kind::Interrupted(signal), message.to_string())
    }

    /// Adds the next step.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// How the command ends.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Continues the sentence.
    pub fn and(mut self, words: impl fmt::Display) -> Self {
        self.message = format!("{} {words}", self.message);
        self
    }

    /// Adds a further next step.
    pub fn hint_also(self, hint: impl fmt::Display) -> Self {
        let hint = match &self.hint {
            Some(known) => format!("{known} {hint}"),
            None => hint.to_string(),
        };
        self.hint(hint)
    }

    /// The next step, where there is one.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<eval::Error> for Failure {
    fn from(error: eval::Error) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_with_the_status_that_shells_use() {
        assert_eq!(Failure::interrupted(2, "").kind().status(), 130);
        assert_eq!(Failure::interrupted(15, "").kind().status(), 143);
        assert_eq!(Failure::interrupted(10, "").kind().status(), 138);
    }

    #[test]
    fn a_place_that_may_not_be_written_to_leads_to_another() {
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        let hint = |action: &str| {
            Failure::cannot(action, Path::new("runs/a/report.json"), &refused).next_step().map(str::to_owned)
        };
        assert!(hint("write").is_some_and(|hint| hint.contains("-o FOLDER")));
        assert_eq!(hint("read"), None);
    }
}
