//! The data browser: what it serves, and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::tasks::{TASKS, prepare};
use crate::workshop::{Workshop, json, output, pipeline, read};

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
        let words = [&["data", "browse", "--serve"][..], arguments].concat();
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
        // At once: what is no request is answered before its end.
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
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
        String::from_utf8(body).unwrap()
    }
}

#[test]
fn every_task_shows_its_images_and_what_training_sees() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        prepare(&workshop, task);
        let served = Served::new(&[&workshop.at("task.yaml"), "--check"]);
        let page = served.text("/");
        assert!(page.contains("What training sees"), "{task}");
        let listing = content(&page);
        let items = listing["items"].as_array().unwrap();
        assert_eq!(items.len(), if task == "classify" { 35 } else { 18 }, "{task}");
        assert!(listing["classes"].as_array().unwrap().len() >= 5);
        let boxes: usize = items.iter().map(|item| item[4].as_array().unwrap().len()).sum();
        assert_eq!(boxes > 0, task == "detect", "{task}");
        let present = |item: &Value| !item[5].as_array().unwrap().is_empty();
        assert_eq!(items.iter().all(present), task != "detect", "{task}: classes of images and of masks");
        assert!(items.iter().all(|item| item[2].as_u64() > Some(0) && item[3].as_u64() > Some(0)), "{task}: sizes");
        for (path, kind) in [("/image/small/0.jpg", &b"\xff\xd8"[..]), ("/image/large/17.jpg", b"\xff\xd8")] {
            let (status, body) = served.get(path);
            assert!(status == 200 && body.windows(2).any(|bytes| bytes == kind), "{task}: {path}");
        }
        assert_eq!(served.get("/mask/small/0.png").0, if task == "segment" { 200 } else { 404 }, "{task}");

        let sample = |epoch: u32| served.text(&format!("/augmented.json?first=1&count=2&epoch={epoch}&seed=5"));
        let first = sample(0);
        assert!(first.matches("data:image/jpeg;base64,").count() == 2 && !first.contains("\"Err\""), "{task}: {first}");
        assert_eq!(sample(0), first, "{task}");
        assert_ne!(sample(1), first, "{task}");
    }
}

/// What a page holds, as JSON.
fn content(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"content\">").unwrap();
    json(rest.split_once("</script>").unwrap().0)
}

#[test]
fn a_written_page_has_its_pictures_beside_it_and_nothing_from_outside_of_the_data() {
    let workshop = Workshop::with_folders();
    for task in TASKS {
        prepare(&workshop, task);
        let folder = workshop.path(&format!("{task}_page"));
        let place = folder.to_str().unwrap();
        let first = content(&Served::new(&[&workshop.at("task.yaml")]).text("/"))["items"][0][1].clone();
        let root = workshop.path(if task == "classify" { "shapes/classify" } else { "shapes" });
        let first = root.join(first.as_str().unwrap());
        let outside = workshop.path(&format!("outside_of_{task}"));
        std::fs::rename(&first, &outside).unwrap();
        std::os::unix::fs::symlink(&outside, &first).unwrap();
        let written = output(&mut pipeline(&["data", "browse", &workshop.at("task.yaml"), "-o", place]));
        assert_eq!(String::from_utf8_lossy(&written.stdout).trim(), format!("{place}/index.html"), "{task}");
        let warned = String::from_utf8_lossy(&written.stderr);
        let sentence =
            format!("pictures that are left out: 1; the first: {} is outside of the data's folder", first.display());
        assert!(written.status.success() && warned.contains(&sentence), "{task}: {warned}");
        let page = content(&read(folder.join("index.html")));
        let images = page["items"].as_array().unwrap().len();
        let files = |name: &str| std::fs::read_dir(folder.join(name)).map_or(0, Iterator::count);
        let masks = if task == "segment" { images } else { 0 };
        assert_eq!((files("image/small"), files("mask/small")), (images - 1, masks), "{task}");
        assert!(!folder.join("image/small/0.jpg").exists());
        let epochs = page["epochs"].as_array().unwrap();
        let pictures: Vec<&Value> = epochs.iter().map(|epoch| &epoch["samples"][1]["Ok"]["picture"]).collect();
        assert!(pictures.len() == 3 && pictures.iter().all(|picture| picture["image"].is_string()), "{task}");
        assert_ne!(pictures[0], pictures[1], "{task}");
        std::fs::remove_file(&first).unwrap();
        std::fs::rename(&outside, &first).unwrap();
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
    let (status, body) = served.get("/image/small/0.jpg");
    assert!(status == 404 && String::from_utf8_lossy(&body).contains("outside of the data's folder"), "{status}");
    assert_eq!(served.get("/image/small/1.jpg").0, 200);
    for path in [
        "/image/small/99.jpg",
        "/image/huge/0.jpg",
        "/image/small/0.png",
        "/image/small/0",
        "/image/../job.yaml",
        "/image/small/1.jpg/x",
        "//etc/passwd",
        "/job.yaml",
    ] {
        assert_eq!(served.get(path).0, 404, "{path}");
    }
    assert_eq!(served.get("/augmented.json?first=-1").0, 400);
    assert_eq!(served.ask("GET", "/", "example.org").0, 403, "a page of another site");
    assert_eq!(served.ask("POST", "/", &served.host).0, 405);
    assert_eq!(served.ask("HEAD", "/image/small/1.jpg", &served.host), (200, Vec::new()));
    assert_eq!(served.ask("\u{1}", "/", &served.host).0, 400, "not a request");
    // Browsers open connections ahead, and may not use them for long.
    let unused: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&served.host).unwrap()).collect();
    assert_eq!((served.get("/").0, unused.len()), (200, 20));
}
