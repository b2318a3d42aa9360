//! Answers requests from this machine. An image is asked for by its number, never by a path.

use serde::Serialize;
use serde_json::json;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use tiny_http::{Header, Method, Request, Response};

use super::listing::Listing;
use super::pictures::Pictures;
use crate::console;
use crate::failure::Failure;
use crate::report::page::{self, STYLE};

const TEMPLATE: &str = include_str!("page.html");
const OWN_STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The longer side of a picture in the list, and of one alone.
const SMALL: usize = 240;
const LARGE: usize = 1600;

/// A page with its data at 127.0.0.1.
pub(super) struct Server {
    http: tiny_http::Server,
    port: u16,
    content: Content,
}

/// What is served.
struct Content {
    page: String,
    /// The listing as JSON.
    items: Vec<u8>,
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
        let failed = |error: &dyn std::fmt::Display| {
            Failure::failed(format!("cannot listen at 127.0.0.1:{port}: {error}"))
                .hint("Name another port with --port, or none.")
        };
        let http = tiny_http::Server::http((Ipv4Addr::LOCALHOST, port)).map_err(|error| failed(&error))?;
        let address = http.server_addr().to_ip().ok_or_else(|| failed(&"it has no address"))?;
        let port = address.port();
        let content = Content::new(port, listing, pictures)?;
        Ok(Self { http, port, content })
    }

    /// The address of the page.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Answers until the process ends.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { http, content, .. } = self;
        let shared = Arc::new((http, content));
        let threads = thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        let work = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (http, content) = &*shared;
                while let Ok(request) = http.recv() {
                    content.respond(request);
                }
            })
        };
        let workers: Vec<_> = (0..threads).map(work).collect();
        for worker in workers {
            worker.join().map_err(|_| console::internal_error())?;
        }
        Err(Failure::failed("the server ended: it can take no more connections"))
    }
}

impl Content {
    fn new(port: u16, listing: Listing, pictures: Pictures) -> Result<Self, Failure> {
        let (samples, seed) = pictures.training();
        let view = json!({
            "title": listing.title, "style": STYLE, "own_style": OWN_STYLE, "script": SCRIPT,
            "script_hash": page::script_hash(SCRIPT), "samples": samples, "seed": seed,
        });
        Ok(Self {
            page: page::render(TEMPLATE, view)?,
            items: serde_json::to_vec(&listing).map_err(Failure::failed)?,
            listing,
            pictures,
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        })
    }

    fn respond(&self, request: Request) {
        let host = request.headers().iter().find(|header| header.field.equiv("Host"));
        let known = host.is_some_and(|host| self.hosts.iter().any(|known| known == host.value.as_str()));
        let answer = match (known, request.method()) {
            (false, _) => Answer::text(403, "this server is for pages at 127.0.0.1 only"),
            (true, Method::Get | Method::Head) => self.answer(request.url()),
            (true, _) => Answer::text(405, "nothing can be changed here"),
        };
        let headers = [
            ("Content-Type", answer.kind),
            ("Cache-Control", "private, max-age=600"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        let headers = headers.into_iter().filter_map(|(name, value)| Header::from_bytes(name, value).ok());
        let empty = Response::from_data(answer.body).with_status_code(answer.status);
        // A browser that scrolled on does not want the answer any more.
        let _ = request.respond(headers.fold(empty, Response::with_header));
    }

    fn answer(&self, url: &str) -> Answer {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number < self.listing.files.len());
        match parts[..] {
            [""] => Answer { status: 200, kind: "text/html; charset=utf-8", body: self.page.clone().into_bytes() },
            ["items.json"] => Answer { status: 200, kind: "application/json", body: self.items.clone() },
            ["image", text, size @ ("small" | "large")] => match number(text) {
                Some(number) => Answer::of_image(
                    "image/jpeg",
                    self.pictures.image(&self.listing.files[number], side(size)).map(Some),
                ),
                None => Answer::nothing(),
            },
            ["mask", text, size @ ("small" | "large")] => match number(text) {
                Some(number) => {
                    Answer::of_image("image/png", self.pictures.mask(self.listing.places[number], side(size)))
                }
                None => Answer::nothing(),
            },
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
}

fn side(size: &str) -> usize {
    if size == "large" { LARGE } else { SMALL }
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

    fn of_image(kind: &'static str, made: Result<Option<Vec<u8>>, Failure>) -> Self {
        match made {
            Ok(Some(body)) => Self { status: 200, kind, body },
            Ok(None) => Self::nothing(),
            Err(failure) => Self::text(404, &failure.to_string()),
        }
    }
}
