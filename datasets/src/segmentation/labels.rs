//! From the ids and colours in a mask file to class indices.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::colours::Colours;
use crate::Error;
use crate::image::{MaskPixels, Size};
use crate::mask::{Mask, voc_palette};
use crate::settings::check;

/// What happens with an id without a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unmapped {
    /// The mask is an error.
    #[default]
    Error,
    /// The pixel is ignored.
    Ignore,
}

/// A class index, or the ignore index, for every id that may occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    table: Vec<Option<u8>>,
    unmapped: Unmapped,
    ignore: u8,
    classes: usize,
    colours: Colours,
}

impl LabelMap {
    /// Ids that are the class indices themselves, and `ignore`.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are more than 255 classes or `ignore` is one of them.
    pub fn identity(classes: usize, ignore: u8) -> Result<LabelMap, Error> {
        let ids = (0..classes.min(usize::from(u8::MAX))).map(|class| (class as u16, class as u8)).collect();
        LabelMap::new(classes, ignore, &ids, Unmapped::Error)
    }

    /// The classes of the ids in the files; `ignore` stands for itself unless `ids` has it.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are more than 255 classes, `ignore` is one of them, or an id is mapped to neither a
    /// class nor `ignore`.
    pub fn new(classes: usize, ignore: u8, ids: &BTreeMap<u16, u8>, unmapped: Unmapped) -> Result<LabelMap, Error> {
        check((1..=usize::from(u8::MAX)).contains(&classes), "classes", classes, "1 to 255 classes")?;
        check(usize::from(ignore) >= classes, "ignore", ignore, "an index from 0 to 255 that is not a class")?;
        let most = ids.keys().copied().max().unwrap_or_default().max(u16::from(ignore));
        let mut table = vec![None; usize::from(most) + 1];
        table[usize::from(ignore)] = Some(ignore);
        for (&id, &class) in ids {
            let is_valid = usize::from(class) < classes || class == ignore;
            check(is_valid, "ids", format!("{{{id}: {class}}}"), "classes of the set, or its ignore index")?;
            table[usize::from(id)] = Some(class);
        }
        Ok(LabelMap { table, unmapped, ignore, classes, colours: Colours::voc(classes, ignore) })
    }

    /// With these classes for the colours of masks that are pictures; VOC's otherwise.
    pub(crate) fn with_colours(self, colours: Colours) -> LabelMap {
        LabelMap { colours, ..self }
    }

    /// Whether the numbers that occur have other colours than VOC's and are not grey, where nobody has named the colours.
    pub(super) fn is_foreign(&self, numbers: &[u16], palette: &[[u8; 3]]) -> bool {
        let voc = voc_palette();
        let is_usual = |(index, colour): (usize, &[u8; 3])| {
            let of_voc = voc.get(3 * index..3 * index + 3) == Some(&colour[..]);
            of_voc || colour.iter().all(|level| *level == colour[0]) || index == usize::from(self.ignore)
        };
        let mut used = [false; 256];
        for &number in numbers {
            if let Some(used) = used.get_mut(usize::from(number)) {
                *used = true;
            }
        }
        let mut shown = palette.iter().enumerate().filter(|(index, _)| used.get(*index) == Some(&true));
        !self.colours.named && !shown.all(is_usual)
    }

    /// Ignored pixels get this index.
    pub(super) fn ignore_as(&mut self, index: u8) {
        let old = std::mem::replace(&mut self.ignore, index);
        self.table.iter_mut().flatten().filter(|class| **class == old).for_each(|class| *class = index);
        self.colours.ignore_as(old, index);
    }

    /// The mask whose file has these pixels.
    ///
    /// # Errors
    /// [`Error::MaskId`] or [`Error::MaskColour`] with the first pixel that is no class.
    pub(crate) fn mask(&self, pixels: MaskPixels, path: &Path) -> Result<Mask, Error> {
        match pixels {
            MaskPixels::Numbers { size, numbers, palette: Some(palette) } if self.colours.named => {
                let colour = |index: u16| palette.get(usize::from(index)).copied().unwrap_or_default();
                self.coloured(size, numbers.into_iter().map(colour), path)
            }
            MaskPixels::Numbers { size, numbers, .. } => Mask::mapped((size, numbers), path, |id| self.class(id)),
            MaskPixels::Colours(image) => {
                let colours = image.data.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]);
                self.coloured(image.size(), colours, path)
            }
        }
    }

    fn coloured(&self, size: Size, pixels: impl Iterator<Item = [u8; 3]>, path: &Path) -> Result<Mask, Error> {
        let mut data = Vec::with_capacity(size.pixels());
        let mut last = None;
        for (place, colour) in pixels.enumerate() {
            let class = match last {
                Some((same, class)) if same == colour => class,
                _ => match (self.colours.class(colour), self.unmapped) {
                    (Some(class), _) => class,
                    (None, Unmapped::Ignore) => self.ignore,
                    (None, Unmapped::Error) => {
                        let (x, y) = (place % size.width, place / size.width);
                        let (path, origin) = (path.to_path_buf(), self.colours.origin.clone());
                        return Err(Error::MaskColour { path, colour, x, y, origin });
                    }
                },
            };
            last = Some((colour, class));
            data.push(class);
        }
        Ok(Mask { height: size.height, width: size.width, data })
    }

    /// The class of an id.
    ///
    /// # Errors
    /// The end of the sentence "id ... is".
    pub(crate) fn class(&self, id: u16) -> Result<u8, String> {
        match (self.table.get(usize::from(id)).copied().flatten(), self.unmapped) {
            (Some(class), _) => Ok(class),
            (None, Unmapped::Ignore) => Ok(self.ignore),
            (None, Unmapped::Error) => {
                Err(format!("neither one of the {} classes nor the ignore index {}", self.classes, self.ignore))
            }
        }
    }
}
