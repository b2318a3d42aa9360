//! The inputs of a prediction command as a stream of images: files, folders, patterns, videos, and lists of paths.
//!
//! Paths and patterns are expanded at once; a list on standard input, the frames of a video and images are read when they are
//! requested, so memory holds the paths and one image. What cannot be read is an item with the error and its file; the stream
//! continues after it.

mod names;
mod video;

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::findings::Findings;
use crate::folder::{has_extension, images_below, images_in, is_image};
use crate::image::{Image, PixelOptions};
use crate::settings::check;
use names::Names;
use video::Video;

/// The argument for a list of paths on standard input.
pub const LIST: &str = "-";
/// The file extensions of videos, in lower case.
pub const VIDEO_EXTENSIONS: [&str; 8] = ["mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg"];
/// The longest line of a list, in bytes; paths are shorter.
const MAX_LINE_BYTES: u64 = 1 << 16;

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputOptions {
    /// Also read the folders below a folder.
    pub recursive: bool,
    /// Every Nth frame of a video, starting with the first; at least 1.
    pub every: usize,
    /// What happens with the pixels of images. Videos are always rotated upright.
    pub pixels: PixelOptions,
}

impl Default for InputOptions {
    fn default() -> InputOptions {
        InputOptions { recursive: false, every: 1, pixels: PixelOptions::default() }
    }
}

/// An image to predict on.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// A name for its results, without an extension: that of the file, for a frame with its number (`clip-000120`), and with
    /// a further number where another input has that name already. The names of two inputs differ in more than case.
    pub name: String,
    /// The file; the video of a frame.
    pub path: PathBuf,
    /// The frame, for a video.
    pub frame: Option<Frame>,
    /// The decoded image.
    pub image: Image,
}

/// A place in a video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// The frame's number, from 0, counting the skipped frames.
    pub index: usize,
    /// The time of the frame, in seconds from the start.
    pub seconds: f64,
}

/// The image files in a folder and the folders below it, sorted by path.
///
/// # Errors
/// A folder that cannot be read, or that holds no image.
pub fn image_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in entries_of(folder, true) {
        match entry {
            Entry::Image(path) => files.push(path),
            Entry::Failed(error) => return Err(error),
            Entry::Video(_) | Entry::List => {}
        }
    }
    Ok(files)
}

/// The images of a command's inputs, in the order of the inputs; those of a folder or a pattern are sorted by path.
///
/// Each item is an image, or the error of one that could not be read.
pub struct Inputs<R> {
    queue: VecDeque<Entry>,
    video: Option<Video>,
    names: Names,
    options: InputOptions,
    list: List<R>,
    count: Option<usize>,
}

enum Entry {
    Image(PathBuf),
    Video(PathBuf),
    /// The rest of the list.
    List,
    Failed(Error),
}

impl<R: BufRead> Inputs<R> {
    /// Expands `patterns`. Each is an image or video file, a folder of images, [`LIST`] for one path per line of `list` (blank
    /// lines are ignored), or, where nothing has that name, a pattern of `*`, `?`, `[...]` and `**`. A pattern matches files with
    /// the extension of an image, of a video, or of the pattern itself.
    ///
    /// # Errors
    /// [`Error::Input`] where there are no inputs, or [`LIST`] is given twice; [`Error::Setting`] for `every`. A file, folder or
    /// pattern without images is an error in the stream.
    pub fn new(patterns: &[String], options: InputOptions, list: R) -> Result<Inputs<R>, Error> {
        check(options.every > 0, "every", options.every, "1 or more")?;
        options.pixels.validate()?;
        let refused = |reason: &str| Error::Input { input: LIST.to_owned(), reason: reason.to_owned() };
        if patterns.is_empty() {
            return Err(Error::Input {
                input: String::new(),
                reason: "is empty: name a file, a folder or a pattern".to_owned(),
            });
        }
        if patterns.iter().filter(|pattern| *pattern == LIST).count() > 1 {
            return Err(refused("is given twice, but there is one list on standard input"));
        }
        let mut queue = VecDeque::new();
        for pattern in patterns {
            match pattern.as_str() {
                LIST => queue.push_back(Entry::List),
                pattern if !Path::new(pattern).exists() && pattern.contains(['*', '?', '[']) => {
                    queue.extend(matches_of(pattern));
                }
                path => queue.extend(entries_of(Path::new(path), options.recursive)),
            }
        }
        let known = |entry: &Entry| matches!(entry, Entry::Image(_) | Entry::Failed(_));
        let count = queue.iter().all(known).then_some(queue.len());
        let names = Names::reserving(queue.iter().filter_map(Entry::path));
        Ok(Inputs { queue, video: None, names, options, list: List::new(list), count })
    }

    /// The number of items; unknown where there is a list or a video.
    pub fn total(&self) -> Option<usize> {
        self.count
    }

    fn image(&mut self, path: PathBuf) -> Result<Input, Error> {
        // Named before it is read, so that the other names do not depend on whether that fails.
        let name = self.names.of_file(&path);
        let image = Image::read(&path, &self.options.pixels)?;
        Ok(Input { name, path, frame: None, image })
    }

    /// Puts the inputs of the list's next line before the rest of the list.
    fn line(&mut self) -> Result<(), Error> {
        let line = self.list.next();
        if !self.list.ended {
            self.queue.push_front(Entry::List);
        }
        if let Some(path) = line? {
            for entry in entries_of(&path, self.options.recursive).into_iter().rev() {
                self.queue.push_front(entry);
            }
        }
        Ok(())
    }
}

impl<R: BufRead> Iterator for Inputs<R> {
    type Item = Result<Input, Error>;

    fn next(&mut self) -> Option<Result<Input, Error>> {
        loop {
            if let Some(video) = &mut self.video {
                match video.next(self.options.every).transpose() {
                    Some(Ok((frame, image))) => {
                        let name = self.names.of_frame(video.name(), frame.index);
                        return Some(Ok(Input { name, path: video.path().to_path_buf(), frame: Some(frame), image }));
                    }
                    Some(Err(error)) => {
                        self.video = None;
                        return Some(Err(error));
                    }
                    None => self.video = None,
                }
            }
            match self.queue.pop_front()? {
                Entry::Image(path) => return Some(self.image(path)),
                Entry::Failed(error) => return Some(Err(error)),
                Entry::Video(path) => {
                    let name = self.names.of_file(&path);
                    match Video::open(path, name, self.options.pixels.channels) {
                        Ok(video) => self.video = Some(video),
                        Err(error) => return Some(Err(error)),
                    }
                }
                Entry::List => {
                    if let Err(error) = self.line() {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

impl Entry {
    fn file(path: PathBuf) -> Entry {
        if is_video(&path) { Entry::Video(path) } else { Entry::Image(path) }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Entry::Image(path) | Entry::Video(path) => Some(path),
            Entry::List | Entry::Failed(_) => None,
        }
    }
}

fn is_video(path: &Path) -> bool {
    has_extension(path, &VIDEO_EXTENSIONS)
}

/// The images of a file or a folder.
fn entries_of(path: &Path, recursive: bool) -> Vec<Entry> {
    let refused = |reason: String| Entry::Failed(Error::Input { input: path.display().to_string(), reason });
    match fs::metadata(path) {
        Err(source) => vec![Entry::Failed(Error::Io { action: "read", path: path.to_path_buf(), source })],
        Ok(about) if about.is_file() => vec![Entry::file(path.to_path_buf())],
        Ok(about) if about.is_dir() => {
            let mut ignored = Findings::default();
            let images = if recursive { images_below(path, &mut ignored) } else { images_in(path) };
            match images {
                Err(error) => vec![Entry::Failed(error)],
                Ok(images) if images.is_empty() => {
                    let below = if recursive { ", also in the folders below it" } else { "" };
                    let extensions = Image::EXTENSIONS.join(", ");
                    vec![refused(format!("is a folder without images ({extensions}){below}"))]
                }
                Ok(images) => images.into_iter().map(Entry::Image).collect(),
            }
        }
        // Devices and pipes may have no end.
        Ok(_) => vec![refused("is neither a file nor a folder".to_owned())],
    }
}

/// The files that a pattern matches, sorted.
fn matches_of(pattern: &str) -> Vec<Entry> {
    let refused = |reason: String| vec![Entry::Failed(Error::Input { input: pattern.to_owned(), reason })];
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let paths = match glob::glob_with(pattern, options) {
        Ok(paths) => paths,
        Err(error) => return refused(format!("is not a valid pattern: {} at character {}", error.msg, error.pos)),
    };
    let extension = Path::new(pattern).extension();
    let extension = extension.filter(|extension| !extension.to_string_lossy().contains(['*', '?', '[']));
    let mut entries = Vec::new();
    for path in paths {
        match path {
            Ok(path) if path.is_file() => {
                if is_image(&path) || is_video(&path) || (extension.is_some() && path.extension() == extension) {
                    entries.push(Entry::file(path));
                }
            }
            Ok(_) => {}
            Err(error) => {
                let path = error.path().to_path_buf();
                entries.push(Entry::Failed(Error::Io { action: "read", path, source: error.into() }));
            }
        }
    }
    if entries.is_empty() { refused("matches no image and no video".to_owned()) } else { entries }
}

/// A list of paths, one per line.
struct List<R> {
    lines: R,
    number: usize,
    ended: bool,
}

impl<R: BufRead> List<R> {
    fn new(lines: R) -> List<R> {
        List { lines, number: 0, ended: false }
    }

    /// The path on the next line that is not blank. The list continues after a line that is not UTF-8; it ends after one that is
    /// too long or cannot be read.
    fn next(&mut self) -> Result<Option<PathBuf>, Error> {
        while !self.ended {
            let mut line = Vec::new();
            let read = self.lines.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            self.number += 1;
            // Until the line is known to be complete.
            self.ended = true;
            let length = read.map_err(|source| self.broken(source.kind(), &source.to_string()))?;
            if length == 0 {
                break;
            }
            if length as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
                return Err(self.broken(io::ErrorKind::InvalidData, "is too long for a path"));
            }
            self.ended = false;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let text = str::from_utf8(text).map_err(|_| self.broken(io::ErrorKind::InvalidData, "is not UTF-8"))?;
            if !text.trim().is_empty() {
                return Ok(Some(PathBuf::from(text)));
            }
        }
        Ok(None)
    }

    fn broken(&self, kind: io::ErrorKind, words: &str) -> Error {
        let source = io::Error::new(kind, format!("line {} {words}", self.number));
        Error::Io { action: "read", path: PathBuf::from("the list of paths"), source }
    }
}
