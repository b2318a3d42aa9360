//! How a command fails: an exit status, one sentence, and a next step where there is one.

use std::ops::Deref;
use std::path::Path;
use std::{fmt, io};

pub use front::failure::Kind;

/// What shows that another process of the job has failed.
#[derive(Debug)]
pub enum Elsewhere {
    /// An exchange with it.
    Lost(tch_ext::Error),
    /// Its reason.
    Known(tch_ext::distributed::Failure),
}

/// [`front::failure::Failure`], and whether another process of the job has failed.
#[derive(Debug)]
pub struct Failure {
    plain: front::failure::Failure,
    elsewhere: Option<Box<Elsewhere>>,
}

impl Failure {
    /// Another process of the job failed and said why (exit status 1).
    pub fn of_another(reason: tch_ext::distributed::Failure) -> Self {
        let failure = Self::failed(&reason.reason);
        Self { elsewhere: Some(Box::new(Elsewhere::Known(reason))), ..failure }
    }

    /// What shows that another process of the job has failed, where this process has not.
    pub fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_deref()
    }

    /// As [`front::failure::Failure::failed`].
    pub fn failed(message: impl fmt::Display) -> Self {
        front::failure::Failure::failed(message).into()
    }

    /// As [`front::failure::Failure::usage`].
    pub fn usage(message: impl fmt::Display) -> Self {
        front::failure::Failure::usage(message).into()
    }

    /// As [`front::failure::Failure::cannot`].
    pub fn cannot(action: &str, path: &Path, error: &io::Error) -> Self {
        front::failure::Failure::cannot(action, path, error).into()
    }

    /// As [`front::failure::Failure::interrupted`].
    pub fn interrupted(signal: i32, message: impl fmt::Display) -> Self {
        front::failure::Failure::interrupted(signal, message).into()
    }

    /// As [`front::failure::Failure::hint`].
    pub fn hint(self, hint: impl fmt::Display) -> Self {
        Self { plain: self.plain.hint(hint), ..self }
    }

    /// As [`front::failure::Failure::hint_also`].
    pub fn hint_also(self, hint: impl fmt::Display) -> Self {
        Self { plain: self.plain.hint_also(hint), ..self }
    }

    /// As [`front::failure::Failure::and`].
    pub fn and(self, words: impl fmt::Display) -> Self {
        Self { plain: self.plain.and(words), ..self }
    }
}

impl Deref for Failure {
    type Target = front::failure::Failure;

    fn deref(&self) -> &Self::Target {
        &self.plain
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain.fmt(out)
    }
}

impl std::error::Error for Failure {}

impl From<front::failure::Failure> for Failure {
    fn from(plain: front::failure::Failure) -> Self {
        Self { plain, elsewhere: None }
    }
}

impl From<Failure> for front::failure::Failure {
    fn from(failure: Failure) -> Self {
        failure.plain
    }
}

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
    fn a_lost_process_is_found_below_the_errors_of_networks() {
        let lost = || tch_ext::Error::Lost { call: "normalise a batch", message: "closed".to_owned() };
        let of_backbone = || backbone::Error::from(lost());
        let failures: [Failure; 3] = [lost().into(), of_backbone().into(), heads::Error::from(of_backbone()).into()];
        assert!(failures.iter().all(|failure| matches!(failure.elsewhere(), Some(Elsewhere::Lost(_)))), "{failures:?}");
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
