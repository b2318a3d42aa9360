//! The ONNX Runtime that runs files: a shared library at a stated place.
//!
//! The environment variable `ONNX_RUNTIME` names the library or its folder, when the program is built and when it runs; the second
//! comes first. The system's folders are never searched.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::LoadDynamicError;
use tch_ext::onnx_runtime;

use crate::Error;

const RUNTIME: &str = "ONNX Runtime";
const VARIABLE: &str = "ONNX_RUNTIME";
/// What [`VARIABLE`] was when this program was built.
const BUILT_WITH: Option<&str> = option_env!("ONNX_RUNTIME");
/// The names of the library in a folder: that of the release that `tools/setup` fetches, and that of other installations.
const NAMES: [&str; 2] = ["libonnxruntime.so.1.32.0", "libonnxruntime.so"];

static LOADED: Mutex<Option<Library>> = Mutex::new(None);

/// A loaded ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its file.
    pub path: PathBuf,
    /// Its version, as "1.32.0".
    pub version: String,
}

impl Library {
    /// Loads the library where this was not yet done; it stays loaded.
    ///
    /// # Errors
    /// [`Error::Library`] where there is none, and where it cannot be loaded or is too old; [`Error::Telemetry`].
    pub fn load() -> Result<Self, Error> {
        // A panic under the lock leaves it empty.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            return Ok(library.clone());
        }
        let library = Self::load_from(&find()?)?;
        *loaded = Some(library.clone());
        Ok(library)
    }

    fn load_from(path: &Path) -> Result<Self, Error> {
        if !onnx_runtime::telemetry_is_disabled() {
            return Err(Error::Telemetry { variable: onnx_runtime::TELEMETRY_VARIABLE });
        }
        let version = onnx_runtime::version(path).map_err(|error| match error {
            tch_ext::Error::Library { reason, .. } => unusable(path, &reason),
            error => unusable(path, &error.to_string()),
        })?;
        let environment = ort::init_from(path).map_err(|error| match error {
            LoadDynamicError::BadVersion { .. } => {
                let oldest = ort::MINOR_VERSION;
                unusable(path, &format!("it is version {version}, and 1.{oldest} or later is needed"))
            }
            error => unusable(path, &error.to_string()),
        })?;
        environment.with_name("pipeline").with_telemetry(false).commit();
        Ok(Self { path: path.to_owned(), version })
    }
}

fn unusable(path: &Path, reason: &str) -> Error {
    let path = path.display();
    // The loader begins with the path, too.
    let reason = reason.strip_prefix(&format!("{path}: ")).unwrap_or(reason);
    Error::Library { runtime: RUNTIME, reason: format!("cannot load {path}: {reason}") }
}

/// The file of the library, by its full path: the loader looks for other names in the system's folders.
fn find() -> Result<PathBuf, Error> {
    let given = env::var_os(VARIABLE).filter(|place| !place.is_empty()).map(PathBuf::from);
    let place = given.or_else(|| BUILT_WITH.map(PathBuf::from));
    let place = place.ok_or_else(|| Error::Library {
        runtime: RUNTIME,
        reason: format!("{VARIABLE} is not set, and was not when this program was built"),
    })?;
    let absent = |what: &str| Error::Library { runtime: RUNTIME, reason: format!("{} {what}", place.display()) };
    if !place.exists() {
        return Err(absent("does not exist"));
    }
    let file = match place.is_dir() {
        true => NAMES.iter().map(|name| place.join(name)).find(|file| file.exists()),
        false => Some(place.clone()),
    };
    let file = file.ok_or_else(|| absent(&format!("has neither {} nor {}", NAMES[0], NAMES[1])))?;
    file.canonicalize().map_err(|cause| Error::Io { action: "read", path: file, cause })
}
