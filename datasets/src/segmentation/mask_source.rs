//! Where the mask of an image comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotation_files::coco;

use crate::Error;
use crate::image::Size;
use crate::mask::Mask;

/// A file of pixels, or objects that are drawn for each sample.
#[derive(Debug, Clone, PartialEq)]
pub enum MaskSource {
    /// The mask file.
    File(PathBuf),
    /// Objects of an annotation file.
    Objects(Objects),
}

/// The objects of an image: polygons and run lengths, not pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// The annotation file.
    pub(super) file: Arc<Path>,
    /// The size of the mask: the image's.
    pub(super) size: Size,
    /// Each with its class, in the order in which they are painted.
    pub(super) objects: Vec<(u8, coco::Mask)>,
}

impl MaskSource {
    /// The mask file, or the annotation file.
    pub fn path(&self) -> &Path {
        match self {
            MaskSource::File(path) => path,
            MaskSource::Objects(objects) => &objects.file,
        }
    }
}

impl MaskSource {
    /// The classes of the objects; `None` where only the mask file says.
    pub fn classes(&self) -> Option<impl Iterator<Item = u8> + '_> {
        match self {
            MaskSource::File(_) => None,
            MaskSource::Objects(objects) => Some(objects.objects.iter().map(|(class, _)| *class)),
        }
    }
}

impl From<PathBuf> for MaskSource {
    fn from(path: PathBuf) -> MaskSource {
        MaskSource::File(path)
    }
}

impl Objects {
    /// The mask: class 0, and the objects over it.
    pub(super) fn draw(&self) -> Result<Mask, Error> {
        let Size { height, width } = self.size;
        let mut mask = Mask::filled(self.size, 0);
        for (class, object) in &self.objects {
            let size = [height, width].map(|side| side as u32);
            let reason = |reason| Error::Decode { path: self.file.to_path_buf(), reason };
            let mut at = 0;
            for (index, run) in object.to_runs(size).map_err(reason)?.into_iter().enumerate() {
                let run = at..at + run as usize;
                at = run.end;
                if index % 2 == 1 {
                    // Runs go down the columns.
                    run.for_each(|pixel| mask.data[pixel % height * width + pixel / height] = *class);
                }
            }
        }
        Ok(mask)
    }
}
