//! The LiteRT library that runs files, at a stated place.
//!
//! The environment variable `LITERT` names the library or its folder, when the program is built and when it runs; the second comes
//! first. The system's folders are never searched.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tch_ext::litert::Runtime;

use crate::Error;

const VARIABLE: &str = "LITERT";
/// What [`VARIABLE`] was when this program was built.
const BUILT_WITH: Option<&str> = option_env!("LITERT");
/// The name of the library in a folder, as the Python package `ai-edge-litert` has it.
const NAME: &str = "libLiteRt.so";

static LOADED: Mutex<Option<Library>> = Mutex::new(None);

/// A loaded LiteRT library. It cannot say its version.
#[derive(Debug, Clone)]
pub struct Library {
    /// Its file.
    pub path: PathBuf,
    runtime: &'static Runtime,
}

impl Library {
    /// Loads the library where this was not yet done; it stays loaded.
    ///
    /// # Errors
    /// [`Error::Library`] where there is none, and where it cannot be loaded or is too old.
    pub fn load() -> Result<Self, Error> {
        // A panic under the lock leaves it empty.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            return Ok(library.clone());
        }
        let library = Self::load_from(find()?)?;
        *loaded = Some(library.clone());
        Ok(library)
    }

    fn load_from(path: PathBuf) -> Result<Self, Error> {
        let runtime = Runtime::load(&path).map_err(|reason| unusable(&path, &reason))?;
        Ok(Self { path, runtime: Box::leak(Box::new(runtime)) })
    }

    pub(super) fn runtime(&self) -> &'static Runtime {
        self.runtime
    }
}

fn missing(reason: String) -> Error {
    Error::Library { runtime: "LiteRT", reason }
}

fn unusable(path: &Path, reason: &str) -> Error {
    let path = path.display();
    // The loader begins with the path, too.
    let reason = reason.strip_prefix(&format!("{path}: ")).unwrap_or(reason);
    missing(format!("cannot load {path}: {reason}"))
}

/// The file of the library, by its full path: the loader looks for other names in the system's folders.
fn find() -> Result<PathBuf, Error> {
    let given = env::var_os(VARIABLE).filter(|place| !place.is_empty()).map(PathBuf::from);
    let place = given.or_else(|| BUILT_WITH.map(PathBuf::from));
    let place =
        place.ok_or_else(|| missing(format!("{VARIABLE} is not set, and was not when this program was built")))?;
    if !place.exists() {
        return Err(missing(format!("{} does not exist", place.display())));
    }
    let file = if place.is_dir() { place.join(NAME) } else { place.clone() };
    if !file.exists() {
        return Err(missing(format!("{} has no {NAME}", place.display())));
    }
    file.canonicalize().map_err(|cause| Error::Io { action: "read", path: file, cause })
}
