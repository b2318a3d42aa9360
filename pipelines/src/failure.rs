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
pub(crate) fn without_trace(message: &str) -> &str {
    let end = TRACES.iter().filter_map(|trace| message.find(trace)).min().unwrap_or(message.len());
    message[..end].trim_end_matches("\\n").trim_end()
}

/// What shows that another process of the job has failed.
#[derive(Debug)]
pub enum Elsewhere {
    /// An exchange with it.
    Lost(tch_ext::Error),
    /// Its reason.
    Known(tch_ext::distributed::Failure),
}

/// An error on its way to the user: one sentence, a hint, and the exit status that it means.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
    elsewhere: Option<Box<Elsewhere>>,
}

impl Failure {
    fn new(kind: Kind, message: String) -> Self {
        Self { kind, message, hint: None, elsewhere: None }
    }

    /// Another process of the job failed and said why (exit status 1).
    pub fn of_another(reason: tch_ext::distributed::Failure) -> Self {
        let failure = Self::failed(&reason.reason);
        Self { elsewhere: Some(Box::new(Elsewhere::Known(reason))), ..failure }
    }

    /// What shows that another process of the job has failed, where this process has not.
    pub fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_deref()
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

/// Errors whose text is for the user as it is.
macro_rules! from_plain {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::failed(error)
            }
        })*
    };
}
from_plain!(eval::Error, serde_json::Error, serde_yaml::Error, tch::TchError);

/// Errors of exported files and of what runs them.
impl From<front::cli::Wrong> for Failure {
    fn from(wrong: front::cli::Wrong) -> Self {
        Self::usage(wrong.0)
    }
}

impl From<formats::Error> for Failure {
    fn from(error: formats::Error) -> Self {
        let failure = Self::failed(&error);
        match error {
            formats::Error::Library { runtime: "LiteRT", .. } => {
                failure.hint("Run tools/setup, or set LITERT to libLiteRt.so of ai-edge-litert 2.3 or later, or to its folder.")
            }
            formats::Error::Library { .. } => failure.hint(
                "Run tools/setup, or set ONNX_RUNTIME to a libonnxruntime.so of version 1.18 or later, or to its folder.",
            ),
            _ => failure,
        }
    }
}

/// Errors of libtorch, another process that is lost among them.
impl From<tch_ext::Error> for Failure {
    fn from(error: tch_ext::Error) -> Self {
        let failure = Self::failed(&error);
        match error {
            tch_ext::Error::Lost { .. } | tch_ext::Error::Missing { .. } => {
                Self { elsewhere: Some(Box::new(Elsewhere::Lost(error))), ..failure }
            }
            _ => failure,
        }
    }
}

/// Errors of heads.
impl From<heads::Error> for Failure {
    fn from(error: heads::Error) -> Self {
        match error {
            heads::Error::Backbone(error) => error.into(),
            error => Self::failed(error),
        }
    }
}

/// Errors of data: a setting or an input that cannot be used is a mistake in the command line or the configuration.
impl From<datasets::Error> for Failure {
    fn from(error: datasets::Error) -> Self {
        use datasets::Error;
        let image =
            "`pipeline data check CONFIG` lists all that is wrong with the data; data.on_error: skip leaves it out.";
        let set = "`pipeline data check CONFIG` lists all that is wrong with the data.";
        match &error {
            Error::Setting { .. } => Self::usage(format!("data: {error}")),
            Error::Input { .. } => Self::usage(error),
            Error::Stuck { .. } => {
                Self::failed(error).hint("Check the disk that holds it; data.timeout sets how long to wait for a file.")
            }
            Error::Io { action: "read", .. }
            | Error::Decode { .. }
            | Error::SizeMismatch { .. }
            | Error::Xml { .. }
            | Error::ImageMissing { .. }
            | Error::MaskId { .. }
            | Error::MaskColour { .. }
            | Error::MaskSize { .. }
            | Error::Record { .. }
            | Error::ImageList { .. } => Self::failed(error).hint(image),
            Error::Json { .. } | Error::Layout { .. } | Error::Empty { .. } => Self::failed(error).hint(set),
            _ => Self::failed(error),
        }
    }
}

/// Errors of weights that are fetched by name.
impl From<published_weights::Error> for Failure {
    fn from(error: published_weights::Error) -> Self {
        use published_weights::Error;
        let failure = match &error {
            Error::Io { action, path, cause } => Self::cannot(action, path, cause),
            Error::Name { .. } => Self::usage(&error),
            _ => Self::failed(&error),
        };
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Errors of weights and networks.
impl From<backbone::Error> for Failure {
    fn from(error: backbone::Error) -> Self {
        match error {
            backbone::Error::Exchange(error) => error.into(),
            backbone::Error::Io { action: "write", path, cause } => Self::cannot("write", &path, &cause),
            backbone::Error::SeveralNetworks { .. } | backbone::Error::NoNetworkAt { .. } => Self::failed(error)
                .hint("--key NAME chooses one; in a configuration, backbone.weights: { file: ..., key: ... }."),
            _ => Self::failed(error),
        }
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
    fn a_lost_process_is_found_below_the_errors_of_networks() {
        let lost = || tch_ext::Error::Lost { call: "normalise a batch", message: "closed".to_owned() };
        let of_backbone = || backbone::Error::from(lost());
        let failures: [Failure; 3] = [lost().into(), of_backbone().into(), heads::Error::from(of_backbone()).into()];
        assert!(failures.iter().all(|failure| matches!(failure.elsewhere(), Some(Elsewhere::Lost(_)))), "{failures:?}");
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

    #[test]
    fn the_trace_of_a_libtorch_error_is_left_out() {
        let tensor = tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu));
        let error = tensor.f_reshape([7]).unwrap_err();
        assert!(error.to_string().contains("frame #0"), "libtorch adds no trace any more: {error}");
        let failure = Failure::failed(&error);
        assert!(failure.to_string().contains("shape '[7]' is invalid"), "{failure}");
        assert!(!failure.to_string().contains('\n'), "{failure}");
    }
}
