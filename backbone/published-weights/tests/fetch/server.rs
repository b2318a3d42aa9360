//! A server on 127.0.0.1 that looks like a hub with its storage, and like a server of files. It can misbehave.
//!
//! | path | answers |
//! |---|---|
//! | `/ORG/REPOSITORY/resolve/REVISION/FILE` | a redirect to the storage, with the headers of a hub |
//! | `/storage/...` | the file, or a range of it |
//! | `/files/NAME` | the same, with an entity tag |

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What a server does differently from a good one.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// Refuses the hub's files without this token.
    pub token: Option<String>,
    /// Answers every request with this status.
    pub status: Option<u16>,
    /// Closes the connection after so many bytes of the file, once each.
    pub cuts: Vec<usize>,
    /// Falls silent instead of closing the connection.
    pub falls_silent: bool,
    /// Sends so many bytes more than the file has.
    pub surplus: i64,
    /// Always sends the complete file.
    pub ignores_ranges: bool,
    /// Answers with a web page, as a login page of a network does.
    pub is_login_page: bool,
    /// Waits before it sends a file.
    pub delay: Duration,
}

/// A file on the server.
#[derive(Clone)]
pub struct Served {
    pub bytes: Vec<u8>,
    /// The entity tag, without quotes.
    pub tag: String,
    pub commit: String,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub host: String,
    pub range: Option<String>,
    pub token: Option<String>,
}

#[derive(Default)]
struct Shared {
    behaviour: Behaviour,
    files: HashMap<String, Served>,
    requests: Vec<Request>,
}

#[derive(Clone)]
pub struct Server {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), shared: Arc::default() };
        let running = server.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = running.clone();
                // The client may hang up at any time.
                std::thread::spawn(move || drop(server.answer(connection)));
            }
        });
        server
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.shared().behaviour = behaviour;
    }

    /// Serves a file of a repository under `main` and its commit.
    pub fn serve(&self, repository: &str, file: &str, served: &Served) {
        for revision in ["main", &served.commit] {
            let path = format!("/{repository}/resolve/{revision}/{file}");
            self.shared().files.insert(path, served.clone());
        }
        self.shared().files.insert(format!("/storage/{repository}/{file}"), served.clone());
    }

    /// Serves a file at a plain address.
    pub fn serve_file(&self, name: &str, served: &Served) {
        self.shared().files.insert(format!("/files/{name}"), served.clone());
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared().requests.clone()
    }

    /// The ranges that were asked for, without the questions for the size.
    pub fn transfers(&self) -> Vec<Option<String>> {
        let is_file = |request: &&Request| request.path.starts_with("/storage/") || request.path.starts_with("/files/");
        let requests = self.requests();
        let ranges = requests.iter().filter(is_file).map(|request| request.range.clone());
        ranges.filter(|range| range.as_deref() != Some("bytes=0-0")).collect()
    }

    fn answer(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(connection.try_clone()?).lines();
        let path = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let header = |name: &str| headers.get(name).cloned();
        let token = header("authorization").map(|value| value.trim_start_matches("Bearer ").to_owned());
        let request =
            Request { path: path.clone(), host: header("host").unwrap_or_default(), range: header("range"), token };
        let (behaviour, file) = {
            let mut shared = self.shared();
            shared.requests.push(request.clone());
            (shared.behaviour.clone(), shared.files.get(&path).cloned())
        };

        let on_hub = path.contains("/resolve/");
        let refused = on_hub && behaviour.token.is_some() && behaviour.token != request.token;
        if behaviour.is_login_page {
            let page = "<html>Please log in.</html>";
            return write!(
                connection,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\r\n{page}",
                page.len()
            );
        }
        let status = behaviour.status.or(refused.then_some(401)).or(file.is_none().then_some(404));
        if let Some(status) = status {
            return write!(connection, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        let Some(file) = file else { return Ok(()) };
        if on_hub {
            let storage = path.split("/resolve/").next().unwrap_or_default();
            let name = path.splitn(6, '/').nth(5).unwrap_or_default();
            return write!(
                connection,
                "HTTP/1.1 302 Found\r\nLocation: http://localhost:{}/storage{storage}/{name}\r\nX-Repo-Commit: {}\r\n\
                 X-Linked-Etag: \"{}\"\r\nX-Linked-Size: {}\r\nETag: \"of the redirect\"\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n",
                self.port,
                file.commit,
                file.tag,
                file.bytes.len()
            );
        }
        let stale = header("if-range").is_some_and(|tag| tag != format!("\"{}\"", file.tag));
        let range = request.range.as_deref().filter(|_| !behaviour.ignores_ranges && !stale);
        self.send(connection, &file, range, &behaviour)
    }

    fn send(
        &self,
        mut connection: TcpStream,
        file: &Served,
        range: Option<&str>,
        behaviour: &Behaviour,
    ) -> std::io::Result<()> {
        let total = file.bytes.len();
        let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        // The question for the size is answered rightly.
        let is_question = bounds == Some(("0", "0"));
        let longer = [&file.bytes[..], &[0; 8]].concat();
        let bytes = &longer[..total.saturating_add_signed(if is_question { 0 } else { behaviour.surplus as isize })];
        let total = bytes.len();
        let first = bounds.and_then(|(first, _)| first.parse().ok()).unwrap_or(0);
        let end = bounds.and_then(|(_, last)| last.parse().ok()).map_or(total, |last: usize| (last + 1).min(total));
        if first >= total {
            return write!(
                connection,
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n\r\n"
            );
        }
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        write!(
            connection,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nAccept-Ranges: bytes\r\nETag: \"{}\"\r\nConnection: close\r\n",
            end - first,
            file.tag
        )?;
        if range.is_some() {
            write!(connection, "Content-Range: bytes {first}-{}/{total}\r\n", end - 1)?;
        }
        write!(connection, "\r\n")?;
        let mut body = &bytes[first..end];
        if !is_question {
            std::thread::sleep(behaviour.delay);
            let mut shared = self.shared();
            if !shared.behaviour.cuts.is_empty() {
                body = &body[..shared.behaviour.cuts.remove(0).min(body.len())];
            }
        }
        connection.write_all(body)?;
        connection.flush()?;
        if behaviour.falls_silent {
            std::thread::sleep(Duration::from_secs(60));
        }
        Ok(())
    }
}
