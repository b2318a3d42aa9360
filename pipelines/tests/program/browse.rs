//! The data browser: what it serves, and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::tasks::{TASKS, prepare};
use crate::workshop::{Workshop, json, pipeline};

/// A browser's server, which ends with the test.
struct Served {
    process: Child,
    host: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    fn new(arguments: &[&str]) -> Self {
        let words = [&["data", "browse"][..], arguments].concat();
        let mut process = pipeline(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let host = line.trim().strip_prefix("http://").unwrap_or_default().trim_end_matches('/').to_owned();
        assert!(host.starts_with("127.0.0.1:"), "{line:?}");
        Self { process, host }
    }

    /// The status and the body of an answer.
    fn ask(&self, method: &str, path: &str, host: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), answer[end + 4..].to_vec())
    }

    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        self.ask("GET", path, &self.host)
    }

    fn text(&self, path: &str) -> String {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}");
        // Large answers come in pieces, each after its length.
        String::from_utf8(body).unwrap()
    }
}

#[test]
fn every_task_shows_its_images_and_what_training_sees() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        prepare(&workshop, task);
        let served = Served::new(&[&workshop.at("task.yaml"), "--check"]);
        assert!(served.text("/").contains("What training sees"), "{task}");
        let text = served.text("/items.json");
        let listing = json(&text[text.find('{').unwrap()..=text.rfind('}').unwrap()]);
        let items = listing["items"].as_array().unwrap();
        assert_eq!(items.len(), if task == "classify" { 35 } else { 18 }, "{task}");
        assert!(listing["classes"].as_array().unwrap().len() >= 5);
        let boxes: usize = items.iter().map(|item| item[4].as_array().unwrap().len()).sum();
        assert_eq!(boxes > 0, task == "detect", "{task}");
        for (path, kind) in [("/image/0/small", &b"\xff\xd8"[..]), ("/image/17/large", b"\xff\xd8")] {
            let (status, body) = served.get(path);
            assert!(status == 200 && body.windows(2).any(|bytes| bytes == kind), "{task}: {path}");
        }
        assert_eq!(served.get("/mask/0/small").0, if task == "segment" { 200 } else { 404 }, "{task}");

        let sample = |epoch: u32| served.text(&format!("/augmented.json?first=1&count=2&epoch={epoch}&seed=5"));
        let first = sample(0);
        assert!(first.matches("data:image/jpeg;base64,").count() == 2 && !first.contains("\"Err\""), "{task}: {first}");
        assert_eq!(sample(0), first, "{task}");
        assert_ne!(sample(1), first, "{task}");
    }
}

#[test]
fn nothing_else_is_served() {
    let workshop = Workshop::new();
    let list = crate::workshop::read(workshop.path("shapes/ImageSets/Main/train.txt"));
    let id = list.lines().next().unwrap();
    let image = workshop.path(&format!("shapes/JPEGImages/{id}.jpg"));
    std::fs::rename(&image, workshop.path("outside.jpg")).unwrap();
    std::os::unix::fs::symlink(workshop.path("outside.jpg"), &image).unwrap();
    let served = Served::new(&[&workshop.at("job.yaml")]);
    let (status, body) = served.get("/image/0/small");
    assert!(status == 404 && String::from_utf8_lossy(&body).contains("outside of the data's folder"), "{status}");
    assert_eq!(served.get("/image/1/small").0, 200);
    for path in
        ["/image/99/small", "/image/0/huge", "/image/../job.yaml", "/image/1/small/x", "//etc/passwd", "/job.yaml"]
    {
        assert_eq!(served.get(path).0, 404, "{path}");
    }
    assert_eq!(served.get("/augmented.json?first=-1").0, 400);
    assert_eq!(served.ask("GET", "/", "example.org").0, 403, "a page of another site");
    assert_eq!(served.ask("POST", "/", &served.host).0, 405);
}
