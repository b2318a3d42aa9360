//! Answers requests from this machine. An image is asked for by its number, never by a path.

use httparse::{EMPTY_HEADER, Request, Status};
use serde::Serialize;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::listing::Listing;
use super::page::{self, Kept};
use super::pictures::{Kind, Pictures, Side};
use crate::console;
use crate::failure::Failure;

/// How long a request may take to come: browsers open connections ahead that they may never use.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest request without a body, and its most headers.
const MOST_BYTES: usize = 16 << 10;
const MOST_HEADERS: usize = 64;

/// A page with its data at 127.0.0.1.
pub(super) struct Server {
    listener: TcpListener,
    port: u16,
    content: Content,
}

/// What is served.
struct Content {
    page: String,
    listing: Listing,
    pictures: Pictures,
    /// The names that a browser may know this server by. A page of another site whose name resolves to this machine has another one.
    hosts: [String; 2],
}

/// An answer: its type, and what it is.
struct Answer {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

impl Server {
    /// Takes a port, or any that is free for 0.
    pub(super) fn open(port: u16, listing: Listing, pictures: Pictures) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::failed(format!("cannot listen at 127.0.0.1:{port}: {error}"))
                .hint("Name another port with --port, or none.")
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let content = Content::new(port, listing, pictures)?;
        Ok(Self { listener, port, content })
    }

    /// The address of the page.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Answers until the process ends: a connection in a thread of its own, for one request.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { listener, content, .. } = self;
        let content = Arc::new(content);
        loop {
            match listener.accept() {
                Ok((connection, _)) => {
                    let content = Arc::clone(&content);
                    // What goes wrong is the browser's: it left, or wants the answer no more.
                    thread::spawn(move || content.serve(connection).ok());
                }
                Err(error) => {
                    console::warning(format!("cannot take a connection: {error}"));
                    thread::sleep(Duration::from_millis(200));
                }
            }
        }
    }
}

impl Content {
    fn new(port: u16, listing: Listing, pictures: Pictures) -> Result<Self, Failure> {
        Ok(Self {
            page: page::html(&listing, pictures.seed(), &Kept::default())?,
            listing,
            pictures,
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        })
    }

    /// Reads a request and answers it.
    fn serve(&self, mut connection: TcpStream) -> io::Result<()> {
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let mut bytes = Vec::new();
        let (answer, has_body) = loop {
            let mut piece = [0; 2048];
            let length = connection.read(&mut piece)?;
            bytes.extend_from_slice(&piece[..length]);
            let mut headers = [EMPTY_HEADER; MOST_HEADERS];
            let mut request = Request::new(&mut headers);
            match request.parse(&bytes) {
                Ok(Status::Complete(_)) => break (self.respond(&request), request.method != Some("HEAD")),
                Ok(Status::Partial) if length == 0 => return Ok(()),
                Ok(Status::Partial) if bytes.len() <= MOST_BYTES => {}
                _ => break (Answer::text(400, "this is not a request"), true),
            }
        };
        let Answer { status, kind, body } = answer;
        write!(
            connection,
            "HTTP/1.1 {status} \r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: private, max-age=600\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        if has_body { connection.write_all(&body) } else { Ok(()) }
    }

    fn respond(&self, request: &Request<'_, '_>) -> Answer {
        let host = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
        let known = host.is_some_and(|host| self.hosts.iter().any(|known| known.as_bytes() == host.value));
        match (known, request.method, request.path) {
            (false, ..) => Answer::text(403, "this server is for pages at 127.0.0.1 only"),
            (true, Some("GET" | "HEAD"), Some(path)) => self.answer(path),
            (true, ..) => Answer::text(405, "nothing can be changed here"),
        }
    }

    fn answer(&self, url: &str) -> Answer {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            [""] => Answer { status: 200, kind: "text/html; charset=utf-8", body: self.page.clone().into_bytes() },
            ["image", size @ ("small" | "large"), file] => self.picture(Kind::Image, size, file),
            ["mask", size @ ("small" | "large"), file] => self.picture(Kind::Mask, size, file),
            ["augmented.json"] => {
                let asked = |name: &str| {
                    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<u64>().ok())
                };
                let [first, count, epoch, seed] = ["first", "count", "epoch", "seed"].map(asked);
                let (Some(first), Some(count), Some(epoch), Some(seed)) = (first, count, epoch, seed) else {
                    return Answer::text(400, "first, count, epoch and seed are numbers from 0");
                };
                Answer::json(&self.pictures.augmented(first as usize, count as usize, epoch, seed))
            }
            _ => Answer::nothing(),
        }
    }

    fn picture(&self, kind: Kind, size: &str, file: &str) -> Answer {
        let side = if size == "large" { Side::Large } else { Side::Small };
        let number = file.strip_suffix(kind.ending()).and_then(|name| name.strip_suffix('.')?.parse().ok());
        let Some(number) = number else { return Answer::nothing() };
        let kind_of_file = match kind {
            Kind::Image => "image/jpeg",
            Kind::Mask => "image/png",
        };
        match self.pictures.picture(&self.listing, kind, number, side) {
            Ok(Some(body)) => Answer { status: 200, kind: kind_of_file, body },
            Ok(None) => Answer::nothing(),
            Err(failure) => Answer::text(404, &failure.to_string()),
        }
    }
}

impl Answer {
    fn text(status: u16, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: text.as_bytes().to_vec() }
    }

    fn nothing() -> Self {
        Self::text(404, "there is nothing here")
    }

    fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status: 200, kind: "application/json", body },
            Err(error) => Self::text(500, &error.to_string()),
        }
    }
}
