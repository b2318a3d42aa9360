//! The inputs of a prediction command: their images, their order, and the errors of those that cannot be read.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use datasets::{Encoding, Error, Image, Input, InputOptions, Inputs, PixelOptions, Size};
use opencv::core::{Mat, Scalar};
use opencv::videoio::{VideoWriter, VideoWriterTrait, VideoWriterTraitConst};
use tempfile::TempDir;

use crate::files::write;

const SIZE: Size = Size { height: 6, width: 8 };

/// A folder of these files: images of one grey level each, or text where there is no level.
fn folder(files: &[(&str, Option<u8>)]) -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for (name, level) in files {
        let encode = |level: u8| Image::filled(SIZE, [level; 3]).encode(Encoding::Png).expect("encoded");
        write(root.path(), name, &level.map_or(b"words".to_vec(), encode));
    }
    root
}

fn stream(root: &Path, patterns: &[&str], options: InputOptions, list: &[u8]) -> Inputs<Cursor<Vec<u8>>> {
    let place =
        |pattern: &&str| if *pattern == "-" { "-".to_owned() } else { root.join(pattern).display().to_string() };
    let patterns: Vec<String> = patterns.iter().map(place).collect();
    Inputs::new(&patterns, options, Cursor::new(list.to_vec())).expect("valid options")
}

/// The name and level of each item, or its error without the folder.
fn texts(root: &Path, inputs: impl Iterator<Item = Result<Input, Error>>) -> Vec<String> {
    let text = |input: Result<Input, Error>| match input {
        Ok(Input { name, image, .. }) => format!("{name} {}", image.data[0]),
        Err(error) => error.to_string().replace(&format!("{}/", root.display()), ""),
    };
    inputs.map(text).collect()
}

fn read(root: &Path, patterns: &[&str], recursive: bool) -> Vec<String> {
    let inputs = stream(root, patterns, InputOptions { recursive, ..InputOptions::default() }, b"");
    let (count, texts) = (inputs.total(), texts(root, inputs));
    assert_eq!(count, Some(texts.len()));
    texts
}

#[test]
fn folders_give_their_images_sorted_and_those_below_on_request() {
    let root =
        folder(&[("b.png", Some(2)), ("a.PNG", Some(1)), ("c.txt", None), ("sub/d.png", Some(4)), (".e.png", Some(5))]);
    assert_eq!(read(root.path(), &["."], false), ["a 1", "b 2"]);
    assert_eq!(read(root.path(), &["."], true), ["a 1", "b 2", "d 4"]);
    assert_eq!(read(root.path(), &["b.png", "sub", "a.PNG"], false), ["b 2", "d 4", "a 1"]);
}

#[test]
fn patterns_are_expanded_unless_a_file_has_that_name() {
    let root = folder(&[
        ("x1.png", Some(1)),
        ("x2.png", Some(2)),
        ("y.txt", None),
        ("x[1].png", Some(9)),
        ("s/x3.png", Some(3)),
    ]);
    assert_eq!(read(root.path(), &["x?.png"], false), ["x1 1", "x2 2"]);
    assert_eq!(read(root.path(), &["*"], false), ["x1 1", "x2 2", "x[1] 9"]);
    assert_eq!(read(root.path(), &["**/x[23].png"], false), ["x3 3", "x2 2"]);
    assert_eq!(read(root.path(), &["x[1].png"], false), ["x[1] 9"]);
    assert_eq!(read(root.path(), &["*.txt"], false)[0], "cannot read y.txt: it is not an image in a supported format");
}

#[test]
fn what_cannot_be_read_is_an_item_that_names_it_and_the_rest_follows() {
    let root = folder(&[("a.png", Some(1)), ("bad.png", None), ("e/x.txt", None)]);
    let inputs = ["none.png", "bad.png", "e", "no*.png", "[", "a.png"];
    let texts = read(root.path(), &inputs, false);
    assert!(texts[0].starts_with("cannot read none.png: "), "{texts:?}");
    assert_eq!(texts[1], "cannot read bad.png: it is not an image in a supported format");
    assert!(texts[2].contains("e\" is a folder without images (jpg, "), "{texts:?}");
    assert!(texts[3].contains("no*.png\" matches no image and no video"), "{texts:?}");
    assert!(texts[4].contains("\" is not a valid pattern: "), "{texts:?}");
    assert_eq!(texts[5], "a 1");
}

#[test]
fn a_pipe_or_a_device_is_refused_and_not_waited_for() {
    let inputs = Inputs::new(&["/dev/zero".to_owned()], InputOptions::default(), Cursor::new(Vec::new()));
    let error = inputs.expect("valid options").next().expect("an item").expect_err("a device");
    assert_eq!(error.to_string(), "input \"/dev/zero\" is neither a file nor a folder");
}

#[test]
fn a_list_is_read_line_by_line_and_continues_after_a_bad_line() {
    let root = folder(&[("a.png", Some(1)), ("b c.png", Some(2)), ("s/d.png", Some(4)), ("s/e.png", Some(5))]);
    let at = |name: &str| root.path().join(name).display().to_string();
    let mut list = format!("\n{}\r\n  \n{}\nnone.png\n", at("a.png"), at("b c.png")).into_bytes();
    list.extend(b"\xFF\xFE.png\n");
    list.extend(format!("{}\n{}", at("s"), at("a.png")).into_bytes());
    let inputs = stream(root.path(), &["a.png", "-", "b c.png"], InputOptions::default(), &list);
    assert_eq!(inputs.total(), None);
    let texts = texts(root.path(), inputs);
    assert!(texts[3].starts_with("cannot read none.png: "), "{texts:?}");
    assert_eq!(texts[4], "cannot read the list of paths: line 6 is not UTF-8");
    let images: Vec<_> = texts.iter().filter(|words| !words.starts_with("cannot")).collect();
    assert_eq!(images, ["a 1", "a-2 1", "b c 2", "d 4", "e 5", "a-3 1", "b c-2 2"]);
}

#[test]
fn a_line_without_end_takes_bounded_memory_and_ends_the_list() {
    let root = folder(&[("a.png", Some(1))]);
    let inputs = stream(root.path(), &["-", "a.png"], InputOptions::default(), &vec![b'x'; 1 << 20]);
    assert_eq!(texts(root.path(), inputs), ["cannot read the list of paths: line 1 is too long for a path", "a 1"]);
}

#[test]
fn an_empty_command_a_second_list_and_a_step_of_zero_are_refused() {
    let new = |patterns: &[&str], every| {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let options = InputOptions { every, ..InputOptions::default() };
        Inputs::new(&patterns, options, Cursor::new(Vec::new())).err().expect("refused").to_string()
    };
    assert_eq!(new(&[], 1), "input \"\" is empty: name a file, a folder or a pattern");
    assert_eq!(new(&["-", "-"], 1), "input \"-\" is given twice, but there is one list on standard input");
    assert_eq!(new(&["a.png"], 0), "every is 0 instead of 1 or more");
}

/// A video of ten frames a second, each brighter than the one before by 20.
fn video(path: &Path, frames: usize) {
    let size = opencv::core::Size::new(64, 48);
    let code = VideoWriter::fourcc('M', 'J', 'P', 'G').expect("a code");
    let mut writer = VideoWriter::new(path, code, 10.0, size, true).expect("a writer");
    assert!(writer.is_opened().expect("an answer"), "this build of OpenCV cannot write MJPEG");
    for frame in 0..frames {
        let level = 20.0 * frame as f64;
        let colour = Scalar::new(level, level, level / 2.0, 0.0);
        let image = Mat::new_size_with_default(size, opencv::core::CV_8UC3, colour).expect("an image");
        writer.write(&image).expect("written");
    }
    writer.release().expect("closed");
}

#[test]
fn a_video_gives_every_nth_frame_with_its_number_and_time() {
    let root = folder(&[("a.png", Some(7)), ("clip-000004.png", Some(8))]);
    video(&root.path().join("clip.avi"), 11);
    let options = InputOptions { every: 4, ..InputOptions::default() };
    let inputs = stream(root.path(), &["a.png", "clip.avi", "clip-000004.png"], options, b"");
    assert_eq!(inputs.total(), None);
    let inputs: Vec<Input> = inputs.map(|input| input.expect("an image")).collect();
    let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["a", "clip-000000", "clip-000004-2", "clip-000008", "clip-000004"]);
    for (input, index) in inputs[1..4].iter().zip([0, 4, 8]) {
        let frame = input.frame.expect("a frame");
        assert_eq!((frame.index, input.image.size()), (index, Size { height: 48, width: 64 }));
        assert!((frame.seconds - index as f64 / 10.0).abs() < 1e-6, "frame {index} at {} s", frame.seconds);
        let level = 20 * index as u8;
        let pixel = &input.image.data[..3];
        assert!(pixel[0].abs_diff(level / 2) <= 3 && pixel[2].abs_diff(level) <= 3, "frame {index}: {pixel:?}");
    }
}

#[test]
fn the_frames_of_a_video_are_grey_for_one_channel_and_refused_for_five() {
    let root = folder(&[]);
    video(&root.path().join("clip.avi"), 6);
    let frames = |channels| -> Vec<Result<Input, Error>> {
        let pixels = PixelOptions { channels, ..PixelOptions::default() };
        stream(root.path(), &["clip.avi"], InputOptions { pixels, ..InputOptions::default() }, b"").collect()
    };
    let (grey, colour) = (frames(1), frames(3));
    assert_eq!((grey.len(), colour.len()), (6, 6));
    for (grey, colour) in grey.into_iter().zip(colour) {
        let (grey, colour) = (grey.expect("a frame").image, colour.expect("a frame").image);
        assert_eq!((grey.size(), grey.channels()), (colour.size(), 1));
        let expected =
            0.299 * f64::from(colour.data[0]) + 0.587 * f64::from(colour.data[1]) + 0.114 * f64::from(colour.data[2]);
        assert!((f64::from(grey.data[0]) - expected).abs() <= 1.0, "{} for {expected}", grey.data[0]);
    }
    let errors: Vec<String> = frames(5).into_iter().map(|frame| frame.expect_err("five").to_string()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].ends_with("clip.avi: it has 3 channels, but the network takes 5"), "{errors:?}");
}

/// As phones do: the track's header says by how many degrees a player turns the frames clockwise.
#[test]
fn a_video_is_turned_as_its_header_says() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().join("clip.mp4");
    let size = opencv::core::Size::new(64, 48);
    let code = VideoWriter::fourcc('m', 'p', '4', 'v').expect("a code");
    let mut writer = VideoWriter::new(&path, code, 10.0, size, true).expect("a writer");
    assert!(writer.is_opened().expect("an answer"), "this build of OpenCV cannot write MPEG-4");
    let mut image = Mat::new_size_with_default(size, opencv::core::CV_8UC3, Scalar::all(20.0)).expect("an image");
    let corner = opencv::core::Rect::new(0, 0, 32, 24);
    let white = Scalar::all(250.0);
    opencv::imgproc::rectangle(&mut image, corner, white, opencv::imgproc::FILLED, 8, 0).expect("drawn");
    (0..4).for_each(|_| writer.write(&image).expect("written"));
    writer.release().expect("closed");
    let bytes = fs::read(&path).expect("read");
    let header = bytes.windows(4).position(|word| word == b"tkhd").expect("a track header") + 4;
    let matrix = header + if bytes[header] == 0 { 40 } else { 52 };
    for (degrees, turn, corner) in [
        (0, [1, 0, 0, 1], (0, 0)),
        (90, [0, 1, -1, 0], (1, 0)),
        (180, [-1, 0, 0, -1], (1, 1)),
        (270, [0, -1, 1, 0], (0, 1)),
    ] {
        let mut bytes = bytes.clone();
        for (place, number) in [0, 4, 12, 16].into_iter().zip(turn) {
            bytes[matrix + place..][..4].copy_from_slice(&(number * 65_536i32).to_be_bytes());
        }
        fs::write(&path, bytes).expect("written");
        let input = stream(root.path(), &["clip.mp4"], InputOptions::default(), b"").next().expect("a frame");
        let image = input.expect("decoded").image;
        let expected = if degrees % 180 == 0 { (64, 48) } else { (48, 64) };
        assert_eq!((image.width, image.height), expected, "{degrees}");
        for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let (column, row) = (image.width / 4 + x * image.width / 2, image.height / 4 + y * image.height / 2);
            let level = image.data[(row * image.width + column) * 3];
            assert_eq!(level > 128, (x, y) == corner, "{degrees} degrees: {level} at {x}, {y}");
        }
    }
}

#[test]
fn a_damaged_video_is_an_error_that_names_it_and_the_rest_follows() {
    let root = folder(&[("a.png", Some(1)), ("words.mp4", None)]);
    let error_of = |name: &str| {
        let inputs = stream(root.path(), &[name, "a.png"], InputOptions::default(), b"");
        let texts = texts(root.path(), inputs);
        assert_eq!(texts.last().expect("an item"), "a 1");
        texts[texts.len() - 2].clone()
    };
    assert!(error_of("words.mp4").starts_with("cannot read words.mp4: it is damaged"), "{}", error_of("words.mp4"));
    video(&root.path().join("cut.avi"), 40);
    let bytes = fs::read(root.path().join("cut.avi")).expect("read");
    fs::write(root.path().join("cut.avi"), &bytes[..bytes.len() / 2]).expect("written");
    assert!(error_of("cut.avi").starts_with("cannot read cut.avi: "), "{}", error_of("cut.avi"));
}
