//! What applications read of a file: how images are normalised, what outputs mean, and the labels.
//!
//! The format is that of `metadata_schema.fbs` (TensorFlow Lite Support), which Task Library, ML Kit and MediaPipe read: an entry
//! [`NAME`] of the file's metadata, and the labels as a file of a ZIP archive that is appended to it.

use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::flatbuffer::{Field, Offset, Writer};
use crate::Error;

/// The name of the entry.
pub(super) const NAME: &str = "TFLITE_METADATA";
/// The name of the file of labels.
const LABELS: &str = "labels.txt";

/// What an output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A number for each label.
    Scores,
    /// Top, left, bottom, right of boxes as shares of the image.
    Boxes,
    /// Positions of labels.
    Classes,
    /// Anything else.
    Other,
}

/// What a file says to applications.
#[derive(Debug, Clone)]
pub struct Description<'a> {
    /// The name of the network.
    pub name: &'a str,
    /// What is subtracted from pixels of 0 to 255, and what they are divided by then, for each channel; none where the file does it.
    pub normalization: Option<(Vec<f32>, Vec<f32>)>,
    /// The outputs, each with its name.
    pub outputs: Vec<(&'a str, Meaning)>,
    /// The labels, in the order in which outputs count them.
    pub labels: Vec<&'a str>,
}

impl Description<'_> {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let input = self.input(&mut writer);
        let inputs = writer.objects(&[input]);
        let outputs: Vec<Offset> =
            self.outputs.iter().map(|(name, meaning)| output(&mut writer, name, *meaning)).collect();
        let outputs = writer.objects(&outputs);
        let subgraph = writer.table(&[(2, Field::Object(inputs)), (3, Field::Object(outputs))]);
        let subgraphs = writer.objects(&[subgraph]);
        let (name, version) = (writer.string(self.name), writer.string("1.0.0"));
        let root =
            writer.table(&[(0, Field::Object(name)), (3, Field::Object(subgraphs)), (7, Field::Object(version))]);
        writer.finish(root, *b"M001")
    }

    fn input(&self, writer: &mut Writer) -> Offset {
        // RGB.
        let image = writer.table(&[(0, Field::Byte(1))]);
        let content = writer.table(&[(0, Field::Byte(2)), (1, Field::Object(image))]);
        let units = self.normalization.as_ref().map(|(mean, std)| {
            let (mean, std) = (writer.floats(mean), writer.floats(std));
            let options = writer.table(&[(0, Field::Object(mean)), (1, Field::Object(std))]);
            let unit = writer.table(&[(0, Field::Byte(1)), (1, Field::Object(options))]);
            writer.objects(&[unit])
        });
        let name = writer.string("image");
        let mut fields = vec![(0, Field::Object(name)), (3, Field::Object(content))];
        fields.extend(units.map(|units| (4, Field::Object(units))));
        writer.table(&fields)
    }

    /// The file with its labels behind it.
    pub(super) fn append_labels(&self, file: Vec<u8>) -> Result<Vec<u8>, Error> {
        let failed = |cause: zip::result::ZipError| Error::value("the file of labels", "written", cause.to_string());
        let end = file.len() as u64;
        let mut place = Cursor::new(file);
        place.set_position(end);
        let mut archive = ZipWriter::new(place);
        // Without the time, so that equal networks give equal files.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        archive.start_file(LABELS, options).map_err(failed)?;
        let text: String = self.labels.iter().flat_map(|label| [label, "\n"]).collect();
        archive.write_all(text.as_bytes()).map_err(|cause| failed(cause.into()))?;
        Ok(archive.finish().map_err(failed)?.into_inner())
    }
}

fn output(writer: &mut Writer, name: &str, meaning: Meaning) -> Offset {
    let content = match meaning {
        Meaning::Boxes => {
            // Left, top, right, bottom by their places; boundaries, as shares.
            let order = writer.ints(&[1, 0, 3, 2]);
            let boxes = writer.table(&[(0, Field::Object(order)), (1, Field::Byte(1))]);
            Some(writer.table(&[(0, Field::Byte(3)), (1, Field::Object(boxes))]))
        }
        _ => None,
    };
    let labels = match meaning {
        Meaning::Scores => Some(2),
        Meaning::Classes => Some(3),
        Meaning::Boxes | Meaning::Other => None,
    };
    let labels = labels.map(|kind| {
        let file = writer.string(LABELS);
        let file = writer.table(&[(0, Field::Object(file)), (2, Field::Byte(kind))]);
        writer.objects(&[file])
    });
    let name = writer.string(name);
    let mut fields = vec![(0, Field::Object(name))];
    fields.extend(content.map(|content| (3, Field::Object(content))));
    fields.extend(labels.map(|labels| (6, Field::Object(labels))));
    writer.table(&fields)
}
