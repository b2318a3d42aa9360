//! The elements of an annotation file: images, categories and annotations.

/// An image, with or without objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id, to which annotations and detections refer; for ids that are no numbers, their number in
    /// [`GroundTruth::ids`](super::GroundTruth::ids).
    pub id: u64,
    /// Width in pixels; only needed to evaluate masks.
    pub width: usize,
    /// Height in pixels; only needed to evaluate masks.
    pub height: usize,
    /// The image file's name; not used by the evaluation.
    pub file_name: String,
}

/// A class of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its id, to which annotations and detections refer; ids may have gaps.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// An object on an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Annotation {
    /// The image.
    pub image_id: u64,
    /// The category.
    pub category_id: u64,
    /// x, y, width, height in pixels.
    pub bbox: [f64; 4],
    /// Area in square pixels (in COCO the mask's), which makes an object small (to 32²), medium (to 96²) or large.
    pub area: f64,
    /// A region of many objects: it need not be found, and detections inside it are ignored.
    pub crowd: bool,
}
