//! ImageNet-ReaL: for each image of ImageNet's validation set, all classes that it shows.
//!
//! Beyer et al., Are we done with ImageNet?, 2020 (<https://arxiv.org/abs/2006.07159>); the file is `real.json` of
//! <https://github.com/google-research/reassessed-imagenet>.

use std::path::Path;
use std::sync::Arc;

use crate::checks::class_index;
use crate::file::read_json;
use crate::{Error, Place};

/// For each image of ImageNet's validation set, in the order of the file names, the classes that it shows.
///
/// A prediction is correct if the best class is one of them; images without classes are not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealLabels {
    labels: Arc<[Vec<usize>]>,
}

impl RealLabels {
    /// Labels from `real.json`: a list of lists of class indices.
    ///
    /// # Errors
    /// The file cannot be read, is cut short, or is not a list of lists of class indices, with the place.
    pub fn from_file(path: impl AsRef<Path>) -> Result<RealLabels, Error> {
        let labels: Vec<Vec<usize>> =
            read_json(path.as_ref(), b'[', "a file of ReaL labels, a list of lists of class indices")?;
        Ok(RealLabels::from(labels))
    }

    /// How many images have an entry, including empty ones.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether no image has an entry.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The classes of an image, by its file name `ILSVRC2012_val_000000NN.JPEG`; folders before it are ignored.
    pub(super) fn of(&self, image: &str) -> Result<&[usize], Error> {
        let name = image.rsplit(['/', '\\']).next().unwrap_or(image);
        let digits = name.strip_prefix("ILSVRC2012_val_").and_then(|name| name.strip_suffix(".JPEG"));
        let number = digits.filter(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number: Option<usize> = number.and_then(|digits| digits.parse().ok());
        let labels = number.and_then(|number| self.labels.get(number.checked_sub(1)?));
        labels.map(Vec::as_slice).ok_or_else(|| {
            let names = format!("ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_{:08}.JPEG", self.len());
            Error::value("the file name", format!("{name:?}"), format!("one with ReaL labels ({names})"))
        })
    }

    /// Checks that all labels are class indices.
    pub(super) fn check(&self, classes: usize) -> Result<(), Error> {
        for (index, labels) in self.labels.iter().enumerate() {
            let mut checks = labels.iter().map(|&class| class_index(class, classes));
            checks.try_for_each(|check| check).map_err(|error| error.within(Place::element("ReaL labels", index)))?;
        }
        Ok(())
    }
}

impl From<Vec<Vec<usize>>> for RealLabels {
    fn from(labels: Vec<Vec<usize>>) -> RealLabels {
        RealLabels { labels: labels.into() }
    }
}
