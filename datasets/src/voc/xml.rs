//! One annotation file as labelImg, CVAT, Roboflow, `VoTT` and Supervisely write it.

use std::path::Path;

use annotation_files::text;
use roxmltree::{Document, Node};

use crate::annotations::Object;
use crate::findings::{FindingKind, Findings};
use crate::{Error, ErrorHandler};

/// What an annotation file states.
pub(super) struct Annotation {
    pub(super) filename: Option<String>,
    pub(super) width: Option<usize>,
    pub(super) height: Option<usize>,
    /// Objects without their class index, with the class's name and their line.
    pub(super) objects: Vec<(Object, String, u32)>,
}

impl Annotation {
    /// Reads a file; `on_error` decides about each object that cannot be used.
    pub(super) fn read(path: &Path, findings: &mut Findings, on_error: ErrorHandler<'_>) -> Result<Annotation, Error> {
        let text = text::read(path).map_err(Error::io("read", path))?;
        if let Some(encoding) = text.guessed {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            findings.note_text(FindingKind::EncodingGuessed, format!("{name} as {encoding}"));
        }
        let document = Document::parse(&text.content).map_err(|error| Error::Xml {
            path: path.to_path_buf(),
            line: error.pos().row,
            reason: error.to_string(),
        })?;
        let source = Source { document: &document, path };
        let root = document.root_element();
        let side = |name| match child(root, "size") {
            Some(size) => source.side(size, name),
            None => Ok(None),
        };
        let (width, height) = (side("width")?, side("height")?);
        let filename = child(root, "filename").and_then(|node| node.text()).map(|text| text.trim().to_owned());
        let mut objects = Vec::new();
        for node in root.children().filter(|node| node.has_tag_name("object")) {
            match source.object(node, findings) {
                Ok((object, name)) => objects.push((object, name, source.line(node))),
                Err(error) => on_error(error)?,
            }
        }
        Ok(Annotation { filename: filename.filter(|name| !name.is_empty()), width, height, objects })
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The document and its file, for the place in errors.
struct Source<'a, 'input> {
    document: &'a Document<'input>,
    path: &'a Path,
}

impl Source<'_, '_> {
    fn line(&self, node: Node<'_, '_>) -> u32 {
        self.document.text_pos_at(node.range().start).row
    }

    fn error(&self, node: Node<'_, '_>, reason: String) -> Error {
        Error::Xml { path: self.path.to_path_buf(), line: self.line(node), reason }
    }

    fn object(&self, node: Node<'_, '_>, findings: &mut Findings) -> Result<(Object, String), Error> {
        let name = self.required(node, "name")?.to_owned();
        let bndbox = child(node, "bndbox").ok_or_else(|| self.error(node, "the object has no <bndbox>".to_owned()))?;
        let (left, top) = (self.corner(bndbox, "xmin")?, self.corner(bndbox, "ymin")?);
        let (right, bottom) = (self.corner(bndbox, "xmax")?, self.corner(bndbox, "ymax")?);
        if left == 0.0 || top == 0.0 {
            findings.note(FindingKind::ZeroBased, self.path);
        }
        let extent = |first: f64, last: f64| if last > first { last - first + 1.0 } else { 0.0 };
        let bbox = [left - 1.0, top - 1.0, extent(left, right), extent(top, bottom)];
        let area = bbox[2] * bbox[3];
        if !area.is_finite() {
            return Err(self.error(bndbox, "the area of the box is not finite".to_owned()));
        }
        let difficult = self.flag(node, "difficult", findings);
        Ok((Object { class: 0, bbox, area, crowd: false, difficult }, name))
    }

    /// A side of the image: tools write `64`, `64.0`, nothing, or 0 where they do not know it.
    fn side(&self, size: Node<'_, '_>, name: &str) -> Result<Option<usize>, Error> {
        let Some(text) = self.text(size, name) else { return Ok(None) };
        let side: f64 = text.parse().map_err(|_| self.not_a_number(size, name, text))?;
        match side {
            side if side.is_nan() || (-1.0..1.0).contains(&side) => Ok(None),
            side if (1.0..=f64::from(u32::MAX)).contains(&side) => Ok(Some(side as usize)),
            _ => Err(self.error(size, format!("<{name}> is {text}, which is not the side of an image"))),
        }
    }

    fn corner(&self, bndbox: Node<'_, '_>, name: &str) -> Result<f64, Error> {
        let text = self.required(bndbox, name)?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            Ok(_) => Err(self.error(bndbox, format!("<{name}> is not finite"))),
            Err(_) => Err(self.not_a_number(bndbox, name, text)),
        }
    }

    /// Whether a flag is set; what says neither is a finding, and not set.
    fn flag(&self, node: Node<'_, '_>, name: &str, findings: &mut Findings) -> bool {
        let Some(node) = child(node, name) else { return false };
        match node.text().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "0" | "0.0" | "false" | "no" => false,
            "1" | "1.0" | "true" | "yes" => true,
            _ => {
                findings.note(FindingKind::FlagUnclear, self.path);
                false
            }
        }
    }

    /// The text of a child that has some.
    fn text<'a>(&self, parent: Node<'a, '_>, name: &str) -> Option<&'a str> {
        let text = child(parent, name)?.text()?.trim();
        (!text.is_empty()).then_some(text)
    }

    fn required<'a>(&self, parent: Node<'a, '_>, name: &str) -> Result<&'a str, Error> {
        self.text(parent, name).ok_or_else(|| {
            let reason = match child(parent, name) {
                Some(_) => format!("<{name}> is empty"),
                None => format!("<{}> has no <{name}>", parent.tag_name().name()),
            };
            self.error(parent, reason)
        })
    }

    fn not_a_number(&self, node: Node<'_, '_>, name: &str, text: &str) -> Error {
        self.error(node, format!("<{name}> is {text:?}, which is not a number"))
    }
}
