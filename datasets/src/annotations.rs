//! Annotated images as the readers return them: everything that evaluation needs, and what training takes of it.

use std::path::{Path, PathBuf};

use annotation_files::coco::FileIds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::findings::{FindingKind, Findings};
use crate::image::{Image, Orientation, Size, Window};
use crate::lists::Selection;
use crate::{Error, ErrorHandler};

/// How far, in pixels, a box may reach beyond the frame without a finding: annotation tools round.
const FRAME_TOLERANCE: f64 = 1.0;

/// A class of objects, images or pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// The id in the annotation file or the mask; ids may have gaps. For COCO's ids that are no numbers, their number in
    /// [`DetectionSet::ids`]; for VOC's boxes, the index plus one; for class folders, the index.
    pub id: u64,
    /// The name.
    pub name: String,
}

/// Where the classes of a set come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classes<'a> {
    /// Every name that occurs in the split, sorted.
    Collected,
    /// These names in this order; any other name in the split is an error.
    Given(&'a [String]),
}

/// An annotated object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Index into [`DetectionSet::classes`].
    pub class: usize,
    /// Left, top, width, height in pixels of the stored image, as annotated, not clipped, possibly without area.
    pub bbox: [f64; 4],
    /// Area in pixels: COCO's own (of the mask), or width times height where the format has none.
    pub area: f64,
    /// A region of many objects that the metric ignores (COCO's `iscrowd`).
    pub crowd: bool,
    /// An object marked `difficult`, which the VOC metric ignores.
    pub difficult: bool,
}

/// An annotated image.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The image's id in the annotation file, or its number in [`DetectionSet::ids`]; for VOC, its index in the split plus one.
    pub image_id: u64,
    /// The image file.
    pub file: PathBuf,
    /// Width in stored pixels.
    pub width: usize,
    /// Height in stored pixels.
    pub height: usize,
    /// Every object, in the file's order.
    pub objects: Vec<Object>,
}

/// A set of annotated images.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionSet {
    /// The classes; an object's class is an index into this list.
    pub classes: Vec<Class>,
    /// The images, by ascending id.
    pub records: Vec<Record>,
    /// How the file writes the ids of images and classes that are no plain numbers.
    pub ids: FileIds,
    /// What the reader found and handled.
    pub findings: Findings,
}

/// Which objects and images training uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TargetOptions {
    /// Train on objects marked `difficult`; the VOC kit and its metric leave them out.
    pub keep_difficult: bool,
    /// Train on images without any object; torchvision's reference leaves them out.
    pub keep_empty: bool,
    /// Train on regions of many objects (`iscrowd`) as on objects. CVAT marks every brush mask so.
    pub keep_crowds: bool,
}

/// An object as training uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Index into [`DetectionSet::classes`].
    pub class: usize,
    /// Left, top, right, bottom in pixels of the stored image, inside it and of positive area.
    pub corners: [f64; 4],
}

impl Class {
    /// Classes with these names and consecutive ids.
    pub(crate) fn numbered(first_id: u64, names: Vec<String>) -> Vec<Class> {
        (first_id..).zip(names).map(|(id, name)| Class { id, name }).collect()
    }
}

impl Object {
    /// What is wrong with the box in a frame of this size, if anything.
    pub(crate) fn misplaced(&self, frame: Size) -> Option<FindingKind> {
        let [left, top, width, height] = self.bbox;
        let beyond = [-left, -top, left + width - frame.width as f64, top + height - frame.height as f64];
        if width <= 0.0 || height <= 0.0 {
            Some(FindingKind::BoxWithoutArea)
        } else if clipped(self.bbox, frame).is_none() {
            Some(FindingKind::BoxOutsideFrame)
        } else if beyond.iter().any(|&pixels| pixels > FRAME_TOLERANCE) {
            Some(FindingKind::BoxBeyondFrame)
        } else {
            None
        }
    }
}

impl DetectionSet {
    /// The images that a list names by their paths below the folder `images`.
    ///
    /// # Errors
    /// [`Error::Io`] for the list; what `on_error` returns of [`Error::ImageList`] for a line whose image is not in the set.
    pub fn listed(mut self, images: &Path, list: &Path, on_error: ErrorHandler<'_>) -> Result<DetectionSet, Error> {
        let mut selection = Selection::read(images, list, &mut self.findings, on_error)?;
        self.records.retain(|record| selection.takes(&record.file));
        selection.finish(on_error)?;
        Ok(self)
    }
}

impl Record {
    /// Height and width in stored pixels.
    pub fn size(&self) -> Size {
        Size { height: self.height, width: self.width }
    }

    /// The objects to train on: no crowds (as in torchvision's COCO reference), no difficult ones unless kept, boxes
    /// clipped to the frame, none without area.
    pub fn targets(&self, options: &TargetOptions) -> Vec<Target> {
        let wanted =
            |object: &&Object| (options.keep_crowds || !object.crowd) && (options.keep_difficult || !object.difficult);
        self.objects
            .iter()
            .filter(wanted)
            .filter_map(|object| {
                let corners = clipped(object.bbox, self.size())?;
                Some(Target { class: object.class, corners })
            })
            .collect()
    }
}

/// Corners of the box inside the frame, if it has area there.
fn clipped([left, top, width, height]: [f64; 4], frame: Size) -> Option<[f64; 4]> {
    let corners = Window::whole(frame).clip([left, top, left + width, top + height]);
    (corners[2] > corners[0] && corners[3] > corners[1]).then_some(corners)
}

/// Adds the findings of a complete record.
pub(crate) fn examine(record: &Record, findings: &mut Findings) {
    if record.objects.is_empty() {
        findings.note(FindingKind::ImageWithoutObjects, &record.file);
    }
    for object in &record.objects {
        if let Some(kind) = object.misplaced(record.size()) {
            findings.note(kind, &record.file);
        }
        if object.crowd {
            findings.note(FindingKind::Crowd, &record.file);
        }
        if object.difficult {
            findings.note(FindingKind::Difficult, &record.file);
        }
    }
}

/// The stated size, or that of the image file where none (or zero) is stated.
pub(crate) fn stated_or_measured(
    (width, height): (Option<usize>, Option<usize>),
    file: &Path,
    orientation: Orientation,
    findings: &mut Findings,
) -> Result<Size, Error> {
    match (width, height) {
        (Some(width @ 1..), Some(height @ 1..)) => Ok(Size { height, width }),
        _ => {
            findings.note(FindingKind::SizeNotStated, file);
            Image::measure(file, orientation)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(objects: Vec<Object>) -> Record {
        Record { image_id: 1, file: "a.jpg".into(), width: 100, height: 50, objects }
    }

    fn object(bbox: [f64; 4]) -> Object {
        Object { class: 2, bbox, area: bbox[2] * bbox[3], crowd: false, difficult: false }
    }

    #[test]
    fn training_uses_clipped_boxes_and_none_without_area() {
        let boxes =
            [[-5.0, -5.0, 20.0, 20.0], [10.0, 10.0, 0.0, 5.0], [200.0, 10.0, 5.0, 5.0], [90.0, 40.0, 20.0, 20.0]];
        let record = record(boxes.map(object).to_vec());
        let corners: Vec<_> = record.targets(&TargetOptions::default()).iter().map(|t| t.corners).collect();
        assert_eq!(corners, [[0.0, 0.0, 15.0, 15.0], [90.0, 40.0, 100.0, 50.0]]);
        assert_eq!(record.objects.len(), 4);
    }

    #[test]
    fn training_uses_no_crowds_and_difficult_objects_only_on_request() {
        let plain = object([1.0, 1.0, 5.0, 5.0]);
        let record =
            record(vec![Object { crowd: true, ..plain.clone() }, Object { difficult: true, ..plain.clone() }, plain]);
        assert_eq!(record.targets(&TargetOptions::default()).len(), 1);
        assert_eq!(record.targets(&TargetOptions { keep_difficult: true, ..TargetOptions::default() }).len(), 2);
    }

    #[test]
    fn each_kind_of_finding_is_counted() {
        let mut findings = Findings::default();
        let boxes = [
            [0.0, 0.0, 100.9, 50.9],
            [-2.0, 0.0, 10.0, 10.0],
            [150.0, 0.0, 10.0, 10.0],
            [5.0, 5.0, 0.0, 10.0],
            [5.0, 5.0, 3.0, -1.0],
        ];
        examine(&record(boxes.map(object).to_vec()), &mut findings);
        examine(&record(Vec::new()), &mut findings);
        assert_eq!(findings.count(FindingKind::BoxBeyondFrame), 1);
        assert_eq!(findings.count(FindingKind::BoxOutsideFrame), 1);
        assert_eq!(findings.count(FindingKind::BoxWithoutArea), 2);
        assert_eq!(findings.count(FindingKind::ImageWithoutObjects), 1);
    }
}
