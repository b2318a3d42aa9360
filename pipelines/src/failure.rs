//! How a command ends when it does not end well: an exit status, one sentence, and where there is one, a next step.

use std::fmt;

/// Why a command did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The work failed: exit status 1.
    Failed,
    /// The command line or the configuration is wrong: exit status 2.
    Usage,
    /// The user interrupted the work, which was saved first: exit status 130.
    Interrupted,
}

impl Kind {
    /// The process's exit status.
    pub fn status(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Interrupted => 130,
        }
    }
}

/// An error on its way to the user: one sentence, a hint, and the exit status that it means.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Work that failed (exit status 1).
    pub fn failed(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Failed, message: message.to_string(), hint: None }
    }

    /// A wrong command line or configuration (exit status 2).
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Usage, message: message.to_string(), hint: None }
    }

    /// Work that was interrupted and saved (exit status 130).
    pub fn interrupted(message: impl fmt::Display) -> Self {
        Self { kind: Kind::Interrupted, message: message.to_string(), hint: None }
    }

    /// Adds the next step.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// What kind of end this is.
    pub fn kind(&self) -> Kind {
        self.kind
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

/// What libtorch refused.
impl From<tch_ext::Error> for Failure {
    fn from(error: tch_ext::Error) -> Self {
        Self::failed(error)
    }
}
