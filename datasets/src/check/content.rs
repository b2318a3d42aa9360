//! One image file: read, hashed, decoded.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;
use crate::image::{Encoded, Header, PixelOptions, Reduction};
use crate::loader::panic_message;
use crate::survey::is_nearly_black;

/// The first half of SHA-256: 128 bits, which two different files do not share by chance, nor at a bearable cost by intent.
pub(super) type Hash = [u8; 16];

/// What is known of a file, as far as it can be read.
pub(super) struct ImageFile {
    pub(super) hash: Option<Hash>,
    pub(super) bytes: u64,
    /// Known where the file is complete.
    pub(super) header: Option<Header>,
    /// More than eight bits, and nearly black as it is read.
    pub(super) nearly_black: bool,
    /// Why it cannot be decoded.
    pub(super) failure: Option<Error>,
}

impl ImageFile {
    pub(super) fn examine(path: &Path, pixels: PixelOptions) -> ImageFile {
        let mut file = ImageFile { hash: None, bytes: 0, header: None, nearly_black: false, failure: None };
        let examined = catch_unwind(AssertUnwindSafe(|| file.read(path, pixels)));
        file.failure = match examined {
            Ok(read) => read.err(),
            Err(panic) => Some(Error::Panicked { path: path.to_path_buf(), message: panic_message(panic.as_ref()) }),
        };
        file
    }

    fn read(&mut self, path: &Path, pixels: PixelOptions) -> Result<(), Error> {
        let about = fs::metadata(path).map_err(Error::io("read", path))?;
        if !about.is_file() {
            // Reading a pipe may never end.
            return Err(Error::io("read", path)(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
        }
        let bytes = fs::read(path).map_err(Error::io("read", path))?;
        self.bytes = bytes.len() as u64;
        self.hash = Sha256::digest(&bytes).first_chunk().copied();
        let encoded = Encoded::new(bytes, path)?;
        self.header = Some(*encoded.header());
        let image = encoded.decode(&pixels, Reduction::None)?;
        self.nearly_black = encoded.header().bits > 8 && is_nearly_black(&image);
        Ok(())
    }
}
