//! Files to read.

use std::fs;
use std::path::{Path, PathBuf};

use datasets::{Encoding, Image, Size, voc_palette};
use png::{BitDepth, ColorType};

/// Writes a file below `root`, with its folders.
pub fn write(root: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    fs::write(&path, content).expect("written");
    path
}

pub fn jpeg(size: Size, colour: [u8; 3]) -> Vec<u8> {
    Image::filled(size, colour).encode(Encoding::Jpeg(95)).expect("a valid image")
}

/// The JPEG with an EXIF orientation.
pub fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = *b"\xFF\xE1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    exif[29] = orientation;
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

/// A PNG with these bytes as pixels; one of indices has the first 16 colours of VOC.
pub fn png(size: Size, colour: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.width as u32, size.height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == ColorType::Indexed {
        encoder.set_palette(voc_palette()[..48].to_vec());
    }
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("pixels");
    writer.finish().expect("an end");
    bytes
}

/// The annotation of a VOC image of 60x40 pixels with these `<object>` elements.
pub fn voc_annotation(objects: &str) -> String {
    format!("<annotation>\n<size><width>60</width><height>40</height><depth>3</depth></size>\n{objects}</annotation>")
}

/// A VOC object; `extra` is further XML in it.
pub fn voc_object(name: &str, corners: [&str; 4], extra: &str) -> String {
    let [xmin, ymin, xmax, ymax] = corners;
    format!(
        "<object><name>{name}</name>{extra}<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax>\
         <ymax>{ymax}</ymax></bndbox></object>\n"
    )
}
