//! A file over HTTP, resumed where an earlier transfer ended.
//!
//! `hf-hub` can resume too, but it gives a file its final name unchecked, appends a complete file to a partial one where a server
//! ignores ranges, asks for a range behind the end where only the renaming is left to do, waits without a limit for a silent server,
//! and fetches from hubs only. So the bytes are transferred here, with the same HTTP library.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode, header};

use crate::error::{Error, cannot};
use crate::progress::Progress;
use crate::settings::Patience;

/// A client that follows redirects; a token goes to the first server only.
pub(crate) fn agent(patience: &Patience) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .user_agent(concat!("mobileone/", env!("CARGO_PKG_VERSION")))
        // Sizes and ranges count the bytes of the file, not those of a compressed transfer.
        .accept_encoding("identity")
        .timeout_connect(Some(patience.silence))
        .timeout_recv_response(Some(patience.silence))
        .timeout_per_read(Some(patience.silence));
    config.build().into()
}

/// A file on a server.
pub(crate) struct Remote<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) url: String,
    /// What messages call the file.
    pub(crate) name: String,
    /// What messages call the server.
    pub(crate) host: String,
    pub(crate) token: Option<&'a str>,
    pub(crate) on_hub: bool,
}

/// Tries in a row that brought nothing.
pub(crate) struct Tries {
    left: u32,
    pause: Duration,
}

impl Tries {
    pub(crate) fn new(patience: &Patience) -> Self {
        Self { left: patience.tries, pause: patience.pause }
    }

    /// Waits before the next try, or fails with `error` where there is none.
    pub(crate) fn again(&mut self, error: Error, progress: &dyn Progress) -> Result<(), Error> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || !error.may_pass() {
            return Err(error);
        }
        progress.note(&format!("{error}; trying again"));
        std::thread::sleep(self.pause);
        self.pause *= 2;
        Ok(())
    }
}

/// How much of a file is here.
struct Part {
    file: File,
    length: u64,
}

impl Remote<'_> {
    /// The answer to a request for the bytes from `first` on, up to `last`.
    pub(crate) fn get(
        &self,
        first: u64,
        last: Option<u64>,
        unchanged: Option<&str>,
    ) -> Result<Response<ureq::Body>, Error> {
        let mut request = self.agent.get(&self.url);
        if first > 0 || last.is_some() {
            let last = last.map_or_else(String::new, |last| last.to_string());
            request = request.header(header::RANGE, format!("bytes={first}-{last}"));
            if let Some(tag) = unchanged {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        if let Some(token) = self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| self.connection(error))?;
        let is_page = |kind: &header::HeaderValue| kind.as_bytes().starts_with(b"text/html");
        match response.status() {
            StatusCode::OK if response.headers().get(header::CONTENT_TYPE).is_some_and(is_page) => {
                Err(self.answer("sent a web page instead of the file"))
            }
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
            status => Err(self.status(status.as_u16())),
        }
    }

    /// Completes `part`, a file that may hold the beginning, to `size` bytes; tries again while a try brings something.
    /// `unchanged` is the tag that the beginning belongs to.
    pub(crate) fn complete(
        &self,
        part: &Path,
        size: u64,
        unchanged: Option<&str>,
        patience: &Patience,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        // Not opened for appending: where a file system grants a lock to several processes, they write the same bytes.
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(part).map_err(cannot("write", part))?;
        let length = file.metadata().map_err(cannot("read", part))?.len();
        let mut part_of = Part { file, length };
        if part_of.length > size {
            part_of.empty(part)?;
        }
        let mut tries = Tries::new(patience);
        progress.begin(part_of.length, size);
        while part_of.length < size {
            let before = part_of.length;
            let Err(error) = self.receive(&mut part_of, part, size, unchanged, progress) else { continue };
            if part_of.length > before {
                tries = Tries::new(patience);
            }
            tries.again(error, progress)?;
        }
        part_of.file.sync_all().map_err(cannot("write", part))
    }

    fn receive(
        &self,
        part: &mut Part,
        path: &Path,
        size: u64,
        unchanged: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let response = self.get(part.length, None, unchanged)?;
        let stated = match response.status() {
            StatusCode::PARTIAL_CONTENT => content_range(&response).filter(|(first, _)| *first == part.length),
            StatusCode::OK => {
                if part.length > 0 {
                    part.empty(path)?;
                    progress.note("the server cannot resume the download, or the file has changed: starting anew");
                    progress.begin(0, size);
                }
                Some((0, content_length(&response).unwrap_or(size)))
            }
            _ => None,
        };
        match stated {
            Some((_, total)) if total == size => {}
            Some((_, total)) => return Err(self.answer(format!("sends {total} bytes, but stated {size}"))),
            None => {
                part.empty(path)?;
                return Err(self.answer("sent another part of the file than was asked for"));
            }
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match body.read(&mut buffer) {
                Ok(0) if part.length < size => return Err(self.cut(part.length, size)),
                Ok(0) => return Ok(()),
                Ok(length) if part.length + length as u64 > size => {
                    part.empty(path)?;
                    return Err(self.answer(format!("sends more than the {size} bytes that it stated")));
                }
                Ok(length) => {
                    part.file.write_all_at(&buffer[..length], part.length).map_err(cannot("write", path))?;
                    part.length += length as u64;
                    progress.advance(length as u64);
                }
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Err(self.cut(part.length, size));
                }
                Err(error) => return Err(self.connection(error.into())),
            }
        }
    }

    pub(crate) fn answer(&self, what: impl Into<String>) -> Error {
        Error::Answer { name: self.name.clone(), host: self.host.clone(), what: what.into() }
    }

    pub(crate) fn status(&self, status: u16) -> Error {
        Error::Status {
            name: self.name.clone(),
            host: self.host.clone(),
            status,
            token: self.token.is_some(),
            on_hub: self.on_hub,
        }
    }

    pub(crate) fn connection(&self, error: ureq::Error) -> Error {
        let reason = match error {
            ureq::Error::StatusCode(status) => return self.status(status),
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::Timeout(_) => return self.silent(),
            other => other.to_string(),
        };
        Error::Connection { name: self.name.clone(), host: self.host.clone(), reason }
    }

    pub(crate) fn silent(&self) -> Error {
        let reason = "the server does not answer".to_owned();
        Error::Connection { name: self.name.clone(), host: self.host.clone(), reason }
    }

    fn cut(&self, received: u64, size: u64) -> Error {
        Error::Cut { name: self.name.clone(), host: self.host.clone(), received, size }
    }
}

impl Part {
    fn empty(&mut self, path: &Path) -> Result<(), Error> {
        self.length = 0;
        self.file.set_len(0).map_err(cannot("write", path))
    }
}

/// The first byte of a partial answer and the size of the complete file.
pub(crate) fn content_range(response: &Response<ureq::Body>) -> Option<(u64, u64)> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()?))
}

pub(crate) fn content_length(response: &Response<ureq::Body>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
